//! `Reconfigure`: new configurations of shards, each a compare-and-swap on its epoch.
//!
//! All changes of a command are applied, or none is. What a change must keep is in `guards`, one function for each
//! rule; the first that does not hold names itself in the refusal.
//!
//! | guard | rule (replication design) |
//! |---|---|
//! | `epoch` | State in Raft: the expected epoch is current, the new one is one more. A late or repeated change, and the loser of a race, is refused (`version_mismatch`) |
//! | `somebody_is_in_sync` | State in Raft: `insync` is not empty |
//! | `nobody_twice`, `no_crowd` | a chain of two; a node has one place in a shard; everything is bounded |
//! | `registered` | State in Raft, Join 1: members are registered incarnations, so what restarted or was removed is none |
//! | `asker_is_in_sync` | Failover 1: who asks for a change of members holds everything that was acknowledged |
//! | `promoted_were_syncing` | State in Raft, Join 3 (a), (b): only who got every new write in this epoch may become in sync |
//! | `the_head_asked` | State in Raft, Join 3 (d), (e): only the head of this epoch took the barrier and knows that the digests are equal |
//! | `the_head_stays` | Join 4: in a promotion the head stays; if it is the one that leaves, it hands the role over first |
//! | `the_head_was_in_sync` | State in Raft: the new head is in sync and was |
//! | `in_sync_in_different_zones` | State in Raft, P1: two in-sync members are in different zones |
//! | `one_copy_has_a_reason` | State in Raft, Failover 3: peer suspected, zone fenced or no spare |
//! | `joins_come_alone` | Failover 2: after an eviction or another head, staged versions are settled before a member joins; so joining is a step of its own |
//! | `retiring_leaves_two` | Join 4: a move ends with two in sync, a degraded shard is never moved, a head never retires, and who retires held the shard before |
//! | `fenced_zone_stays_out` | Zones: the fenced zone takes no part, but where nobody else is in sync |
//!
//! What the state machine cannot see, the proposer answers for: that Raft's heartbeats miss the peer
//! (`peer_suspected`), that the head settled before it lets somebody join, and that the barrier was taken under the
//! joint lease. The leader also knows whether a spare is alive; the state machine only whether one is registered.

mod guards;

use headwater_types::{Member, ShardId, ZoneName};
use std::{collections::BTreeSet, sync::Arc};

use super::State;
use crate::{
    command::ShardChange,
    records::ShardEntry,
    refusal::{Refusal, VERSION_MISMATCH},
};

/// Applies the changes as a whole or refuses them as a whole; see the module's documentation.
pub(super) fn reconfigure(state: &mut State, changes: &[ShardChange]) -> Result<(), Refusal> {
    let shards: BTreeSet<ShardId> = changes.iter().map(|change| change.shard).collect();
    if changes.is_empty() || shards.len() != changes.len() {
        return Err(Refusal::invalid("a reconfiguration names at least one shard, and none twice"));
    }
    let entry = |change: &ShardChange| Ok((change.shard, Arc::new(next(state, change)?)));
    let entries: Vec<_> = changes.iter().map(entry).collect::<Result<_, Refusal>>()?;
    state.shards.extend(entries);
    Ok(())
}

/// The shard's next configuration.
fn next(state: &State, change: &ShardChange) -> Result<ShardEntry, Refusal> {
    let old = expect_epoch(state, change.shard, change.expect_epoch)?;
    let new = ShardEntry {
        epoch: old.epoch.next(),
        head: change.head,
        insync: change.insync.clone(),
        syncing: change.syncing.clone(),
        retiring: change.retiring.clone(),
    };
    let step = Step { state, old, new: &new, change };
    for guard in guards::ALL {
        let named = |message| Refusal::invalid(format!("shard {}: {message}", change.shard));
        guard(&step).map_err(named)?;
    }
    Ok(new)
}

/// The configuration of a shard, if it is still that of `epoch`.
pub(super) fn expect_epoch(
    state: &State,
    shard: ShardId,
    epoch: headwater_types::Epoch,
) -> Result<&ShardEntry, Refusal> {
    let entry = state.shards.get(&shard);
    let entry = entry.ok_or_else(|| Refusal::not_found(format_args!("map yet that shard {shard} is in")))?;
    if entry.epoch != epoch {
        let message = format!("shard {shard} is at epoch {}, not {epoch}", entry.epoch);
        return Err(Refusal::new(VERSION_MISMATCH, message));
    }
    Ok(entry)
}

/// What the guards look at: one step of one shard.
struct Step<'a> {
    state: &'a State,
    old: &'a ShardEntry,
    new: &'a ShardEntry,
    change: &'a ShardChange,
}

impl<'a> Step<'a> {
    /// Where a member stands; `None` if its node is not registered.
    fn zone(&self, member: Member) -> Option<&'a ZoneName> {
        self.state.nodes.get(&member.node).map(|node| &node.zone)
    }

    /// The zone that takes no part.
    fn fenced(&self) -> Option<&'a ZoneName> {
        self.state.zone_verdict.as_ref().map(|verdict| &verdict.fenced)
    }

    fn is_fenced(&self, member: Member) -> bool {
        self.fenced().is_some() && self.zone(member) == self.fenced()
    }

    /// Members that become in sync.
    fn promoted(&self) -> impl Iterator<Item = Member> + '_ {
        self.new.insync.iter().copied().filter(|member| !self.old.serves(*member))
    }

    /// Members that are in sync no longer.
    fn dropped(&self) -> impl Iterator<Item = Member> + '_ {
        self.old.insync.iter().copied().filter(|member| !self.new.serves(*member))
    }
}
