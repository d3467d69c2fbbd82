//! Where shards are and where they should be: the first map, and the moves that nodes which come and go ask for.
//!
//! The first map is planned once, by the leader, when nodes of two zones have registered. From then on the leader compares
//! the map to the plan over the nodes as they are (`target`) and moves shard after shard (`planner`), each step a
//! compare-and-swap of one configuration. Only the leader's commands count, so builds may differ in what they plan.

mod moves;
mod planner;
mod target;

pub use moves::{MoveCounts, NodeMoves, moves};
pub(crate) use planner::Planner;

use headwater_ring::{Assignment, NodeSpec, plan};
use headwater_types::{NodeId, ShardId, ZoneName};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    command::{Command, NewShard},
    records::NodeRecord,
    state::State,
};

/// Zones that must have registered before shards are placed: an acknowledged object is in two.
const ZONES_NEEDED: usize = 2;

/// The command that makes the map over the nodes of `state`; `None` if there is a map, or too few zones for one.
///
/// Only its result is replicated, so builds may differ in what they plan.
pub(crate) fn first_map(state: &State) -> Option<Command> {
    let zones: BTreeSet<&ZoneName> = state.nodes.values().map(|node| &node.zone).collect();
    if !state.shards.is_empty() || zones.len() < ZONES_NEEDED {
        return None;
    }
    let spec = |node: &NodeRecord| NodeSpec { id: node.id, zone: node.zone.clone(), weight: 1 };
    let specs: Vec<NodeSpec> = state.nodes.values().map(spec).collect();
    let shards = plan(&specs, &BTreeMap::new()).into_iter().map(new_shard).collect();
    Some(Command::CreateMap { shards })
}

fn new_shard((shard, assignment): (ShardId, Assignment)) -> (ShardId, NewShard) {
    let members: Vec<NodeId> = assignment.members().collect();
    (shard, NewShard { head: assignment.head, members })
}

#[cfg(test)]
mod tests;
