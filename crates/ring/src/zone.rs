//! One zone's part of a placement: which of its nodes holds which shard.

use headwater_types::{NodeId, ShardId};
use std::collections::BTreeMap;

use crate::{
    quota::{Party, apportion},
    rings::{Vnodes, ring},
};

/// Of a zone's nodes. Shares are exact whatever these are, so they need not be many.
const NODE_VNODES: Vnodes = Vnodes { per_weight: 64, max: 64 * 64 };

/// The nodes of a zone and, for each shard, the order in which they are asked.
pub(crate) struct Zone {
    /// Ids and weights in order of ids; no weight is 0.
    nodes: Vec<(NodeId, u32)>,
    /// By shard: every node, the first on the ring first.
    candidates: Vec<Vec<NodeId>>,
}

impl Zone {
    /// From ids and weights; nodes of weight 0 must not be among them.
    pub fn new(nodes: &BTreeMap<NodeId, u32>) -> Self {
        let ring = ring(NODE_VNODES, nodes.iter().map(|(id, weight)| (*id, u64::from(*weight))));
        let walk = |shard: ShardId| ring.calc_candidates(&shard).map(|node| node.key).collect();
        Self {
            candidates: ShardId::all().map(walk).collect(),
            nodes: nodes.iter().map(|(id, weight)| (*id, *weight)).collect(),
        }
    }

    /// Gives each of `shards` a node, so that every node has its exact share, rounded.
    ///
    /// Bounded-load consistent hashing with memory: a node keeps what it holds up to its share, first what it is
    /// nearest to on the ring; every other shard goes to the first node on the ring that has room. So the number of
    /// moved shards is the smallest that gives everyone their share.
    pub fn fill(
        &self,
        shards: &[ShardId],
        holder: impl Fn(ShardId) -> Option<NodeId>,
    ) -> BTreeMap<ShardId, NodeId> {
        let mut held: BTreeMap<NodeId, Vec<(usize, ShardId)>> = BTreeMap::new();
        for &shard in shards {
            let Some(node) = holder(shard) else { continue };
            if let Some(rank) = self.candidates[shard.index()].iter().position(|id| *id == node) {
                held.entry(node).or_default().push((rank, shard));
            }
        }
        let count = |id: &NodeId| held.get(id).map_or(0, Vec::len);
        let parties: Vec<Party> =
            self.nodes.iter().map(|(id, weight)| Party { weight: *weight, held: count(id) }).collect();
        let quotas = apportion(shards.len(), &parties);
        let mut room: BTreeMap<NodeId, usize> = self.nodes.iter().map(|(id, _)| *id).zip(quotas).collect();

        let mut placed = BTreeMap::new();
        for (node, mut shards) in held {
            let room = room.entry(node).or_default();
            shards.sort_unstable();
            shards.truncate(*room);
            *room -= shards.len();
            placed.extend(shards.into_iter().map(|(_, shard)| (shard, node)));
        }
        for &shard in shards {
            if placed.contains_key(&shard) {
                continue;
            }
            for node in &self.candidates[shard.index()] {
                if let Some(room) = room.get_mut(node).filter(|room| **room > 0) {
                    *room -= 1;
                    placed.insert(shard, *node);
                    break;
                }
            }
        }
        placed
    }
}
