//! The books of the hot tier: who holds how many bytes, what is evicted for what, what expires when.
//!
//! Pure: no lock, no clock. [`super::HotTier`] carries each decision over into the map that readers see.

use headwater_types::{NamespaceId, ObjectId, ShardId, UnixMillis, Version, limits::SHARD_COUNT};
use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    space::{Index, Rank, Space},
    stats::HotStats,
};
use crate::{
    record::Record,
    tier::{Inserted, NamespaceStats, TierError},
};

/// The books of a hot tier.
#[derive(Debug)]
pub(super) struct Ledger {
    stats: HotStats,
    /// Bytes of tombstones, which are not evicted.
    pinned: u64,
    /// Ordered, so that the same history evicts the same records in every run.
    spaces: BTreeMap<NamespaceId, Space>,
    /// What expires when: one entry a record, however often it is overwritten and however long it lives.
    expiry: BTreeSet<(UnixMillis, ObjectId)>,
    /// Records and tombstones by shard.
    by_shard: Vec<u64>,
    /// By shard, the latest expiry of objects that were evicted or found no room.
    lost_until: Vec<UnixMillis>,
}

impl Ledger {
    pub fn new(capacity_bytes: u64) -> Self {
        Self {
            stats: HotStats { capacity_bytes, ..HotStats::default() },
            pinned: 0,
            spaces: BTreeMap::new(),
            expiry: BTreeSet::new(),
            by_shard: vec![0; usize::from(SHARD_COUNT)],
            lost_until: vec![UnixMillis(0); usize::from(SHARD_COUNT)],
        }
    }

    pub fn used_bytes(&self) -> u64 {
        self.stats.used_bytes
    }

    pub fn capacity_bytes(&self) -> u64 {
        self.stats.capacity_bytes
    }

    /// Whether a record or tombstone of the shard is in the books.
    pub fn holds(&self, shard: ShardId) -> bool {
        self.by_shard[shard.index()] > 0
    }

    /// The latest expiry of what had to go of a shard before its time, or found no room.
    pub fn lost_until(&self, shard: ShardId) -> UnixMillis {
        self.lost_until[shard.index()]
    }

    /// An object is not here though its time has not passed.
    fn lose(&mut self, record: &Record) {
        if !record.tombstone {
            let until = &mut self.lost_until[record.shard.index()];
            *until = record.meta.expires_at.max(*until);
        }
    }

    /// Takes at most `max` records of a shard out. Looks at every record, unless the shard has none.
    pub fn discard(&mut self, shard: ShardId, max: usize) -> Vec<Arc<Record>> {
        if !self.holds(shard) {
            return Vec::new();
        }
        let records = self.spaces.values().flat_map(|space| space.index().values());
        let of_shard = records.filter(|record| record.shard == shard).take(max);
        let objects: Vec<ObjectId> = of_shard.map(|record| record.object.clone()).collect();
        objects.iter().filter_map(|object| self.unlink(object)).collect()
    }

    pub fn stats(&self) -> HotStats {
        self.stats.clone()
    }

