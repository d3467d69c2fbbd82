//! What a head asks for when a member is to join or to leave a shard that holds nothing.
//!
//! # Why it is safe
//! Let A be the head at epoch e, Y syncing in e. A asks for Y to be in sync when
//! 1. at some moment of epoch e A held nothing: no record, no tombstone, nothing staged, nothing going into its store;
//! 2. Y has installed e.
//!
//! Everything that A holds later it staged after that moment, in epoch e, and what is staged in e is acknowledged only once
//! Y holds it. What was acknowledged before is gone from A as well: expired, deleted or evicted, and A, which alone may
//! order writes, already answers that it is absent. So Y has what A has. It has nothing else: on installing e as a
//! member that did not follow this head before, it threw away what it had ([`ShardCore::must_discard`]).
//! By 2 it has done so before it can be in sync.
//!
//! Where Y takes the place of B, B must not answer from the old configuration while A and Y go on without it. So B is
//! asked first, and answers no read any more until it installs a later configuration; a read under way then checks once
//! more before it answers. B keeps acknowledging writes for as long as the configuration names it. If nothing comes of
//! it, the leader takes the move back, which is a later configuration.
//!
//! B shows a version once it has applied it, before the version is clean. So when A hears that B has stopped, B may have
//! shown every version that A gave until then, and Y may lack those that are still staged. A asks for Y only once none of
//! them is ([`ShardCore::has_stopped`]): each is then on Y, or a newer one of its key. What A gives later nobody shows
//! before Y has it: A does not show what is staged, and B shows nothing. This holds until the epoch ends, so a proposal
//! that is applied late is as safe.
//!
//! Where A itself is the one that leaves, it hands its role to B first: it stages nothing any more, has nothing staged,
//! and asks for the same members with B as their head. A goes on answering reads of e until it installs e + 1; no write of
//! B's becomes visible before A has acknowledged it, for which A must have installed e + 1. Then B is the head and the
//! rules above apply to it.
//!
//! There are no leases yet. What removes a member without asking it (the verdict that a zone is fenced, a new process in
//! its place) is as safe as without these moves, and no safer.

use super::*;

impl ShardCore {
    /// What this member, as the head, asks for; `holds`: whether the store has anything of the shard. `None` where it has
    /// nothing to ask for, or may not.
    ///
    /// Of two members in sync the one that leaves is the one in the zone of the one that joins, or else the one that is
    /// not the head: the planner of the metadata goes by the same rule.
    pub fn wanted(&mut self, holds: bool, zone: impl Fn(NodeId) -> Option<ZoneName>) -> Option<Wanted> {
        let entry = self.entry.clone().filter(|entry| entry.head == self.me)?;
        self.now.was_empty |= !holds && self.staged.is_empty() && self.applying == 0;
        if !self.now.was_empty || entry.syncing.is_empty() {
            return None;
        }
        if let [_] = entry.insync[..] {
            let other_zone = |m: &&Member| zone(m.node).is_some() && zone(m.node) != zone(self.me.node);
            let joins = *entry.syncing.iter().find(other_zone)?;
            return Some(self.promotion(&entry, joins, None));
        }
        let joins = *entry.syncing.first()?;
        let same_zone = |m: &&Member| zone(m.node) == zone(joins.node);
        let leaves = entry.insync.iter().find(same_zone);
        let leaves = *leaves.or_else(|| entry.insync.iter().find(|member| **member != self.me))?;
        if leaves != self.me {
            return Some(self.promotion(&entry, joins, Some(leaves)));
        }
        let heir = *entry.insync.iter().find(|member| **member != self.me)?;
        // What was written meanwhile would keep the heir from going on, so there is no point in it then.
        if holds || !self.staged.is_empty() || self.applying > 0 {
            return None;
        }
        self.now.frozen = true;
        let change = ShardChange { head: heir, ..self.same(&entry) };
        Some(Wanted { change, joins: None, leaves: None })
    }

    fn promotion(&self, entry: &ShardEntry, joins: Member, leaves: Option<Member>) -> Wanted {
        let mut change = self.same(entry);
        change.insync.retain(|member| Some(*member) != leaves);
        change.insync.push(joins);
        change.syncing.retain(|member| *member != joins);
        change.retiring.extend(leaves);
        Wanted { change, joins: Some((joins, self.now.map_version)), leaves }
    }

    /// The same configuration, one epoch further, asked for by this member.
    fn same(&self, entry: &ShardEntry) -> ShardChange {
        ShardChange {
            shard: self.shard,
            expect_epoch: entry.epoch,
            head: entry.head,
            insync: entry.insync.clone(),
            syncing: entry.syncing.clone(),
            retiring: entry.retiring.clone(),
            asked_by: Some(self.me),
            single: None,
        }
    }

    /// The hand-over of `epoch` did not come about: versions are staged again.
    pub fn unfreeze(&mut self, epoch: Epoch) {
        if epoch == self.epoch() {
            self.now.frozen = false;
        }
    }

    /// Answers no more reads in `epoch`, if that is the installed one.
    pub fn stop_reads(&mut self, epoch: Epoch, head: Member) -> bool {
        let same = self.entry.as_ref().is_some_and(|entry| entry.epoch == epoch && entry.head == head);
        let stops = same && head != self.me;
        self.now.reads_stopped |= stops;
        stops
    }

    /// The head has asked its other member to stop reading in `epoch`.
    pub fn asked_to_stop(&mut self, epoch: Epoch) {
        self.now.asked_to_stop |= epoch == self.epoch();
    }

    /// To be called once the member that leaves has said that it reads no more in `epoch`. Returns whether nothing is
    /// staged any more of what it may have shown before.
    pub fn has_stopped(&mut self, epoch: Epoch) -> bool {
        if epoch != self.epoch() {
            return false;
        }
        let seq = *self.now.shown_up_to.get_or_insert(self.next_seq - 1);
        self.staged.keys().next().is_none_or(|oldest| *oldest > Version { epoch, seq })
    }

    /// Whether another member in sync may answer readers of a dirty key.
    pub fn has_tail(&self) -> bool {
        !self.now.asked_to_stop && self.entry.as_ref().is_some_and(|entry| entry.insync.len() > 1)
    }
}
