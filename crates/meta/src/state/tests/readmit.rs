//! Readmissions.

use headwater_types::{Epoch, Incarnation, NodeId, ShardId};
use std::sync::Arc;

use super::{
    apply,
    cluster::{cluster, entry, member, process, shard},
    refused,
};
use crate::{
    command::{Command, Evidence, Outcome},
    records::ShardEntry,
    refusal as code,
    state::State,
};

fn readmit(state: &mut State, node: u64, (old, new): (u64, u64), shards: &[(u16, u64)]) -> Outcome {
    let shards: Vec<(ShardId, Epoch)> =
        shards.iter().map(|(id, epoch)| (shard(*id), Epoch(*epoch))).collect();
    let (node, old, new) = (NodeId(node), Incarnation(old), Incarnation(new));
    apply(state, Command::Readmit { node, old, new, evidence: Evidence::SameBoot, shards })
}

/// Node 2 is a tail of shard 0, syncing in 1, retiring in 2, and no member of 3.
fn state() -> State {
    let mut state = cluster(entry(&[1, 2], &[5], &[]));
    state.shards.insert(shard(1), Arc::new(entry(&[1], &[2], &[])));
    state.shards.insert(shard(2), Arc::new(entry(&[1, 5], &[], &[2])));
    state.shards.insert(shard(3), Arc::new(entry(&[1, 5], &[], &[])));
    state
}

const ALL: [(u16, u64); 3] = [(0, 5), (1, 5), (2, 5)];

#[test]
fn a_member_keeps_its_places_under_its_new_incarnation() {
    let mut state = state();
    let before = state.clone();
    assert_eq!(readmit(&mut state, 2, (1, 7), &ALL), Outcome::Done);
    let back = process(2, 7);
    let tail = ShardEntry { epoch: Epoch(6), insync: vec![member(1), back], ..entry(&[1, 2], &[5], &[]) };
    assert_eq!(*state.shards[&shard(0)], tail);
    assert_eq!(state.shards[&shard(1)].syncing, [back]);
    assert_eq!(state.shards[&shard(2)].retiring, [back]);
    assert_eq!(state.shards[&shard(3)], before.shards[&shard(3)]);
    assert_eq!(state.nodes[&NodeId(2)].incarnation, Incarnation(7));
    let again = apply(&mut state, Command::RegisterNodes { nodes: vec![super::node(2, 7, "b")] });
    assert_eq!(again, Outcome::Done, "its registration has nothing to add");
    assert_eq!(*state.shards[&shard(0)], tail);
    assert_eq!(refused(readmit(&mut state, 2, (1, 7), &ALL)).0, code::STALE_INCARNATION);
}

#[test]
fn a_sole_head_comes_back_as_the_head() {
    let mut state = cluster(entry(&[1], &[], &[]));
    assert_eq!(readmit(&mut state, 1, (1, 2), &[(0, 5)]), Outcome::Done);
    let entry = &state.shards[&shard(0)];
    assert_eq!((entry.epoch, entry.head, &entry.insync[..]), (Epoch(6), process(1, 2), &[process(1, 2)][..]));
}

#[test]
fn both_members_crashed_and_come_back_one_after_the_other() {
    let mut state = cluster(entry(&[1, 2], &[], &[]));
    assert_eq!(readmit(&mut state, 2, (1, 2), &[(0, 5)]), Outcome::Done);
    assert_eq!(refused(readmit(&mut state, 1, (1, 2), &[(0, 5)])).0, code::VERSION_MISMATCH);
    assert_eq!(readmit(&mut state, 1, (1, 2), &[(0, 6)]), Outcome::Done);
    assert_eq!(state.shards[&shard(0)].insync, [process(1, 2), process(2, 2)]);
}

#[test]
fn what_is_refused() {
    let cases = [
        (9, (1, 2), &ALL[..], code::NOT_FOUND, "no node 9"),
        (2, (2, 3), &ALL[..], code::STALE_INCARNATION, "at incarnation 1, not 2"),
        (2, (1, 1), &ALL[..], code::INVALID, "incarnation 1 is not later than 1"),
        (2, (1, 2), &[(0, 4), (1, 5), (2, 5)][..], code::VERSION_MISMATCH, "shard 0 is at epoch 5, not 4"),
        (2, (1, 2), &[(0, 5), (1, 5), (2, 5), (3, 5)][..], code::INVALID, "shard 3: 2.1 is no member"),
        (2, (1, 2), &[(0, 5), (1, 5), (2, 5), (9, 5)][..], code::NOT_FOUND, "shard 9"),
        (2, (1, 2), &[(0, 5), (2, 5)][..], code::INVALID, "shard 1 names 2.1 too"),
        (2, (1, 2), &[(0, 5), (1, 5), (2, 5), (2, 5)][..], code::INVALID, "no shard twice"),
        (6, (1, 2), &[][..], code::INVALID, "6.1 is in sync in no shard"),
    ];
    for (node, incarnations, shards, wanted, words) in cases {
        let mut state = state();
        let before = state.clone();
        let (code, message) = refused(readmit(&mut state, node, incarnations, shards));
        assert!(code == wanted && message.contains(words), "{words}: {code}: {message}");
        assert_eq!(State { version: before.version, ..state }, before, "{words}");
    }
    let mut only_syncing = cluster(entry(&[1], &[2], &[]));
    let (_, message) = refused(readmit(&mut only_syncing, 2, (1, 2), &[(0, 5)]));
    assert!(message.contains("register instead"), "{message}");
}

#[test]
fn who_was_evicted_or_registered_anew_is_not_readmitted() {
    let mut evicted = cluster(entry(&[1], &[], &[]));
    assert!(refused(readmit(&mut evicted, 2, (1, 2), &[(0, 5)])).1.contains("2.1 is no member of epoch 5"));
    let mut anew = cluster(entry(&[1, 2], &[], &[]));
    apply(&mut anew, Command::RegisterNodes { nodes: vec![super::node(2, 2, "b")] });
    assert_eq!(refused(readmit(&mut anew, 2, (1, 3), &[(0, 6)])).0, code::STALE_INCARNATION);
}
