//! Node states and removed nodes.

use headwater_types::{Incarnation, NodeId};

use super::{
    apply,
    cluster::{cluster, drain, entry},
    node, refused,
};
use crate::{
    command::{Command, Outcome},
    limits::{ADDRESS_BYTES_MAX, NODES_MAX, REMOVED_NODES_MAX},
    records::{NodeRecord, NodeState},
    refusal as code,
    state::State,
};

fn register(state: &mut State, node: NodeRecord) -> Outcome {
    apply(state, Command::RegisterNodes { nodes: vec![node] })
}

fn remove(state: &mut State, id: u64) -> Outcome {
    apply(state, Command::RemoveNode { node: NodeId(id) })
}

#[test]
fn a_registration_keeps_what_an_operator_wants_of_a_node() {
    let mut state = cluster(entry(&[1, 2], &[], &[]));
    drain(&mut state, 3);
    drain(&mut state, 3);
    assert_eq!(register(&mut state, node(3, 1, "c")), Outcome::Done, "the same process again");
    assert_eq!(register(&mut state, NodeRecord { hot_capacity_bytes: 9, ..node(3, 2, "c") }), Outcome::Done);
    let record = &state.nodes[&NodeId(3)];
    assert_eq!((record.state, record.hot_capacity_bytes), (NodeState::Draining, 9));
    let grown = NodeRecord { hot_capacity_bytes: 10, ..node(3, 2, "c") };
    assert!(refused(register(&mut state, grown)).1.contains("hot capacity without a restart"));
    let command = Command::SetNodeState { node: NodeId(3), state: NodeState::Active };
    assert_eq!(apply(&mut state, command), Outcome::Done);
    assert_eq!(state.nodes[&NodeId(3)].state, NodeState::Active);

    let draining = NodeRecord { state: NodeState::Draining, ..node(8, 1, "a") };
    assert_eq!(register(&mut state, draining), Outcome::Done);
    assert_eq!(state.nodes[&NodeId(8)].state, NodeState::Active, "it is not for the node to say");
    let unknown = Command::SetNodeState { node: NodeId(9), state: NodeState::Active };
    assert_eq!(refused(apply(&mut state, unknown)).0, code::NOT_FOUND);
}

#[test]
fn a_removed_node_never_returns() {
    let mut state = cluster(entry(&[1], &[2], &[3]));
    for id in [1, 2, 3] {
        let (code, message) = refused(remove(&mut state, id));
        assert!(code == code::IN_USE && message.starts_with("1 shards name"), "{message}");
    }
    assert_eq!(refused(remove(&mut state, 9)).0, code::NOT_FOUND);
    for _ in 0..2 {
        assert_eq!(remove(&mut state, 4), Outcome::Done);
        assert!(!state.nodes.contains_key(&NodeId(4)));
    }
    for incarnation in [1, 2, u64::MAX] {
        let back = NodeRecord { incarnation: Incarnation(incarnation), ..node(4, 1, "a") };
        assert_eq!(refused(register(&mut state, back)).0, code::REMOVED);
    }
    let nodes = vec![node(7, 1, "a"), node(4, 2, "a")];
    assert_eq!(refused(apply(&mut state, Command::RegisterNodes { nodes })).0, code::REMOVED);
    assert!(!state.nodes.contains_key(&NodeId(7)), "refused as a whole");
    let state = State::decode(&state.encode().unwrap()).unwrap();
    assert!(state.removed_nodes.contains(&NodeId(4)));
}

#[test]
fn removed_nodes_and_registered_ones_at_their_limits() {
    let mut state = State::default();
    let nodes = (1..=NODES_MAX as u64).map(|id| node(id, 1, "a")).collect();
    assert_eq!(apply(&mut state, Command::RegisterNodes { nodes }), Outcome::Done);
    assert_eq!(refused(register(&mut state, node(1_000, 1, "a"))).0, code::TOO_MANY);
    assert_eq!(remove(&mut state, 1), Outcome::Done);
    assert_eq!(register(&mut state, node(1_000, 1, "a")), Outcome::Done, "one was removed");

    state.removed_nodes = (10_000..).take(REMOVED_NODES_MAX - 1).map(NodeId).collect();
    assert_eq!(remove(&mut state, 2), Outcome::Done);
    assert_eq!(refused(remove(&mut state, 3)).0, code::TOO_MANY);
    assert!(state.nodes.contains_key(&NodeId(3)));
    assert_eq!(remove(&mut state, 2), Outcome::Done, "a repetition is none more");
}

#[test]
fn addresses_at_their_limit_and_one_past() {
    let mut state = State::default();
    let at = |id, bytes: usize| {
        let address = format!("{}:7000", "h".repeat(bytes - 5));
        NodeRecord { address, ..node(id, 1, "a") }
    };
    assert_eq!(register(&mut state, at(1, ADDRESS_BYTES_MAX)), Outcome::Done);
    assert_eq!(refused(register(&mut state, at(2, ADDRESS_BYTES_MAX + 1))).0, code::INVALID);
    let portless = NodeRecord { address: "host".to_owned(), ..node(2, 1, "a") };
    assert_eq!(refused(register(&mut state, portless)).0, code::INVALID);
}
