//! What a new process of a member means for the shards that name the earlier one. The rule is in `register`.

use headwater_types::{Incarnation, Member, NodeId, ZoneName};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::State;
use crate::records::{NodeRecord, ShardEntry};

/// Shards whose last in-sync copy is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// A syncing member had to take over: acknowledged objects may be missing.
    pub incomplete: usize,
    /// Every member restarted: everything that was only in memory is gone.
    pub empty: usize,
}

/// Reconfigures the shards whose members are in `restarted`, under their new incarnations.
pub(super) fn restart(state: &mut State, restarted: &BTreeMap<NodeId, Incarnation>) -> Lost {
    let mut lost = Lost::default();
    if restarted.is_empty() {
        return lost;
    }
    for entry in state.shards.values_mut() {
        let Some(change) = reconfigure(entry, restarted, &state.nodes) else { continue };
        match change.left {
            Left::InSync => {}
            Left::Syncing => lost.incomplete += 1,
            Left::Nobody => lost.empty += 1,
        }
        *entry = Arc::new(change.entry);
    }
    lost
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
