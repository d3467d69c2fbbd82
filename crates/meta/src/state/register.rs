//! Registering nodes: what a new process of a node means for the shards that name its old one.
//!
//! # The rule
//! A command is applied as a whole or refused as a whole.
//! - A node that is not known is added. It owns nothing: shards are placed by commands of their own
//!   ([`crate::command::Command::CreateMap`]).
//! - A node that was removed is refused for ever (`removed`).
//! - What an operator wants of a node ([`NodeRecord::state`]) is not for a registration to say: a known node keeps it,
//!   a new one is active.
//! - The same incarnation again, with the same address, zone and capacity, changes nothing; an older one is refused
//!   (`stale_incarnation`). They change only with a new incarnation, the zone only while no shard names the node:
//!   otherwise both copies of a shard could end up in one zone.
//! - A new incarnation of a member comes with empty memory, and objects are nowhere else yet. In each shard that names
//!   the old one the epoch goes up by one, and:
//!   - if another in-sync member did not restart, the restarted ones leave `insync` for `syncing` (they must
//!     acknowledge new writes and answer no reads); the head stays, or is the first in-sync member that is left;
//!   - if all in-sync members restarted and a syncing one did not, the first such becomes the only in-sync member and
//!     the head. What only the restarted ones had is lost, and counted as [`Lost::incomplete`];
//!   - if every member restarted, all of them are in sync with nothing, except that of two in one zone the later stays
//!     syncing; counted as [`Lost::empty`]. This is what a restart of a cluster in one process looks like, and of a
//!     shard's only member;
//!   - a syncing member that restarted keeps its place under its new incarnation; a retiring one is gone.

use headwater_types::{Incarnation, Member, NodeId, ZoneName};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::State;
use crate::{
    limits::{ADDRESS_BYTES_MAX, NODES_MAX},
    records::{NodeRecord, ShardEntry},
    refusal::{INVALID, REMOVED, Refusal, STALE_INCARNATION, TOO_MANY},
};

/// Shards whose last in-sync copy is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// A syncing member had to take over: acknowledged objects may be missing.
    pub incomplete: usize,
    /// Every member restarted: everything that was only in memory is gone.
    pub empty: usize,
}

/// Applies a registration; see the module's documentation.
pub(super) fn register(state: &mut State, nodes: Vec<NodeRecord>) -> Result<Lost, Refusal> {
    let restarted = check(state, &nodes)?;
    for node in nodes {
        let wanted = state.nodes.get(&node.id).map(|known| known.state).unwrap_or_default();
        state.nodes.insert(node.id, NodeRecord { state: wanted, ..node });
    }
    let mut lost = Lost::default();
    if restarted.is_empty() {
        return Ok(lost);
    }
    for entry in state.shards.values_mut() {
        let Some(change) = reconfigure(entry, &restarted, &state.nodes) else { continue };
        match change.left {
            Left::InSync => {}
            Left::Syncing => lost.incomplete += 1,
            Left::Nobody => lost.empty += 1,
        }
        *entry = Arc::new(change.entry);
    }
    Ok(lost)
}

/// Checks a registration; answers the known nodes of which it has a new incarnation.
fn check(state: &State, nodes: &[NodeRecord]) -> Result<BTreeMap<NodeId, Incarnation>, Refusal> {
    let ids: BTreeSet<NodeId> = nodes.iter().map(|node| node.id).collect();
    if nodes.is_empty() || ids.len() != nodes.len() {
        return Err(Refusal::new(INVALID, "a registration names at least one node, and none twice"));
    }
    let added = ids.iter().filter(|id| !state.nodes.contains_key(id)).count();
    if state.nodes.len() + added > NODES_MAX {
        return Err(Refusal::new(TOO_MANY, format!("at most {NODES_MAX} nodes")));
    }
    let mut restarted = BTreeMap::new();
    for node in nodes {
        if check_node(state, node)? {
            restarted.insert(node.id, node.incarnation);
        }
    }
    Ok(restarted)
}

