//! How much is still to be moved, for people and for metrics.

use headwater_types::NodeId;
use std::collections::BTreeMap;

use super::target::{MEMBERS, Target, leaver, leaving, next_move};
use crate::{records::ShardEntry, state::State};

/// Memberships of shards that are not where the plan wants them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoveCounts {
    /// To be moved, not begun.
    pub planned: usize,
    /// Being moved now.
    pub under_way: usize,
    /// Restarted members that are not in sync yet. Nothing moves for them.
    pub rejoining: usize,
    /// By node; those that take part in nothing are left out.
    pub nodes: BTreeMap<NodeId, NodeMoves>,
}

/// What of it concerns one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeMoves {
    /// Shards that it is to get, not begun.
    pub planned_in: usize,
    /// Shards that it is to give away, not begun. Of a drained node this is what stands between it and its removal.
    pub planned_out: usize,
    /// Shards that it is getting or giving away now.
    pub under_way: usize,
}

/// Compares the map to the plan over the nodes as they are. Computes a plan: milliseconds, not for a data path.
///
/// What cannot be moved is planned all the same, and so stays visible: a shard that holds data (its move needs a copy of
/// them), one of a node that is away, one of a zone's last node.
pub fn moves(state: &State) -> MoveCounts {
    let mut target = Target::default();
    let target = target.of(state);
    let mut counts = MoveCounts::default();
    for (shard, entry) in &state.shards {
        if entry.insync.len() < MEMBERS {
            counts.rejoining += entry.syncing.len();
        }
        let begun = begun(state, entry);
        if let Some((from, to)) = begun {
            counts.under_way += 1;
            for node in [from, to].into_iter().flatten() {
                counts.node(node).under_way += 1;
            }
        }
        let Some(target) = target.get(shard) else { continue };
        let begun_from = begun.and_then(|(from, _)| from);
        for from in leaving(entry, target).filter(|id| Some(*id) != begun_from) {
            counts.planned += 1;
            counts.node(from).planned_out += 1;
        }
        if let Some(next) = next_move(&state.nodes, entry, target).filter(|_| begun.is_none()) {
            counts.node(next.to).planned_in += 1;
        }
    }
    counts
}

impl MoveCounts {
    fn node(&mut self, id: NodeId) -> &mut NodeMoves {
        self.nodes.entry(id).or_default()
    }
}

/// The move that a healthy shard is in: who leaves and who joins, as far as the configuration says it.
fn begun(state: &State, entry: &ShardEntry) -> Option<(Option<NodeId>, Option<NodeId>)> {
    if entry.insync.len() < MEMBERS {
        return None;
    }
    match (entry.syncing.first(), entry.retiring.first()) {
        (Some(to), _) => Some((leaver(&state.nodes, entry, to.node), Some(to.node))),
        (None, Some(from)) => Some((Some(from.node), None)),
        (None, None) => None,
    }
}
