//! What one member of a shard may do: the pure core of the replication chain.
//!
//! Primary-backup in epochs held by a configuration manager (PacificA, MSR-TR-2008-25), its data path a chain of two
//! (CRAQ, USENIX ATC'09). No clock, no socket, no lock: events in, decisions out.

use headwater_meta::{ShardChange, ShardEntry};
use headwater_types::{Epoch, Member, NamespaceId, NodeId, ObjectId, RequestId, ShardId, Version, ZoneName};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::commit::Staged;
use recent::Recent;

/// Versions that a head gives beyond its oldest staged one: with more, writes wait. Bounds what is staged, and what the
/// other members must remember.
pub const VERSIONS_AHEAD_MAX: u64 = 4096;

/// One member's view of one shard.
///
/// # To ensure correctness
/// - Versions are given in order of staging and never twice: a new process is a new member and gets a new epoch.
/// - A staged version is never dropped by a member in sync; it leaves by [`ShardCore::clean_up_to`] only, once every
///   member of the *current* epoch has acknowledged it or a newer one of its key. A member that is in sync no more
///   gives up what it had staged: it can hand nothing over, and must discard it before it joins again.
/// - A key with a staged version is dirty: its head neither answers the version before it nor the staged one.
#[derive(Debug)]
pub struct ShardCore {
    shard: ShardId,
    me: Member,
    entry: Option<Arc<ShardEntry>>,
    next_seq: u64,
    staged: BTreeMap<Version, Arc<Staged>>,
    dirty: HashMap<ObjectId, Vec<Version>>,
    heard_clean: u64,
    recent: Recent,
    /// Versions that are on their way into the store.
    applying: usize,
    /// What holds for the installed epoch only.
    now: InEpoch,
}

/// What a member remembers of the installed epoch, and forgets with it.
#[derive(Debug, Default)]
struct InEpoch {
    /// The map version that it was installed from.
    map_version: u64,
    /// At some moment of this epoch nothing of the shard was here, neither stored nor on its way.
    was_empty: bool,
    /// This member is about to leave: it answers no reads.
    reads_stopped: bool,
    /// The head asked another one for that: there may be no one else who answers.
    asked_to_stop: bool,
    /// The last seq given before the head learned that the departing member stopped reading. That member may have shown
    /// versions up to it.
    shown_up_to: Option<u64>,
    /// The head is handing its role over: nothing new is staged.
    frozen: bool,
}

/// What the head of a shard that holds nothing asks the metadata for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The configuration that it asks for.
    pub change: ShardChange,
    /// Who becomes in sync, and from which map version on it has the present configuration: not before.
    pub joins: Option<(Member, u64)>,
    /// Who must stop answering reads first.
    pub leaves: Option<Member>,
}

/// Why a member does not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The caller has another epoch, or asked the wrong member.
    WrongEpoch(Epoch),
    /// This member is not in sync, or about to leave.
    NotInSync,
    /// The head's role is being handed over.
    HandingOver,
    /// Too many versions were given since the oldest one that is still staged.
    TooFarAhead,
}

impl ShardCore {
    /// A member that knows no configuration yet.
    pub fn new(shard: ShardId, me: Member) -> Self {
        Self {
            shard,
            me,
            entry: None,
            next_seq: 1,
            staged: BTreeMap::new(),
            dirty: HashMap::new(),
            heard_clean: 0,
            recent: Recent::default(),
            applying: 0,
            now: InEpoch::default(),
        }
    }

    /// Which shard.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The installed configuration.
    pub fn entry(&self) -> Option<&Arc<ShardEntry>> {
        self.entry.as_ref()
    }

    /// The installed epoch; 0 if there is none.
    pub fn epoch(&self) -> Epoch {
        self.entry.as_ref().map_or(Epoch(0), |entry| entry.epoch)
    }

