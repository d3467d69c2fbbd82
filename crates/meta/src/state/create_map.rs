//! Creating the shard map from an explicit plan.

use headwater_types::{Epoch, Member, NodeId, ShardId, limits::SHARD_COUNT};
use std::{collections::BTreeMap, sync::Arc};

use super::State;
use crate::{
    command::NewShard,
    records::{NodeRecord, ShardEntry},
    refusal::{INVALID, Refusal},
};

/// Makes the map as a whole or refuses it as a whole. A map that is there stays, whatever is planned: a repetition, or
/// the plan of a leader that was not up to date, changes nothing.
pub(super) fn create(state: &mut State, plan: BTreeMap<ShardId, NewShard>) -> Result<(), Refusal> {
    if !state.shards.is_empty() {
        return Ok(());
    }
    if plan.len() != usize::from(SHARD_COUNT) {
        let planned = plan.len();
        return Err(Refusal::new(INVALID, format!("a map has {SHARD_COUNT} shards, the plan has {planned}")));
    }
    let entry = |(id, shard)| Ok((id, Arc::new(entry(&state.nodes, id, &shard)?)));
    state.shards = plan.into_iter().map(entry).collect::<Result<_, Refusal>>()?;
    Ok(())
}

/// The first configuration of a shard: the nodes' newest processes, all in sync as there is nothing yet.
fn entry(nodes: &BTreeMap<NodeId, NodeRecord>, id: ShardId, shard: &NewShard) -> Result<ShardEntry, Refusal> {
    let invalid = |message: String| Refusal::new(INVALID, format!("shard {id}: {message}"));
    let [first, second] = shard.members[..] else {
        return Err(invalid(format!("{} members, there must be 2", shard.members.len())));
    };
    let node = |id: NodeId| nodes.get(&id).ok_or_else(|| invalid(format!("node {id} has not registered")));
    let (first, second) = (node(first)?, node(second)?);
    if first.zone == second.zone {
        let message = format!("nodes {} and {} are both in zone {}", first.id, second.id, first.zone);
        return Err(invalid(message));
    }
    let insync = [first, second].map(|node| Member { node: node.id, incarnation: node.incarnation });
    let head = insync.into_iter().find(|member| member.node == shard.head);
    let head = head.ok_or_else(|| invalid(format!("its head {} is not one of its members", shard.head)))?;
    let insync = insync.to_vec();
    Ok(ShardEntry { epoch: Epoch(1), head, insync, syncing: Vec::new(), retiring: Vec::new() })
}
