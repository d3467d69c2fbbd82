//! Registering processes of nodes: which incarnation each gets, and what a new one means for the shards that name an
//! earlier one.
//!
//! # The rule
//! A command is applied as a whole or refused as a whole.
//! - A process is known by its nonce. The first registration of a nonce gives it an incarnation: the Raft index, or the
//!   next number where the node's own is larger (earlier builds let nodes count). So no process ever has the number of
//!   another one, whatever its node's disk says. A repeat of the newest nonce, with the same data directory, address,
//!   zone and capacity, changes nothing and answers the same number; these change only with a new process.
//! - A registration names the incarnation that it follows. If another one is registered by then, it is refused
//!   (`stale_incarnation`): one that arrives late changes nothing, and its process reads again. A process that another
//!   one has replaced is refused for good (`replaced`), so that two processes of a node do not replace each other in
//!   turns.
//! - A node that is not known is added. It owns nothing: shards are placed by commands of their own
//!   ([`crate::command::Command::CreateMap`]).
//! - A node that was removed is refused for ever (`removed`).
//! - What an operator wants of a node ([`NodeRecord::state`]) is not for a registration to say: a known node keeps it,
//!   a new one is active.
//! - The zone changes only while no shard names the node: otherwise both copies of a shard could end up in one zone.
//! - A new incarnation of a member comes with empty memory, and objects are nowhere else yet: whether its data directory
//!   is the one that the node had or another one (a disk that was emptied or exchanged) makes no difference so far. In
//!   each shard that names the old incarnation the epoch goes up by one, and:
//!   - if another in-sync member did not restart, the restarted ones leave `insync` for `syncing` (they must
//!     acknowledge new writes and answer no reads); the head stays, or is the first in-sync member that is left;
//!   - if all in-sync members restarted and a syncing one did not, the first such becomes the only in-sync member and
//!     the head. What only the restarted ones had is lost, and counted as [`Lost::incomplete`];
//!   - if every member restarted, all of them are in sync with nothing, except that of two in one zone the later stays
//!     syncing; counted as [`Lost::empty`]. This is what a restart of a cluster in one process looks like, and of a
//!     shard's only member;
//!   - a syncing member that restarted keeps its place under its new incarnation; a retiring one is gone.

pub(super) mod counted;
mod restart;

use headwater_types::{Incarnation, Member, NodeId, Nonce, ZoneName};
use std::collections::{BTreeMap, BTreeSet};

use super::State;
use crate::{
    command::Registration,
    limits::{ADDRESS_BYTES_MAX, NODES_MAX, REPLACED_NONCES_MAX},
    records::{NodeRecord, NodeState, ProcessRecord},
    refusal::{INVALID, REMOVED, REPLACED, Refusal, STALE_INCARNATION, TOO_MANY},
};

pub(crate) use restart::Lost;

/// Applies a registration at `index`; see the module's documentation. Returns the processes in the order of `nodes`.
pub(super) fn register(
    state: &mut State,
    index: u64,
    nodes: &[Registration],
) -> Result<(Vec<Member>, Lost), Refusal> {
    check_ids(state, nodes.iter().map(|node| node.id))?;
    let records = nodes.iter().map(|node| registered(state, index, node));
    let records = records.collect::<Result<Vec<NodeRecord>, Refusal>>()?;
    let members = records.iter().map(NodeRecord::member).collect();
    Ok((members, install(state, records)))
}

/// Puts records in the place of the known ones, and reconfigures the shards that name an earlier process.
fn install(state: &mut State, records: Vec<NodeRecord>) -> Lost {
    let is_restarted = |record: &&NodeRecord| {
        state.nodes.get(&record.id).is_some_and(|known| known.incarnation != record.incarnation)
    };
    let restarted: BTreeMap<NodeId, Incarnation> =
        records.iter().filter(is_restarted).map(|record| (record.id, record.incarnation)).collect();
    state.nodes.extend(records.into_iter().map(|record| (record.id, record)));
    restart::restart(state, &restarted)
}

