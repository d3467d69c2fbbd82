//! What the first map is made of, and when.

use headwater_types::{NodeId, limits::SHARD_COUNT};
use std::collections::BTreeMap;

use super::*;
use crate::{
    command::Outcome,
    state::tests::{create_map, register},
};

fn registered(nodes: impl IntoIterator<Item = (u64, &'static str)>) -> State {
    let mut state = State::default();
    nodes.into_iter().for_each(|node| drop(register(&mut state, &[node])));
    state
}

fn six() -> Vec<(u64, &'static str)> {
    (1..=6).map(|id| (id, if id % 2 == 0 { "b" } else { "a" })).collect()
}

#[test]
fn the_first_map_is_a_function_of_the_nodes() {
    let state = registered(six());
    let command = first_map(&state).unwrap();
    let reversed = registered(six().into_iter().rev());
    assert_eq!(first_map(&reversed).as_ref(), Some(&command), "the order of registrations does not matter");
    let restored = State::decode(&state.encode().unwrap()).unwrap();
    assert_eq!(first_map(&restored).as_ref(), Some(&command), "nor where the state comes from");

    let Command::CreateMap { shards } = command else { panic!("{command:?}") };
    assert_eq!(shards.len(), usize::from(SHARD_COUNT));
    let mut heads: BTreeMap<NodeId, usize> = BTreeMap::new();
    for shard in shards.values() {
        *heads.entry(shard.head).or_default() += 1;
    }
    assert_eq!(heads.len(), 6);
    assert!(heads.values().all(|heads| (170..=171).contains(heads)), "heads are even: {heads:?}");
}

#[test]
fn a_map_needs_two_zones_and_is_planned_once() {
    assert_eq!(first_map(&State::default()), None);
    let one_zone = registered([(1, "a"), (3, "a")]);
    assert_eq!(first_map(&one_zone), None);
    let mut state = registered([(1, "a"), (2, "b")]);
    assert_eq!(create_map(&mut state), Outcome::Done);
    assert_eq!(first_map(&state), None);
}
