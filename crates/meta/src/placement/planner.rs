//! The steps that lead from the map to the plan, a few at a time.

use headwater_types::{Member, NodeId, ShardId};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::target::{MEMBERS, Move, Target, next_move};
use crate::{
    command::ShardChange,
    limits::{MOVE_PATIENCE, MOVE_RETRY_AFTER, MOVES_PER_NODE_MAX, SHARD_CHANGES_MAX},
    records::ShardEntry,
    state::State,
};

/// Decides on steps. Keeps what is not in the state: since when a move has been waiting, and which ones were put off.
///
/// A move `(A, B1) -> (A, B2)` goes through these configurations, each one epoch further:
/// 1. `insync [A, B1], syncing [B2]`: proposed here. From now on every write needs B2's acknowledgement.
/// 2. If the head leaves, it hands its role to the other member: proposed by the head.
/// 3. `insync [A, B2], retiring [B1]`: proposed by the head, once it knows that B2 has everything.
/// 4. `insync [A, B2]`: proposed here.
///
/// The head does its part only for a shard that holds nothing. What does not come to step 3 within [`MOVE_PATIENCE`] is
/// taken back, so that its nodes may move other shards, and tried again after [`MOVE_RETRY_AFTER`].
#[derive(Debug, Default)]
pub(crate) struct Planner {
    target: Target,
    /// Moves under way: who joins, and since when that has been seen.
    begun: BTreeMap<ShardId, (Member, Duration)>,
    /// Moves that were taken back, and when: they are left alone for a while, and come after all others then.
    put_off: BTreeMap<ShardId, Duration>,
}

impl Planner {
    /// The next steps from `state`, at most [`SHARD_CHANGES_MAX`], for one command; `alive` are the processes that
    /// reported lately, `now` is monotonic.
    ///
    /// - A node takes part in at most [`MOVES_PER_NODE_MAX`] moves, as who joins, leaves or stays.
    /// - A shard with fewer than two members in sync is left alone, and so is one whose members are not all alive.
    /// - Nothing is moved onto a node that is drained, away or in a fenced zone.
    pub fn steps(&mut self, state: &State, alive: &BTreeSet<Member>, now: Duration) -> Vec<ShardChange> {
        let target = self.target.of(state);
        self.begun.retain(|shard, (to, _)| {
            state.shards.get(shard).is_some_and(|entry| is_moving(entry) && entry.syncing.contains(to))
        });
        let mut changes = Vec::new();
        let mut next = Vec::new();
        for (shard, entry) in &state.shards {
            let Some(target) = target.get(shard) else { continue };
            if entry.insync.len() < MEMBERS {
                continue;
            }
            if let Some(to) = entry.syncing.first() {
                let (_, since) = *self.begun.entry(*shard).or_insert((*to, now));
                let wanted = target.members().any(|id| id == to.node) && alive.contains(to);
                if !wanted || now.saturating_sub(since) >= MOVE_PATIENCE {
                    self.put_off.insert(*shard, now);
                    changes.push(change(*shard, entry, Vec::new()));
                }
            } else if !entry.retiring.is_empty() {
                changes.push(change(*shard, entry, Vec::new()));
            } else if let Some(step) = next_move(&state.nodes, entry, target) {
                let put_off = self.put_off.get(shard).copied();
                next.push((put_off, *shard, entry, step));
            } else {
                self.put_off.remove(shard);
            }
        }
        // Those that were never put off, then the longest put off: none is starved by one that cannot be moved.
        next.sort_by_key(|(put_off, shard, ..)| (*put_off, *shard));
        let mut busy = Busy::of(state);
        for (put_off, shard, entry, step) in next {
            let due = put_off.is_none_or(|since| now.saturating_sub(since) >= MOVE_RETRY_AFTER);
            let to = if due { startable(state, entry, step, alive) } else { None };
            if let Some(to) = to.filter(|to| busy.take(entry, to.node)) {
                changes.push(change(shard, entry, vec![to]));
            }
        }
        changes.truncate(SHARD_CHANGES_MAX);
        changes
    }
}

/// Who joins, if everyone that the move needs is there.
fn startable(state: &State, entry: &ShardEntry, next: Move, alive: &BTreeSet<Member>) -> Option<Member> {
    let record = state.nodes.get(&next.to)?;
    let to = Member { node: record.id, incarnation: record.incarnation };
    (alive.contains(&to) && entry.insync.iter().all(|member| alive.contains(member))).then_some(to)
}

/// Two members in sync and one on its way.
fn is_moving(entry: &ShardEntry) -> bool {
    entry.insync.len() >= MEMBERS && !entry.syncing.is_empty()
}

/// The same members in sync, without retiring ones.
fn change(shard: ShardId, entry: &ShardEntry, syncing: Vec<Member>) -> ShardChange {
    ShardChange {
        shard,
        expect_epoch: entry.epoch,
        head: entry.head,
        insync: entry.insync.clone(),
        syncing,
        retiring: Vec::new(),
        asked_by: None,
        single: None,
    }
}

/// In how many moves each node takes part.
struct Busy(BTreeMap<NodeId, usize>);

impl Busy {
    fn of(state: &State) -> Self {
        let mut busy = Self(BTreeMap::new());
        for entry in state.shards.values().filter(|entry| is_moving(entry)) {
            entry.writers().for_each(|member| *busy.0.entry(member.node).or_default() += 1);
        }
        busy
    }

    /// Counts one more move, if every node of it may have one more.
    fn take(&mut self, entry: &ShardEntry, to: NodeId) -> bool {
        let nodes = || entry.insync.iter().map(|member| member.node).chain([to]);
        let free = nodes().all(|id| self.0.get(&id).is_none_or(|moves| *moves < MOVES_PER_NODE_MAX));
        if free {
            nodes().for_each(|id| *self.0.entry(id).or_default() += 1);
        }
        free
    }
}

#[cfg(test)]
mod tests;
