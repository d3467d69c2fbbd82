//! Where the shards should be, and what of it the map lacks.

use headwater_ring::{Assignment, NodeSpec, Placement, plan};
use headwater_types::{NodeId, ZoneName};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    records::{NodeRecord, NodeState, ShardEntry},
    state::State,
};

/// Members of a healthy shard.
pub(super) const MEMBERS: usize = 2;

/// A membership that is to go from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    /// Who leaves.
    pub from: NodeId,
    /// Who takes its place.
    pub to: NodeId,
}

/// The plan over the nodes of a state, computed again only when its input has changed.
#[derive(Debug, Default)]
pub(super) struct Target {
    specs: Vec<NodeSpec>,
    current: Placement,
    placement: Placement,
}

impl Target {
    /// Where the shards of `state` should be; empty while there is no map.
    pub fn of(&mut self, state: &State) -> &Placement {
        let (specs, current) = (specs(state), current(state));
        if specs != self.specs || current != self.current {
            self.placement = if current.is_empty() { Placement::new() } else { plan(&specs, &current) };
            (self.specs, self.current) = (specs, current);
        }
        &self.placement
    }
}

/// The nodes as the plan sees them: one that is drained, or whose zone is fenced, is to hold nothing. One that is merely
/// away keeps its shards: it may be back in a moment.
fn specs(state: &State) -> Vec<NodeSpec> {
    let fenced = state.zone_verdict.as_ref().map(|verdict| &verdict.fenced);
    let weight = |node: &NodeRecord| u32::from(node.state == NodeState::Active && fenced != Some(&node.zone));
    let spec = |node: &NodeRecord| NodeSpec { id: node.id, zone: node.zone.clone(), weight: weight(node) };
    state.nodes.values().map(spec).collect()
}

/// The map as the plan sees it. Syncing members come first: a shard that is on its way to a node counts as held there,
/// so that the plan does not change its mind half-way.
fn current(state: &State) -> Placement {
    let assignment = |entry: &ShardEntry| {
        let insync = entry.insync.iter().filter(|member| **member != entry.head);
        let ids = entry.syncing.iter().chain([&entry.head]).chain(insync).map(|member| member.node);
        let mut ids = ids.collect::<Vec<NodeId>>().into_iter();
        let head = ids.next().unwrap_or(entry.head.node);
        Assignment { head, tail: ids.collect() }
    };
    state.shards.iter().map(|(shard, entry)| (*shard, assignment(entry))).collect()
}

/// In-sync members that the plan does not want.
pub(super) fn leaving<'a>(
    entry: &'a ShardEntry,
    target: &'a Assignment,
) -> impl Iterator<Item = NodeId> + use<'a> {
    entry.insync.iter().map(|member| member.node).filter(|node| !target.members().any(|id| id == *node))
}

/// What a healthy shard's next move is: a member of the same zone takes the place of one that leaves; the head is
/// replaced last, since it must hand its role over for that.
///
/// With more than two zones the plan may also give a shard another zone. There only a tail is replaced: who leaves must
/// be told from the configuration alone (see [`leaver`]).
pub(super) fn next_move(
    nodes: &BTreeMap<NodeId, NodeRecord>,
    entry: &ShardEntry,
    target: &Assignment,
) -> Option<Move> {
    if target.members().count() < MEMBERS {
        return None;
    }
    let zone = |id: NodeId| nodes.get(&id).map(|node| &node.zone);
    let held: BTreeSet<NodeId> = entry.insync.iter().map(|member| member.node).collect();
    let joining: Vec<NodeId> = target.members().filter(|id| !held.contains(id)).collect();
    let mut from: Vec<NodeId> = leaving(entry, target).collect();
    from.sort_by_key(|id| *id == entry.head.node);
    let same_zone = |from: NodeId| joining.iter().copied().find(|to| zone(*to) == zone(from));
    let other_zone = |from: NodeId| {
        let stays: BTreeSet<Option<&ZoneName>> =
            held.iter().filter(|id| **id != from).map(|id| zone(*id)).collect();
        joining.iter().copied().find(|to| from != entry.head.node && !stays.contains(&zone(*to)))
    };
    from.into_iter().find_map(|from| Some(Move { from, to: same_zone(from).or_else(|| other_zone(from))? }))
}

/// Who leaves a shard of two once `to` is in sync: the member in its zone, or else the one that is not the head. The head
/// goes by the same rule when it asks for the promotion.
pub(super) fn leaver(nodes: &BTreeMap<NodeId, NodeRecord>, entry: &ShardEntry, to: NodeId) -> Option<NodeId> {
    if entry.insync.len() < MEMBERS {
        return None;
    }
    let zone = |id: NodeId| nodes.get(&id).map(|node| &node.zone);
    let ids = || entry.insync.iter().map(|member| member.node);
    ids().find(|id| zone(*id) == zone(to)).or_else(|| ids().find(|id| *id != entry.head.node))
}
