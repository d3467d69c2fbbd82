//! `Readmit`: a restarted member takes its own place again, under its new incarnation, with what its disk holds.
//!
//! It stands in for the registration of the new process: one that registers comes with nothing (see `register`), one
//! that is readmitted keeps its places. So a process that can prove what it has asks for this first and registers only
//! if it is refused. It gets an incarnation as a registration does; the node's address, zone and capacity stay those that
//! are registered.
//!
//! | guard | rule (replication design, Join 1) |
//! |---|---|
//! | the node is registered, with `old` as its newest process | a new process is a new incarnation and never a member by itself; a removed node never returns |
//! | the data directory is the one under which `old` registered | a disk that was emptied or exchanged takes no old place |
//! | the process has not registered, nor was it replaced | a nonce has one incarnation; a late command changes nothing |
//! | every shard's epoch is the one that the decision was made from | compare-and-swap on the epoch; epoch + 1 |
//! | every listed shard names `old`, and in at least one it is in sync | the map still names it: no one evicted it meanwhile |
//! | every shard that names `old` is listed | the node's process changes as a whole: none may be left with a member that is gone |
//! | there is evidence | the same boot with a sound log, or everything synced. Either is enough: an in-sync member has everything that was acknowledged (P1) |
//!
//! Whether the evidence is true is for the node and the proposer. The head's role is kept where it had it, as the epoch
//! is new. A syncing member stays syncing, a retiring one retiring. A fenced zone is no obstacle: nobody is added, and
//! the verdict has left its members only where nobody else is in sync.

use headwater_types::{DiskId, Epoch, Incarnation, Member, NodeId, Nonce, ShardId};
use std::{collections::BTreeSet, sync::Arc};

use super::{
    State,
    reconfigure::expect_epoch,
    register::{self, assigned},
};
use crate::{
    command::Evidence,
    records::{NodeRecord, ProcessRecord, ShardEntry},
    refusal::{Refusal, STALE_INCARNATION},
};

/// The command's fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readmission<'a> {
    pub node: NodeId,
    pub old: Incarnation,
    pub disk_id: DiskId,
    pub nonce: Nonce,
    pub evidence: Evidence,
    pub shards: &'a [(ShardId, Epoch)],
}

/// Applies a readmission at `index` as a whole or refuses it as a whole; see the module's documentation. Returns the
/// process under its new incarnation.
pub(super) fn readmit(
    state: &mut State,
    index: u64,
    readmission: Readmission<'_>,
) -> Result<Member, Refusal> {
    let Readmission { node, old, nonce, evidence, shards, .. } = readmission;
    match evidence {
        Evidence::SameBoot | Evidence::Synced => {}
    }
    let (known, process) = check_process(state, readmission)?;
    let (from, to) =
        (Member { node, incarnation: old }, Member { node, incarnation: assigned(index, known)? });
    let process = ProcessRecord { nonce, replaced: register::replaced(process), ..process.clone() };
    let record = NodeRecord { incarnation: to.incarnation, process: Some(process), ..known.clone() };
    let entry = |(shard, epoch): &(ShardId, Epoch)| {
        let entry = expect_epoch(state, *shard, *epoch)?;
        if !entry.members().any(|member| member == from) {
            return Err(Refusal::invalid(format!("shard {shard}: {from} is no member of epoch {epoch}")));
        }
        Ok((*shard, Arc::new(replaced(entry, from, to))))
    };
    let entries: Vec<_> = shards.iter().map(entry).collect::<Result<_, Refusal>>()?;
    check_shards(state, from, shards)?;
    state.nodes.insert(node, record);
    state.shards.extend(entries);
    Ok(to)
}

/// Checks who asks; answers the node's record and what its registered process told.
fn check_process<'a>(
    state: &'a State,
    readmission: Readmission<'_>,
) -> Result<(&'a NodeRecord, &'a ProcessRecord), Refusal> {
    let Readmission { node, old, disk_id, nonce, .. } = readmission;
    let record = state.nodes.get(&node).ok_or_else(|| Refusal::not_found(format_args!("node {node}")))?;
    register::check_nonce(record, nonce)?;
    if record.incarnation != old {
        let message = format!("node {node} is at incarnation {}, not {old}", record.incarnation);
        return Err(Refusal::new(STALE_INCARNATION, message));
    }
    let process = record.process.as_ref().filter(|process| process.disk_id == disk_id);
    let process = process.ok_or_else(|| {
        Refusal::invalid(format!("{node}.{old} had another data directory than {disk_id}; register instead"))
    })?;
    if process.nonce == nonce {
        return Err(Refusal::invalid(format!("this process is registered already, as {node}.{old}")));
    }
    Ok((record, process))
}

/// Checks that the list is complete, without repetition, and has a shard in which the member is in sync.
fn check_shards(state: &State, from: Member, shards: &[(ShardId, Epoch)]) -> Result<(), Refusal> {
    let listed: BTreeSet<ShardId> = shards.iter().map(|(shard, _)| *shard).collect();
    if listed.len() != shards.len() {
        return Err(Refusal::invalid("a readmission names no shard twice"));
    }
    let mut naming = state.shards.iter().filter(|(_, entry)| entry.members().any(|member| member == from));
    if let Some((shard, _)) = naming.find(|(shard, _)| !listed.contains(shard)) {
        return Err(Refusal::invalid(format!("shard {shard} names {from} too; all of them are readmitted")));
    }
    let mut entries = listed.iter().filter_map(|shard| state.shards.get(shard));
    if !entries.any(|entry| entry.serves(from)) {
        return Err(Refusal::invalid(format!(
            "{from} is in sync in no shard: there is nothing to be readmitted to, register instead"
        )));
    }
    Ok(())
}

/// The next configuration, with another process in the same place.
fn replaced(old: &ShardEntry, from: Member, to: Member) -> ShardEntry {
    let one = |member: Member| if member == from { to } else { member };
    let all = |members: &[Member]| members.iter().copied().map(one).collect();
    ShardEntry {
        epoch: old.epoch.next(),
        head: one(old.head),
        insync: all(&old.insync),
        syncing: all(&old.syncing),
        retiring: all(&old.retiring),
    }
}
