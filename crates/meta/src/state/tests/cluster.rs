//! A small cluster with its shards in given configurations, and commands over it.

use headwater_types::{Epoch, Incarnation, Member, NodeId, ShardId};
use std::sync::Arc;

use super::{apply, register};
use crate::{
    command::{Command, Outcome, ShardChange},
    records::{NodeState, ShardEntry},
    state::State,
};

/// The shard of the examples.
pub(super) fn shard(id: u16) -> ShardId {
    ShardId::new(id).unwrap()
}

/// The first process of a node.
pub(super) fn member(id: u64) -> Member {
    process(id, 1)
}

pub(super) fn process(id: u64, incarnation: u64) -> Member {
    Member { node: NodeId(id), incarnation: Incarnation(incarnation) }
}

pub(super) fn members(ids: &[u64]) -> Vec<Member> {
    ids.iter().copied().map(member).collect()
}

/// A configuration of epoch 5 whose head is the first in-sync node.
pub(super) fn entry(insync: &[u64], syncing: &[u64], retiring: &[u64]) -> ShardEntry {
    ShardEntry {
        epoch: Epoch(5),
        head: member(insync[0]),
        insync: members(insync),
        syncing: members(syncing),
        retiring: members(retiring),
    }
}

/// Nodes 1 and 4 in zone a, 2 and 5 in b, 3 and 6 in c; shard 0 as given.
pub(super) fn cluster(entry: ShardEntry) -> State {
    let mut state = State::default();
    let zones = ["c", "a", "b"];
    let nodes: Vec<(u64, &str)> = (1..=6).map(|id| (id, zones[id as usize % 3])).collect();
    // At index 1.
    assert!(register(&mut state, &nodes).iter().all(|registered| *registered == member(registered.node.0)));
    state.shards.insert(shard(0), Arc::new(entry));
    state
}

/// A change of shard 0 from epoch 5, without anybody's asking.
pub(super) fn change(insync: &[u64], syncing: &[u64], retiring: &[u64]) -> ShardChange {
    let ShardEntry { epoch, head, insync, syncing, retiring } = entry(insync, syncing, retiring);
    let (asked_by, single) = (None, None);
    ShardChange { shard: shard(0), expect_epoch: epoch, head, insync, syncing, retiring, asked_by, single }
}

pub(super) fn reconfigure(state: &mut State, change: ShardChange) -> Outcome {
    apply(state, Command::Reconfigure { changes: vec![change] })
}

pub(super) fn drain(state: &mut State, id: u64) {
    let command = Command::SetNodeState { node: NodeId(id), state: NodeState::Draining };
    assert_eq!(apply(state, command), Outcome::Done);
}
