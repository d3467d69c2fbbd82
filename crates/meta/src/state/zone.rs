//! The zone verdict: one entry moves all shards at once, never shard by shard.
//!
//! Fencing a zone takes its members, whatever their role, out of every shard that has an in-sync member elsewhere, with
//! the next epoch; the head stays, or is the first in-sync member that is left. A shard with nobody in sync elsewhere is
//! left as it is: its members hold the only copy. Lifting the verdict changes no shard; members come back one by one,
//! as syncing ones (see `reconfigure`, which keeps a fenced zone out of new configurations).
//!
//! Which zone loses is decided by the leader, from what both sides say; so is the hold-down.

use headwater_types::{Member, NodeId, ZoneName};
use std::{collections::BTreeMap, sync::Arc};

use super::{State, apply::Stamp};
use crate::{
    records::{NodeRecord, ShardEntry, ZoneVerdict},
    refusal::{Refusal, VERSION_MISMATCH},
};

/// Replaces the verdict. The verdict that is there already, again, changes nothing, whatever is expected.
pub(super) fn set_verdict(
    state: &mut State,
    stamp: Stamp,
    expect: Option<ZoneName>,
    fenced: Option<ZoneName>,
) -> Result<(), Refusal> {
    let current = state.zone_verdict.as_ref().map(|verdict| verdict.fenced.clone());
    if current == fenced {
        return Ok(());
    }
    if current != expect {
        let name = |zone: Option<ZoneName>| zone.map_or_else(|| "none".to_owned(), |zone| zone.to_string());
        let message = format!("the fenced zone is {}, not {}", name(current), name(expect));
        return Err(Refusal::new(VERSION_MISMATCH, message));
    }
    if let Some(zone) = &fenced {
        check(state, zone)?;
        for entry in state.shards.values_mut() {
            if let Some(without) = without(entry, zone, &state.nodes) {
                *entry = Arc::new(without);
            }
        }
    }
    state.zone_verdict = fenced.map(|fenced| ZoneVerdict { fenced, since: stamp.at });
    Ok(())
}

fn check(state: &State, zone: &ZoneName) -> Result<(), Refusal> {
    if !state.nodes.values().any(|node| node.zone == *zone) {
        return Err(Refusal::not_found(format_args!("node in zone {zone}")));
    }
    if state.nodes.values().all(|node| node.zone == *zone) {
        return Err(Refusal::invalid(format!("zone {zone} is the only one with nodes: it cannot be fenced")));
    }
    if state.shards.is_empty() {
        return Err(Refusal::invalid(format!("there is no map yet that zone {zone} could be taken out of")));
    }
    Ok(())
}

/// The configuration without the members of a zone; `None` if it has none, or nobody else is in sync.
fn without(entry: &ShardEntry, zone: &ZoneName, nodes: &BTreeMap<NodeId, NodeRecord>) -> Option<ShardEntry> {
    let stays = |member: &Member| nodes.get(&member.node).is_none_or(|node| node.zone != *zone);
    if entry.members().all(|member| stays(&member)) {
        return None;
    }
    let kept = |members: &[Member]| members.iter().copied().filter(stays).collect::<Vec<_>>();
    let insync = kept(&entry.insync);
    let head = insync.iter().copied().find(|member| *member == entry.head).or(insync.first().copied())?;
    let (syncing, retiring) = (kept(&entry.syncing), kept(&entry.retiring));
    Some(ShardEntry { epoch: entry.epoch.next(), head, insync, syncing, retiring })
}
