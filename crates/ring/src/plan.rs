//! Shard to nodes: the placement that the metadata store.

use headwater_types::{NodeId, ShardId, ZoneName};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    rings::{Vnodes, ring},
    zone::Zone,
};

/// A node as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeSpec {
    /// Its id. Of several specs with one id only the smallest counts.
    pub id: NodeId,
    /// Where it stands.
    pub zone: ZoneName,
    /// Its capacity relative to the other nodes of its zone: 1 where all are alike, 0 for one that is to hold
    /// nothing (it is being drained).
    pub weight: u32,
}

/// Where one shard should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The member that should order its writes.
    pub head: NodeId,
    /// The other members, in other zones; empty in an installation of one zone.
    pub tail: Vec<NodeId>,
}

impl Assignment {
    /// All members, the head first.
    pub fn members(&self) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::once(self.head).chain(self.tail.iter().copied())
    }
}

/// Where every shard should be; empty while there is no node.
pub type Placement = BTreeMap<ShardId, Assignment>;

/// Of more than two zones: many, as nothing but their number makes the zones' parts even.
const ZONE_VNODES: Vnodes = Vnodes { per_weight: 512, max: 1 << 16 };
/// Zones that a shard is placed in.
const ZONES_PER_SHARD: usize = 2;

/// Computes a placement of all shards over `nodes`, which keeps as much of `current` as it may. The order of `nodes`
/// does not matter; the same input gives the same placement; planning again from a plan's result changes nothing.
///
/// - **Zones.** With two zones every shard is in both, with more in two that a ring of the zones gives. With one zone
///   a shard has one member.
/// - **Heads** alternate: of a shard's zones in order of their names, the first heads the even shards, the second the
///   odd ones.
/// - **Nodes.** Of the shards that a zone heads, and likewise of those that it follows, each of its nodes has its
///   share by weight, rounded down or up: with 8 nodes of equal weight exactly 64 + 64.
/// - **Movement.** When a node comes or goes, no more shards move than these shares demand, and it is the ring that
///   says which: with equal weights a new node takes its share, a lost node's shards are handed out, and nothing
///   moves between two nodes that stayed. Without `current` the ring alone still keeps most: a new node moves at most
///   1.3 times its share. (With more than two zones a node that comes or goes also shifts its zone's
///   part of the ring of zones a little.)
///
/// `current` may name nodes that are gone or members in the wrong zone; they do not count.
pub fn plan(nodes: &[NodeSpec], current: &Placement) -> Placement {
    let zones = by_zone(nodes);
    let homes = shard_zones(&zones);
    let mut placed: BTreeMap<ShardId, BTreeMap<&ZoneName, NodeId>> = BTreeMap::new();
    for (name, members) in &zones {
        let zone = Zone::new(members);
        let holder = |shard: ShardId| current.get(&shard)?.members().find(|id| members.contains_key(id));
        // The shards that the zone heads and those that it follows are dealt out apart, so that heads are even too.
        for part in 0..ZONES_PER_SHARD {
            let here =
                |(_, homes): &(&ShardId, &Vec<&ZoneName>)| homes.get(part).is_some_and(|zone| *zone == *name);
            let shards: Vec<ShardId> = homes.iter().filter(here).map(|(shard, _)| *shard).collect();
            for (shard, node) in zone.fill(&shards, holder) {
                placed.entry(shard).or_default().insert(name, node);
            }
        }
    }
    let assignment = |(shard, homes): (ShardId, Vec<&ZoneName>)| {
        let members = placed.get(&shard)?;
        let mut members = homes.into_iter().filter_map(|zone| members.get(zone).copied());
        Some((shard, Assignment { head: members.next()?, tail: members.collect() }))
    };
    homes.into_iter().filter_map(assignment).collect()
}

/// Zones with at least one node that may hold something, and those nodes with their weights.
fn by_zone(nodes: &[NodeSpec]) -> BTreeMap<&ZoneName, BTreeMap<NodeId, u32>> {
    let unique: BTreeMap<NodeId, &NodeSpec> =
        nodes.iter().collect::<BTreeSet<_>>().into_iter().rev().map(|spec| (spec.id, spec)).collect();
    let mut zones: BTreeMap<&ZoneName, BTreeMap<NodeId, u32>> = BTreeMap::new();
    for spec in unique.into_values().filter(|spec| spec.weight > 0) {
        zones.entry(&spec.zone).or_default().insert(spec.id, spec.weight);
    }
    zones
}

/// Each shard's zones, the one that heads it first.
fn shard_zones<'a>(
    zones: &BTreeMap<&'a ZoneName, BTreeMap<NodeId, u32>>,
) -> BTreeMap<ShardId, Vec<&'a ZoneName>> {
    let weight = |nodes: &BTreeMap<NodeId, u32>| nodes.values().map(|w| u64::from(*w)).sum();
    let ring = ring(ZONE_VNODES, zones.iter().map(|(zone, nodes)| (*zone, weight(nodes))));
    let homes = |shard: ShardId| {
        let mut homes: Vec<&ZoneName> =
            ring.calc_candidates(&shard).take(ZONES_PER_SHARD).map(|node| node.key).collect();
        homes.sort_unstable();
        if shard.get() % 2 == 1 {
            homes.reverse();
        }
        (shard, homes)
    };
    ShardId::all().map(homes).collect()
}

#[cfg(test)]
mod tests;
