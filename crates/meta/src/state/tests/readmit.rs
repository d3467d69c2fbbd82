//! Readmissions.

use headwater_types::{DiskId, Epoch, Incarnation, NodeId, ShardId};
use std::sync::Arc;

use super::{
    apply,
    cluster::{cluster, entry, member, process, shard},
    disk, new_node, nonce, refused, register, registered,
};
use crate::{
    command::{Command, Evidence, Outcome},
    records::ShardEntry,
    refusal as code,
    state::State,
};

/// By a process with the nonce `process`, in the node's own directory.
fn readmit(state: &mut State, node: u64, (old, process): (u64, u64), shards: &[(u16, u64)]) -> Outcome {
    readmit_from(state, node, disk(node), (old, process), shards)
}

fn readmit_from(
    state: &mut State,
    node: u64,
    disk_id: DiskId,
    (old, process): (u64, u64),
    shards: &[(u16, u64)],
) -> Outcome {
    let shards: Vec<(ShardId, Epoch)> =
        shards.iter().map(|(id, epoch)| (shard(*id), Epoch(*epoch))).collect();
    let (node, old, nonce) = (NodeId(node), Incarnation(old), nonce(process));
    apply(state, Command::Readmit { node, old, disk_id, nonce, evidence: Evidence::SameBoot, shards })
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
    state.version = 6;
    let before = state.clone();
    let back = process(2, 7);
    assert_eq!(registered(readmit(&mut state, 2, (1, 77), &ALL)), [back], "the index, whatever its nonce");
    let tail = ShardEntry { epoch: Epoch(6), insync: vec![member(1), back], ..entry(&[1, 2], &[5], &[]) };
    assert_eq!(*state.shards[&shard(0)], tail);
    assert_eq!(state.shards[&shard(1)].syncing, [back]);
    assert_eq!(state.shards[&shard(2)].retiring, [back]);
    assert_eq!(state.shards[&shard(3)], before.shards[&shard(3)]);
    assert_eq!(state.nodes[&NodeId(2)].incarnation, Incarnation(7));
    let again = apply(&mut state, Command::Register { nodes: vec![new_node(2, 77, "b")] });
    assert_eq!(registered(again), [back], "its registration has nothing to add");
    assert_eq!(*state.shards[&shard(0)], tail);
    assert_eq!(refused(readmit(&mut state, 2, (1, 77), &ALL)).0, code::STALE_INCARNATION);
    let late = apply(&mut state, Command::Register { nodes: vec![new_node(2, 1, "b")] });
    assert_eq!(refused(late).0, code::REPLACED, "the process that it replaced");
}

#[test]
fn a_sole_head_comes_back_as_the_head() {
    let mut state = cluster(entry(&[1], &[], &[]));
    registered(readmit(&mut state, 1, (1, 77), &[(0, 5)]));
    let entry = &state.shards[&shard(0)];
    assert_eq!((entry.epoch, entry.head, &entry.insync[..]), (Epoch(6), process(1, 2), &[process(1, 2)][..]));
}

#[test]
fn both_members_crashed_and_come_back_one_after_the_other() {
    let mut state = cluster(entry(&[1, 2], &[], &[]));
    registered(readmit(&mut state, 2, (1, 78), &[(0, 5)]));
    assert_eq!(refused(readmit(&mut state, 1, (1, 77), &[(0, 5)])).0, code::VERSION_MISMATCH);
    registered(readmit(&mut state, 1, (1, 77), &[(0, 6)]));
    assert_eq!(state.shards[&shard(0)].insync, [process(1, 4), process(2, 2)]);
}

#[test]
fn what_is_refused() {
    let cases = [
        (9, (1, 2), &ALL[..], code::NOT_FOUND, "no node 9"),
        (2, (2, 3), &ALL[..], code::STALE_INCARNATION, "at incarnation 1, not 2"),
        (2, (1, 1), &ALL[..], code::INVALID, "this process is registered already, as 2.1"),
        (2, (1, 2), &[(0, 4), (1, 5), (2, 5)][..], code::VERSION_MISMATCH, "shard 0 is at epoch 5, not 4"),
        (2, (1, 2), &[(0, 5), (1, 5), (2, 5), (3, 5)][..], code::INVALID, "shard 3: 2.1 is no member"),
        (2, (1, 2), &[(0, 5), (1, 5), (2, 5), (9, 5)][..], code::NOT_FOUND, "shard 9"),
        (2, (1, 2), &[(0, 5), (2, 5)][..], code::INVALID, "shard 1 names 2.1 too"),
        (2, (1, 2), &[(0, 5), (1, 5), (2, 5), (2, 5)][..], code::INVALID, "no shard twice"),
        (6, (1, 2), &[][..], code::INVALID, "6.1 is in sync in no shard"),
    ];
    for (node, processes, shards, wanted, words) in cases {
        let mut state = state();
        let before = state.clone();
        let (code, message) = refused(readmit(&mut state, node, processes, shards));
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
    assert!(refused(readmit(&mut evicted, 2, (1, 77), &[(0, 5)])).1.contains("2.1 is no member of epoch 5"));
    let mut anew = cluster(entry(&[1, 2], &[], &[]));
    register(&mut anew, &[(2, "b")]);
    assert_eq!(refused(readmit(&mut anew, 2, (1, 77), &[(0, 6)])).0, code::STALE_INCARNATION);
}

#[test]
fn a_wiped_directory_and_one_that_nobody_knows_take_no_place() {
    let mut wiped = cluster(entry(&[1, 2], &[], &[]));
    let before = wiped.clone();
    let (code, message) = refused(readmit_from(&mut wiped, 2, disk(9), (1, 77), &[(0, 5)]));
    assert!(code == code::INVALID && message.contains("2.1 had another data directory"), "{message}");
    assert_eq!(State { version: before.version, ..wiped }, before);

    // Registered by a build that told none.
    let mut counted = cluster(entry(&[1, 2], &[], &[]));
    counted.nodes.get_mut(&NodeId(2)).unwrap().process = None;
    assert!(refused(readmit(&mut counted, 2, (1, 77), &[(0, 5)])).1.contains("register instead"));
}
