//! Registrations, by example and under random sequences.

use headwater_types::{Epoch, Incarnation, Member, NodeId, ShardId, limits::SHARD_COUNT};
use proptest::{collection::vec, prelude::*};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{apply, create_map, invariants, node, refusal};
use crate::{
    command::{Command, Outcome},
    placement,
    records::{NodeRecord, ShardEntry},
    refusal as code,
    state::State,
};

fn register(state: &mut State, nodes: &[NodeRecord]) -> Outcome {
    apply(state, Command::RegisterNodes { nodes: nodes.to_vec() })
}

fn member(id: u64, incarnation: u64) -> Member {
    Member { node: NodeId(id), incarnation: Incarnation(incarnation) }
}

/// A cluster of two nodes; shard 0 is the example.
fn pair() -> State {
    let mut state = State::default();
    assert_eq!(register(&mut state, &[node(1, 1, "a"), node(2, 1, "b")]), Outcome::Done);
    assert_eq!(create_map(&mut state), Outcome::Done);
    state
}

fn example(state: &State) -> &ShardEntry {
    &state.shards[&ShardId::new(0).unwrap()]
}

#[test]
fn a_registration_places_nothing() {
    let mut state = State::default();
    assert_eq!(register(&mut state, &[node(1, 1, "a"), node(2, 1, "b")]), Outcome::Done);
    assert!(state.shards.is_empty());
    assert_eq!(create_map(&mut state), Outcome::Done);
    let before = state.shards.clone();
    assert_eq!(register(&mut state, &[node(3, 1, "a")]), Outcome::Done);
    assert_eq!(state.shards, before, "a later node owns nothing");
}

#[test]
fn a_registration_is_idempotent_and_older_processes_are_refused() {
    let mut state = pair();
    register(&mut state, &[node(1, 5, "a")]);
    let before = state.clone();
    assert_eq!(register(&mut state, &[node(1, 5, "a")]), Outcome::Done);
    assert_eq!(refusal(&register(&mut state, &[node(1, 4, "a")])), Some(code::STALE_INCARNATION));
    assert_eq!(
        refusal(&register(&mut state, &[node(3, 1, "a"), node(1, 4, "a")])),
        Some(code::STALE_INCARNATION)
    );
    let moved = NodeRecord { address: "elsewhere:1".into(), ..node(1, 5, "a") };
    assert_eq!(refusal(&register(&mut state, std::slice::from_ref(&moved))), Some(code::INVALID));
    assert_eq!(
        refusal(&register(&mut state, &[node(1, 6, "b")])),
        Some(code::INVALID),
        "it owns shards in zone a"
    );
    assert_eq!(refusal(&register(&mut state, &[])), Some(code::INVALID));
    assert_eq!(refusal(&register(&mut state, &[node(1, 6, "a"), node(1, 7, "a")])), Some(code::INVALID));
    assert_eq!(State { version: before.version, ..state.clone() }, before, "refusals change nothing");
    let moved = NodeRecord { incarnation: Incarnation(6), ..moved };
    assert_eq!(register(&mut state, &[moved]), Outcome::Done);
    assert_eq!(state.nodes[&NodeId(1)].address, "elsewhere:1");
}

#[test]
fn restarts_one_after_the_other() {
    let mut state = pair();
    register(&mut state, &[node(1, 2, "a")]);
    let entry = example(&state);
    assert_eq!((entry.epoch, entry.head), (Epoch(2), member(2, 1)));
    assert_eq!((&entry.insync[..], &entry.syncing[..]), (&[member(2, 1)][..], &[member(1, 2)][..]));

    register(&mut state, &[node(1, 3, "a")]);
    let entry = example(&state);
    assert_eq!(
        (entry.epoch, &entry.syncing[..]),
        (Epoch(3), &[member(1, 3)][..]),
        "a syncing member is renamed"
    );
    assert_eq!(entry.insync, [member(2, 1)]);

    let effect =
        state.apply_entry(99, &super::encoded(Command::RegisterNodes { nodes: vec![node(2, 2, "b")] }));
    let entry = example(&state);
    assert_eq!((entry.epoch, entry.head), (Epoch(4), member(1, 3)), "the syncing member takes over");
    assert_eq!((&entry.insync[..], &entry.syncing[..]), (&[member(1, 3)][..], &[member(2, 2)][..]));
    assert_eq!((effect.lost.incomplete, effect.lost.empty), (usize::from(SHARD_COUNT), 0), "and it is loud");
}

#[test]
fn a_restart_of_everything_at_once() {
    let mut state = pair();
    let command = Command::RegisterNodes { nodes: vec![node(1, 2, "a"), node(2, 2, "b")] };
    let head = example(&state).head.node;
    let effect = state.apply_entry(99, &super::encoded(command));
    let entry = example(&state);
    assert_eq!((entry.epoch, entry.head), (Epoch(2), Member { node: head, incarnation: Incarnation(2) }));
    assert_eq!((entry.insync.len(), entry.syncing.len()), (2, 0));
    assert_eq!((effect.lost.incomplete, effect.lost.empty), (0, usize::from(SHARD_COUNT)));
}

#[test]
fn of_a_move_that_restarts_as_a_whole_only_one_a_zone_is_in_sync() {
    let mut state = pair();
    register(&mut state, &[node(3, 1, "b")]);
    for entry in state.shards.values_mut() {
        Arc::make_mut(entry).syncing = vec![member(3, 1)];
        Arc::make_mut(entry).retiring = vec![member(9, 1)];
    }
    register(&mut state, &[node(1, 2, "a"), node(2, 2, "b"), node(3, 2, "b")]);
    let entry = example(&state);
    assert_eq!(entry.insync.iter().map(|m| m.node).collect::<BTreeSet<_>>(), [NodeId(1), NodeId(2)].into());
    assert_eq!((&entry.syncing[..], &entry.retiring[..]), (&[member(3, 2)][..], &[member(9, 1)][..]));
}

/// Nodes as (id, how much the incarnation grows, another zone than before).
fn registrations() -> impl Strategy<Value = Vec<Vec<(u64, u64, bool)>>> {
    let node = (1..=6_u64, 0..3_u64, prop::bool::weighted(0.1));
    vec(vec(node, 1..4), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn invariants_hold_under_random_registrations(commands in registrations()) {
        let mut state = State::default();
        let mut incarnations: BTreeMap<u64, u64> = BTreeMap::new();
        for command in commands {
            let nodes: Vec<NodeRecord> = command.iter().map(|(id, newer, elsewhere)| {
                let incarnation = incarnations.get(id).copied().unwrap_or(1) + newer;
                node(*id, incarnation, if (id % 2 == 0) ^ elsewhere { "a" } else { "b" })
            }).collect();
            let before = state.clone();
            let outcome = register(&mut state, &nodes);
            if outcome == Outcome::Done {
                incarnations.extend(nodes.iter().map(|n| (n.id.0, n.incarnation.0)));
            } else {
                prop_assert_eq!(&State { version: before.version, ..state.clone() }, &before);
            }
            invariants::check(&before, &state);
            if let Some(command) = placement::first_map(&state) {
                prop_assert_eq!(apply(&mut state, command), Outcome::Done);
                invariants::check(&before, &state);
            }
        }
    }
}