/// Checks that there are some, none twice, and that the metadata have room for them.
fn check_ids(state: &State, nodes: impl ExactSizeIterator<Item = NodeId>) -> Result<(), Refusal> {
    let count = nodes.len();
    let ids: BTreeSet<NodeId> = nodes.collect();
    if ids.is_empty() || ids.len() != count {
        return Err(Refusal::new(INVALID, "a registration names at least one node, and none twice"));
    }
    let added = ids.iter().filter(|id| !state.nodes.contains_key(id)).count();
    if state.nodes.len() + added > NODES_MAX {
        return Err(Refusal::new(TOO_MANY, format!("at most {NODES_MAX} nodes")));
    }
    Ok(())
}

/// The record of a node once this process of it is registered; the one that there is for a repetition.
fn registered(state: &State, index: u64, node: &Registration) -> Result<NodeRecord, Refusal> {
    check_node(state, node.id, &node.address)?;
    let id = node.id;
    let stale = |message: String| Err(Refusal::new(STALE_INCARNATION, message));
    let Some(known) = state.nodes.get(&id) else {
        return match node.follows {
            None => Ok(node.record(Incarnation(index), NodeState::default(), Vec::new())),
            Some(follows) => {
                stale(format!("node {id} is not registered, and its registration follows {follows}"))
            }
        };
    };
    let process = known.process.as_ref();
    if let Some(process) = process.filter(|process| process.nonce == node.nonce) {
        let same = node.record(known.incarnation, known.state, process.replaced.clone()) == *known;
        let message =
            format!("node {id} changes its data directory, address, zone or hot capacity without a restart");
        return if same { Ok(known.clone()) } else { Err(Refusal::new(INVALID, message)) };
    }
    check_nonce(known, node.nonce)?;
    if node.follows != Some(known.incarnation) {
        let follows = node.follows.map_or("none".to_owned(), |follows| follows.to_string());
        let message = format!(
            "node {id} is at incarnation {}, and its registration follows {follows}",
            known.incarnation
        );
        return stale(message);
    }
    check_zone(state, known, &node.zone)?;
    Ok(node.record(assigned(index, known)?, known.state, process.map(replaced).unwrap_or_default()))
}

/// The nonces that a process replaces which comes after `process`.
pub(super) fn replaced(process: &ProcessRecord) -> Vec<Nonce> {
    let mut nonces = process.replaced.clone();
    nonces.push(process.nonce);
    nonces.drain(..nonces.len().saturating_sub(REPLACED_NONCES_MAX));
    nonces
}

/// Checks what does not depend on which process it is.
fn check_node(state: &State, id: NodeId, address: &str) -> Result<(), Refusal> {
    if !address.contains(':') || address.len() > ADDRESS_BYTES_MAX {
        let message = format!("address of node {id} is not host:port of at most {ADDRESS_BYTES_MAX} bytes");
        return Err(Refusal::new(INVALID, message));
    }
    if state.removed_nodes.contains(&id) {
        let message = format!("node {id} was removed; its id is not used again: give the node a new one");
        return Err(Refusal::new(REMOVED, message));
    }
    Ok(())
}

/// Checks that no later process has taken the place of this one.
pub(super) fn check_nonce(known: &NodeRecord, nonce: Nonce) -> Result<(), Refusal> {
    let mut replaced = known.process.iter().flat_map(|process| &process.replaced);
    if replaced.any(|earlier| *earlier == nonce) {
        let message = format!(
            "this process of node {} was replaced by a later one, incarnation {}: two processes run as one node",
            known.id, known.incarnation
        );
        return Err(Refusal::new(REPLACED, message));
    }
    Ok(())
}

fn check_zone(state: &State, known: &NodeRecord, zone: &ZoneName) -> Result<(), Refusal> {
    if *zone != known.zone && state.shards.values().any(|entry| entry.names(known.id)) {
        let (id, before) = (known.id, &known.zone);
        let message = format!("node {id} owns shards in zone {before}: it cannot come back in {zone}");
        return Err(Refusal::new(INVALID, message));
    }
    Ok(())
}

/// The number of a process that is first heard of at `index`: above that of every process before it.
pub(super) fn assigned(index: u64, known: &NodeRecord) -> Result<Incarnation, Refusal> {
    let least = known.incarnation.0.checked_add(1);
    let least = least.ok_or_else(|| Refusal::invalid(format!("node {} has no number left", known.id)))?;
    Ok(Incarnation(index.max(least)))
}
