//! Node states and removed nodes.

use headwater_types::NodeId;

use super::{
    apply,
    cluster::{cluster, drain, entry},
    new_node, next_process, refused, registered,
};
use crate::{
    command::{Command, Outcome, Registration},
    limits::{ADDRESS_BYTES_MAX, NODES_MAX, REMOVED_NODES_MAX},
    records::NodeState,
    refusal as code,
    state::State,
};

fn register(state: &mut State, node: Registration) -> Outcome {
    apply(state, Command::Register { nodes: vec![node] })
}

fn remove(state: &mut State, id: u64) -> Outcome {
    apply(state, Command::RemoveNode { node: NodeId(id) })
}

#[test]
fn a_registration_keeps_what_an_operator_wants_of_a_node() {
    let mut state = cluster(entry(&[1, 2], &[], &[]));
    drain(&mut state, 3);
    drain(&mut state, 3);
    let larger = Registration { hot_capacity_bytes: 9, ..next_process(&state, 3, "c") };
    let first = registered(register(&mut state, larger.clone()));
    assert_eq!(registered(register(&mut state, larger.clone())), first, "the same process again");
    let record = &state.nodes[&NodeId(3)];
    assert_eq!((record.state, record.hot_capacity_bytes), (NodeState::Draining, 9));
    let grown = Registration { hot_capacity_bytes: 10, ..larger };
    assert!(refused(register(&mut state, grown)).1.contains("hot capacity without a restart"));
    let command = Command::SetNodeState { node: NodeId(3), state: NodeState::Active };
    assert_eq!(apply(&mut state, command), Outcome::Done);
    assert_eq!(state.nodes[&NodeId(3)].state, NodeState::Active);

    let new = next_process(&state, 8, "a");
    registered(register(&mut state, new));
    assert_eq!(state.nodes[&NodeId(8)].state, NodeState::Active);
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
    let before = state.clone();
    for _ in 0..2 {
        assert_eq!(remove(&mut state, 4), Outcome::Done);
        assert!(!state.nodes.contains_key(&NodeId(4)));
    }
    // The process that was registered, a new one, and one that had read the record before it was removed.
    let follows = Some(super::newest(&before, 4));
    for back in [new_node(4, 1, "a"), new_node(4, 99, "a"), Registration { follows, ..new_node(4, 99, "a") }]
    {
        assert_eq!(refused(register(&mut state, back)).0, code::REMOVED);
    }
    let nodes = vec![new_node(7, 98, "a"), new_node(4, 99, "a")];
    assert_eq!(refused(apply(&mut state, Command::Register { nodes })).0, code::REMOVED);
    assert!(!state.nodes.contains_key(&NodeId(7)), "refused as a whole");
    let state = State::decode(&state.encode().unwrap()).unwrap();
    assert!(state.removed_nodes.contains(&NodeId(4)));
}

#[test]
fn removed_nodes_and_registered_ones_at_their_limits() {
    let mut state = State::default();
    let nodes = (1..=NODES_MAX as u64).map(|id| new_node(id, id, "a")).collect();
    assert_eq!(registered(apply(&mut state, Command::Register { nodes })).len(), NODES_MAX);
    assert_eq!(refused(register(&mut state, new_node(1_000, 1_000, "a"))).0, code::TOO_MANY);
    assert_eq!(remove(&mut state, 1), Outcome::Done);
    registered(register(&mut state, new_node(1_000, 1_000, "a")));

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
        Registration { address, ..new_node(id, id, "a") }
    };
    registered(register(&mut state, at(1, ADDRESS_BYTES_MAX)));
    assert_eq!(refused(register(&mut state, at(2, ADDRESS_BYTES_MAX + 1))).0, code::INVALID);
    let portless = Registration { address: "host".to_owned(), ..new_node(2, 2, "a") };
    assert_eq!(refused(register(&mut state, portless)).0, code::INVALID);
}