    pub fn namespaces(&self) -> impl Iterator<Item = (NamespaceId, NamespaceStats)> + '_ {
        self.spaces.iter().map(|(id, space)| (*id, space.stats()))
    }

    pub fn namespace_stats(&self, namespace: NamespaceId) -> NamespaceStats {
        self.spaces.get(&namespace).map(Space::stats).unwrap_or_default()
    }

    /// A namespace's records by key, expired ones and tombstones included.
    pub fn index(&self, namespace: NamespaceId) -> Option<&Index> {
        self.spaces.get(&namespace).map(Space::index)
    }

    /// Decides on a record by the rules of [`crate::Tier::insert`]. What had to go for it is added to `evicted`; what
    /// it replaced is not.
    pub fn insert(
        &mut self,
        record: &Arc<Record>,
        now: UnixMillis,
        evicted: &mut Vec<Arc<Record>>,
    ) -> Result<Inserted, TierError> {
        let namespace = record.object.namespace;
        let current = self.spaces.get(&namespace).and_then(|space| space.get(&record.object.key)).cloned();
        let expired = current.as_ref().is_some_and(|current| current.meta.expires_at <= now);
        if let Some(current) = &current
            && !expired
            && !supersedes(record, current)?
        {
            return Ok(Inserted::Stale);
        }
        let cost = record.cost();
        if !self.could_hold(namespace, cost, current.as_deref()) {
            self.stats.refused += 1;
            self.lose(record);
            return Ok(Inserted::DoesNotFit);
        }
        // Out of the books before room is made: its bytes make room too, and it is not its own victim.
        if current.is_some() {
            self.unlink(&record.object);
            self.stats.expired += u64::from(expired);
        }
        while let Some(victim) = self.shed_one(namespace, cost, now) {
            evicted.push(victim);
        }
        self.link(Arc::clone(record), cost);
        Ok(Inserted::Applied(current.filter(|_| !expired)))
    }

    /// Takes one record out if `cost` more bytes of the namespace would pass a bound and there is one to take.
    pub fn shed_one(&mut self, namespace: NamespaceId, cost: u64, now: UnixMillis) -> Option<Arc<Record>> {
        let over_share = self.spaces.get(&namespace).is_some_and(|space| space.is_full(cost));
        let over_capacity = self.stats.used_bytes.saturating_add(cost) > self.stats.capacity_bytes;
        if !over_share && !over_capacity {
            return None;
        }
        if let Some(expired) = self.expire_one(now) {
            return Some(expired);
        }
        let victim = if over_share { self.namespace_victim(namespace) } else { self.node_victim() };
        let record = self.unlink(&victim?)?;
        self.stats.by_class.get_mut(record.meta.class).evicted += 1;
        self.lose(&record);
        Some(record)
    }

    /// Takes one record out whose time has passed.
    pub fn expire_one(&mut self, now: UnixMillis) -> Option<Arc<Record>> {
        let (_, object) = self.expiry.first().filter(|(expires_at, _)| *expires_at <= now)?;
        let object = object.clone();
        self.stats.expired += 1;
        self.unlink(&object)
    }

    /// Takes an object's record out if it is at or below `version`.
    pub fn remove_up_to(&mut self, object: &ObjectId, version: Version) -> Option<Arc<Record>> {
        let current = self.spaces.get(&object.namespace)?.get(&object.key)?;
        if current.meta.version > version {
            return None;
        }
        self.unlink(object)
    }

    /// Sets a namespace's share; it may be over it then.
    pub fn set_share(&mut self, namespace: NamespaceId, share_bytes: Option<u64>) {
        self.spaces.entry(namespace).or_default().share = share_bytes;
        self.forget_if_idle(namespace);
    }

    /// Whether `cost` bytes fit once everything that may be evicted is, `replaced` included.
    pub fn could_hold(&self, namespace: NamespaceId, cost: u64, replaced: Option<&Record>) -> bool {
        let freed = replaced.filter(|record| record.tombstone).map_or(0, Record::cost);
        let fits = |bound: u64, pinned: u64| (pinned - freed).saturating_add(cost) <= bound;
        let share_fits = match self.spaces.get(&namespace) {
            Some(space) => space.share.is_none_or(|share| fits(share, space.pinned())),
            None => true,
        };
        share_fits && fits(self.stats.capacity_bytes, self.pinned)
    }

    fn namespace_victim(&self, namespace: NamespaceId) -> Option<ObjectId> {
        let space = self.spaces.get(&namespace)?;
        let (_, key) = Rank::ALL.iter().find_map(|rank| space.oldest(*rank))?;
        Some(ObjectId { namespace, key: key.clone() })
    }

    /// The record that a full node evicts: of the namespace that is furthest over its share, or else the oldest.
    /// Looks at each namespace once.
    fn node_victim(&self) -> Option<ObjectId> {
        Rank::ALL.iter().find_map(|rank| {
            let oldest = self.spaces.iter().filter_map(|(id, space)| Some((id, space, space.oldest(*rank)?)));
            oldest
                .max_by_key(|(id, space, (stored_at, _))| {
                    (space.excess(), Reverse(*stored_at), Reverse(**id))
                })
                .map(|(id, _, (_, key))| ObjectId { namespace: *id, key: key.clone() })
        })
    }

    fn link(&mut self, record: Arc<Record>, cost: u64) {
        self.stats.used_bytes += cost;
        debug_assert!(self.stats.used_bytes <= self.stats.capacity_bytes);
        if record.tombstone {
            self.stats.tombstones += 1;
            self.pinned += cost;
        } else {
            let class = self.stats.by_class.get_mut(record.meta.class);
            class.records += 1;
            class.used_bytes += cost;
        }
        self.expiry.insert((record.meta.expires_at, record.object.clone()));
        self.by_shard[record.shard.index()] += 1;
        self.spaces.entry(record.object.namespace).or_default().link(record, cost);
    }

    fn unlink(&mut self, object: &ObjectId) -> Option<Arc<Record>> {
        let (record, cost) = self.spaces.get_mut(&object.namespace)?.unlink(&object.key)?;
        self.forget_if_idle(object.namespace);
        self.expiry.remove(&(record.meta.expires_at, record.object.clone()));
        self.by_shard[record.shard.index()] -= 1;
        self.stats.used_bytes -= cost;
        if record.tombstone {
            self.stats.tombstones -= 1;
            self.pinned -= cost;
        } else {
            let class = self.stats.by_class.get_mut(record.meta.class);
            class.records -= 1;
            class.used_bytes -= cost;
        }
        Some(record)
    }

    fn forget_if_idle(&mut self, namespace: NamespaceId) {
        if self.spaces.get(&namespace).is_some_and(Space::is_idle) {
            self.spaces.remove(&namespace);
        }
    }

    /// Every book says the same; returns how many records there are.
    #[cfg(test)]
    pub fn assert_consistent(&self) -> usize {
        self.spaces.values().for_each(Space::assert_consistent);
        let records = || self.spaces.values().flat_map(|space| space.index().values());
        let live: u64 = self.stats.by_class.iter().map(|(_, class)| class.records).sum();
        assert_eq!(records().count(), self.expiry.len(), "stale entries in the expiry queue");
        assert_eq!(records().count() as u64, live + self.stats.tombstones);
        assert_eq!(records().map(|r| r.cost()).sum::<u64>(), self.stats.used_bytes);
        assert_eq!(records().filter(|r| r.tombstone).map(|r| r.cost()).sum::<u64>(), self.pinned);
        assert!(self.stats.used_bytes <= self.stats.capacity_bytes);
        assert!(!self.spaces.values().any(Space::is_idle));
        assert_eq!(self.by_shard.iter().sum::<u64>(), records().count() as u64);
        self.expiry.len()
    }
}

/// Whether `record` takes the place of `current`: by the larger version.
fn supersedes(record: &Record, current: &Record) -> Result<bool, TierError> {
    let same = record.meta.digest == current.meta.digest && record.tombstone == current.tombstone;
    match record.meta.version.cmp(&current.meta.version) {
        Ordering::Greater => Ok(true),
        Ordering::Equal if !same => {
            Err(TierError::Conflict { object: Box::new(record.object.clone()), version: record.meta.version })
        }
        Ordering::Equal | Ordering::Less => Ok(false),
    }
}