    /// Installs a newer configuration; an older or equal one changes nothing. Versions start again from 1, as a version
    /// begins with its epoch.
    pub fn install(&mut self, entry: Arc<ShardEntry>, map_version: u64) -> bool {
        let newer = entry.epoch > self.epoch();
        if newer {
            if self.must_discard(&entry) {
                self.recent = Recent::default();
            }
            if !entry.serves(self.me) {
                self.give_up();
            }
            self.entry = Some(entry);
            self.next_seq = 1;
            self.heard_clean = 0;
            self.now = InEpoch { map_version, ..InEpoch::default() };
        }
        newer
    }

    fn give_up(&mut self) {
        self.dirty.clear();
        for staged in std::mem::take(&mut self.staged).into_values() {
            staged.give_up();
        }
    }

    /// Whether this member must throw away what it has of the shard before it installs `entry`: it joins as syncing and
    /// did not get every write of this head until now, so that what it has may be long deleted elsewhere.
    ///
    /// A head counts on this: a member that has installed a configuration as syncing has what was written since it
    /// joined, and nothing else.
    pub fn must_discard(&self, entry: &ShardEntry) -> bool {
        let followed = |old: &Arc<ShardEntry>| {
            old.epoch.next() == entry.epoch && old.head == entry.head && old.writers().any(|m| m == self.me)
        };
        entry.epoch > self.epoch()
            && entry.syncing.contains(&self.me)
            && !self.entry.as_ref().is_some_and(followed)
    }

    /// Whether a version is on its way into the store.
    pub fn is_applying(&self) -> bool {
        self.applying > 0
    }

    /// A version that was checked goes into the store now. [`ShardCore::applied`] must follow.
    pub fn apply(&mut self) {
        self.applying += 1;
    }

    /// It is there, or has failed.
    pub fn applied(&mut self) {
        self.applying -= 1;
    }

    /// Whether this member orders the writes in `epoch`.
    pub fn check_head(&self, epoch: Epoch) -> Result<&Arc<ShardEntry>, Refusal> {
        match &self.entry {
            Some(entry) if entry.epoch == epoch && entry.head == self.me => Ok(entry),
            _ => Err(Refusal::WrongEpoch(self.epoch())),
        }
    }

    /// Whether this member may answer reads of `epoch`, that a key is absent included.
    pub fn check_read(&self, epoch: Epoch) -> Result<(), Refusal> {
        match &self.entry {
            Some(entry) if entry.epoch != epoch => Err(Refusal::WrongEpoch(entry.epoch)),
            Some(entry) if entry.serves(self.me) && !self.now.reads_stopped => Ok(()),
            Some(_) => Err(Refusal::NotInSync),
            None => Err(Refusal::WrongEpoch(Epoch(0))),
        }
    }

    /// Whether this member takes a replicated write of `epoch` from `from`. A lower epoch is rejected; a higher one must
    /// be installed first, which is up to the caller.
    pub fn check_replicate(&self, epoch: Epoch, from: Member) -> Result<(), Refusal> {
        match &self.entry {
            Some(entry)
                if entry.epoch == epoch && entry.head == from && entry.writers().any(|m| m == self.me) =>
            {
                Ok(())
            }
            _ => Err(Refusal::WrongEpoch(self.epoch())),
        }
    }

    /// Gives the next version of `epoch`, if this member is still its head.
    pub fn next_version(&mut self, epoch: Epoch) -> Result<Version, Refusal> {
        self.check_head(epoch)?;
        if self.now.frozen {
            return Err(Refusal::HandingOver);
        }
        if self.next_seq - 1 - self.clean_seq() >= VERSIONS_AHEAD_MAX {
            return Err(Refusal::TooFarAhead);
        }
        let version = Version { epoch, seq: self.next_seq };
        self.next_seq += 1;
        Ok(version)
    }

    /// Stages a version that [`ShardCore::next_version`] gave: from now on its key is dirty.
    pub fn stage(&mut self, staged: Arc<Staged>) {
        let version = staged.record.meta.version;
        self.dirty.entry(staged.record.object.clone()).or_default().push(version);
        self.staged.insert(version, staged);
    }

    /// The newest staged version of a key.
    pub fn newest_staged(&self, object: &ObjectId) -> Option<&Arc<Staged>> {
        self.dirty.get(object)?.last().and_then(|version| self.staged.get(version))
    }