/// Checks one node; answers whether it is a new incarnation of a known one.
fn check_node(state: &State, node: &NodeRecord) -> Result<bool, Refusal> {
    let id = node.id;
    if !node.address.contains(':') || node.address.len() > ADDRESS_BYTES_MAX {
        let message = format!("address of node {id} is not host:port of at most {ADDRESS_BYTES_MAX} bytes");
        return Err(Refusal::new(INVALID, message));
    }
    if state.removed_nodes.contains(&id) {
        let message = format!("node {id} was removed; its id is not used again: give the node a new one");
        return Err(Refusal::new(REMOVED, message));
    }
    let Some(known) = state.nodes.get(&id) else { return Ok(false) };
    if node.incarnation < known.incarnation {
        let message = format!("node {id} is at incarnation {}, not {}", known.incarnation, node.incarnation);
        return Err(Refusal::new(STALE_INCARNATION, message));
    }
    if node.incarnation == known.incarnation {
        let message = format!("node {id} changes its address, zone or hot capacity without a restart");
        let same = NodeRecord { state: known.state, ..node.clone() } == *known;
        return if same { Ok(false) } else { Err(Refusal::new(INVALID, message)) };
    }
    if node.zone != known.zone && state.shards.values().any(|entry| entry.names(id)) {
        let message =
            format!("node {id} owns shards in zone {}: it cannot come back in {}", known.zone, node.zone);
        return Err(Refusal::new(INVALID, message));
    }
    Ok(true)
}

/// Who was left with a shard's acknowledged objects.
enum Left {
    InSync,
    Syncing,
    Nobody,
}

struct Change {
    entry: ShardEntry,
    left: Left,
}

/// The configuration after the members in `restarted` came back empty; `None` if it names none of them.
fn reconfigure(
    old: &ShardEntry,
    restarted: &BTreeMap<NodeId, Incarnation>,
    nodes: &BTreeMap<NodeId, NodeRecord>,
) -> Option<Change> {
    let is_restarted = |m: &Member| restarted.contains_key(&m.node);
    if !old.writers().any(|m| is_restarted(&m)) && !old.retiring.iter().any(is_restarted) {
        return None;
    }
    let renamed = |m: Member| Member { incarnation: *restarted.get(&m.node).unwrap_or(&m.incarnation), ..m };
    let (gone, kept): (Vec<Member>, Vec<Member>) = old.insync.iter().copied().partition(is_restarted);
    let syncing = || old.syncing.iter().copied().map(renamed);
    let gone = gone.into_iter().map(renamed);

    let (insync, syncing, left) = if !kept.is_empty() {
        (kept, syncing().chain(gone).collect(), Left::InSync)
    } else if let Some(heir) = old.syncing.iter().copied().find(|m| !is_restarted(m)) {
        (vec![heir], syncing().filter(|m| *m != heir).chain(gone).collect(), Left::Syncing)
    } else {
        let (insync, syncing) = one_a_zone(gone.chain(syncing()), nodes);
        (insync, syncing, Left::Nobody)
    };
    let head =
        insync.iter().copied().find(|m| *m == renamed(old.head)).or_else(|| insync.first().copied())?;
    let retiring = old.retiring.iter().copied().filter(|m| !is_restarted(m)).collect();
    let entry = ShardEntry { epoch: old.epoch.next(), head, insync, syncing, retiring };
    Some(Change { entry, left })
}

/// Splits members into the first of each zone and the rest.
fn one_a_zone(
    members: impl Iterator<Item = Member>,
    nodes: &BTreeMap<NodeId, NodeRecord>,
) -> (Vec<Member>, Vec<Member>) {
    let mut zones: BTreeSet<Option<&ZoneName>> = BTreeSet::new();
    members.partition(|m| zones.insert(nodes.get(&m.node).map(|node| &node.zone)))
}
