//! The first shard map: made once, when the nodes of two zones have registered.

use headwater_ring::{NodeSpec, plan};
use headwater_types::{Epoch, Member, NodeId, ShardId, ZoneName};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::records::{NodeRecord, ShardEntry};

/// Zones that must have registered before shards are placed: an acknowledged object is in two.
const ZONES_NEEDED: usize = 2;

/// The map over `nodes`, each shard at epoch 1 with its head and tail in sync; empty while there are too few zones.
///
/// It is computed while the registration is applied, by every voter and every watcher, so for the same nodes it must be
/// the same in all builds that may apply the same entry (a test pins it).
pub(crate) fn first_map(nodes: &BTreeMap<NodeId, NodeRecord>) -> BTreeMap<ShardId, Arc<ShardEntry>> {
    let zones: BTreeSet<&ZoneName> = nodes.values().map(|node| &node.zone).collect();
    if zones.len() < ZONES_NEEDED {
        return BTreeMap::new();
    }
    let specs: Vec<NodeSpec> =
        nodes.values().map(|node| NodeSpec { id: node.id, zone: node.zone.clone(), weight: 1 }).collect();
    let member = |id: NodeId| nodes.get(&id).map(|node| Member { node: id, incarnation: node.incarnation });
    let entry = |(shard, assignment): (ShardId, headwater_ring::Assignment)| {
        let insync: Vec<Member> = assignment.members().filter_map(member).collect();
        let head = *insync.first()?;
        let entry = ShardEntry { epoch: Epoch(1), head, insync, syncing: Vec::new(), retiring: Vec::new() };
        Some((shard, Arc::new(entry)))
    };
    plan(&specs, &BTreeMap::new()).into_iter().filter_map(entry).collect()
}