    /// The staged version that a request made.
    pub fn staged_by(&self, object: &ObjectId, request: RequestId) -> Option<&Arc<Staged>> {
        let versions = self.dirty.get(object)?;
        versions
            .iter()
            .filter_map(|v| self.staged.get(v))
            .find(|s| s.record.request_ids.first() == Some(&request))
    }

    /// The newest staged version of each key of a namespace that begins with `prefix` and is after `after`.
    pub fn staged_in<'a>(
        &'a self,
        namespace: NamespaceId,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Staged>> {
        let listed = move |object: &ObjectId| {
            let key = object.key.as_str();
            object.namespace == namespace && key.starts_with(prefix) && after.is_none_or(|after| key > after)
        };
        let keys = self.dirty.iter().filter(move |(object, _)| listed(object));
        keys.filter_map(|(_, versions)| self.staged.get(versions.last()?))
    }

    /// Whether a version is still staged.
    pub fn is_staged(&self, version: Version) -> bool {
        self.staged.contains_key(&version)
    }

    /// Whether the key has a staged version.
    pub fn is_dirty(&self, object: &ObjectId) -> bool {
        !self.dirty.is_empty() && self.dirty.contains_key(object)
    }

    /// Members of the current configuration whose acknowledgement `acked` still lacks, this one apart.
    pub fn missing(&self, acked: &[Member]) -> Vec<Member> {
        let writers = self.entry.iter().flat_map(|entry| entry.writers());
        writers.filter(|m| *m != self.me && !acked.contains(m)).collect()
    }

    /// Takes a version off the staged ones, once it is on every member and in the store, and with it every older one of
    /// its key: no member shows those any more, so none needs them. Returns what was staged.
    pub fn clean_up_to(&mut self, object: &ObjectId, version: Version) -> Vec<Arc<Staged>> {
        let versions = self.dirty.get(object).into_iter().flatten().copied();
        let done: Vec<Version> = versions.filter(|v| *v <= version).collect();
        let staged = done.iter().filter_map(|v| self.staged.get(v).cloned()).collect();
        done.into_iter().for_each(|v| self.clean(v));
        staged
    }

    /// Takes one version off the staged ones.
    fn clean(&mut self, version: Version) {
        if let Some(staged) = self.staged.remove(&version)
            && let Some(versions) = self.dirty.get_mut(&staged.record.object)
        {
            versions.retain(|v| *v != version);
            if versions.is_empty() {
                self.dirty.remove(&staged.record.object);
            }
        }
    }

    /// Every version of the current epoch up to this seq is on all members; above 0, so is every one of earlier epochs.
    pub fn clean_seq(&self) -> u64 {
        match self.staged.keys().next() {
            Some(oldest) if oldest.epoch < self.epoch() => 0,
            Some(oldest) => oldest.seq - 1,
            None => self.next_seq - 1,
        }
    }

    /// Number of staged versions.
    pub fn staged_count(&self) -> usize {
        self.staged.len()
    }

    /// What the head says is clean, in the installed epoch.
    pub fn hear_clean(&mut self, epoch: Epoch, clean_seq: u64) {
        if epoch == self.epoch() {
            self.heard_clean = self.heard_clean.max(clean_seq);
            if self.heard_clean > 0 {
                self.recent.forget_up_to(Version { epoch, seq: self.heard_clean });
            }
        }
    }

    /// A replicated version is in the store, or counts as evicted.
    pub fn remember(&mut self, object: &ObjectId, version: Version) {
        self.recent.note(object, version);
    }

    /// Whether a newer version of the key was here: an older one is acknowledged and not applied, as the newer one may
    /// have left the store since, and would not hide it.
    pub fn is_superseded(&self, object: &ObjectId, version: Version) -> bool {
        self.recent.has_newer(object, version)
    }

    /// Whether a replicated version is a late duplicate: at or below what the head of its epoch called clean. It is
    /// acknowledged and not applied, else a version whose tombstone is gone would come back.
    pub fn is_late_duplicate(&self, version: Version) -> bool {
        version.epoch == self.epoch() && version.seq <= self.heard_clean
    }
}

mod moves;
mod recent;
#[cfg(test)]
mod tests;
