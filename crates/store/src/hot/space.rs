//! One namespace in the hot tier: its records in key order, its queues for eviction, its bytes.

use headwater_types::{MediaClass, ObjectKey, UnixMillis};
use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{record::Record, tier::NamespaceStats};

/// A namespace's records by key.
pub(super) type Index = BTreeMap<IndexKey, Arc<Record>>;

/// A key that an index can be searched for by its text; both orders are that of the bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IndexKey(pub ObjectKey);

impl Borrow<str> for IndexKey {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

/// Which records are evicted before which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Everything that is no playlist.
    First,
    /// Playlists.
    Last,
}

impl Rank {
    /// In the order of eviction.
    pub const ALL: [Self; 2] = [Self::First, Self::Last];

    /// `None` for a tombstone: it is not evicted.
    fn of(record: &Record) -> Option<Self> {
        match record.meta.class {
            _ if record.tombstone => None,
            MediaClass::Playlist => Some(Self::Last),
            MediaClass::Media | MediaClass::Key | MediaClass::Other => Some(Self::First),
        }
    }
}

/// A place in a queue: oldest written first, then by key. Sets instead of lists, so that an overwritten record leaves
/// no stale entry behind.
type Queue = BTreeSet<(UnixMillis, ObjectKey)>;

/// The books of one namespace.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// The most bytes it may take.
    pub share: Option<u64>,
    used: u64,
    pinned: u64,
    object_bytes: u64,
    written: u64,
    index: Index,
    queues: [Queue; Rank::ALL.len()],
}

impl Space {
    pub fn index(&self) -> &Index {
        &self.index
    }

    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Record>> {
        self.index.get(key.as_str())
    }

    /// Bytes of tombstones, which are not evicted.
    pub fn pinned(&self) -> u64 {
        self.pinned
    }

    /// Bytes in use past the share; no share counts as 0.
    pub fn excess(&self) -> u64 {
        self.used.saturating_sub(self.share.unwrap_or(0))
    }

    /// Whether `cost` more bytes would pass the share.
    pub fn is_full(&self, cost: u64) -> bool {
        self.share.is_some_and(|share| self.used.saturating_add(cost) > share)
    }

    /// Nothing is kept for it.
    pub fn is_idle(&self) -> bool {
        self.index.is_empty() && self.share.is_none()
    }

    /// The next record to evict of a rank.
    pub fn oldest(&self, rank: Rank) -> Option<&(UnixMillis, ObjectKey)> {
        self.queues[rank as usize].first()
    }

    /// Adds a record whose key is not there.
    pub fn link(&mut self, record: Arc<Record>, cost: u64) {
        self.used += cost;
        self.written += cost;
        self.object_bytes += record.body.len();
        match Rank::of(&record) {
            Some(rank) => {
                self.queues[rank as usize].insert((record.meta.stored_at, record.object.key.clone()));
            }
            None => self.pinned += cost,
        }
        self.index.insert(IndexKey(record.object.key.clone()), record);
    }

    /// Takes a record out; returns it with its cost.
    pub fn unlink(&mut self, key: &ObjectKey) -> Option<(Arc<Record>, u64)> {
        let record = self.index.remove(key.as_str())?;
        let cost = record.cost();
        self.used -= cost;
        self.object_bytes -= record.body.len();
        match Rank::of(&record) {
            Some(rank) => {
                self.queues[rank as usize].remove(&(record.meta.stored_at, record.object.key.clone()));
            }
            None => self.pinned -= cost,
        }
        Some((record, cost))
    }

    pub fn stats(&self) -> NamespaceStats {
        NamespaceStats {
            used_bytes: self.used,
            share_bytes: self.share,
            entries: self.index.len() as u64,
            objects: self.queues.iter().map(BTreeSet::len).sum::<usize>() as u64,
            object_bytes: self.object_bytes,
            written_bytes: self.written,
        }
    }

    /// Every book says the same.
    #[cfg(test)]
    pub fn assert_consistent(&self) {
        let tombstones = self.index.values().filter(|r| r.tombstone);
        let queued: usize = self.queues.iter().map(BTreeSet::len).sum();
        assert_eq!(queued + tombstones.clone().count(), self.index.len(), "stale entries in a queue");
        assert_eq!(self.pinned, tombstones.map(|r| r.cost()).sum::<u64>());
        assert_eq!(self.object_bytes, self.index.values().map(|r| r.body.len()).sum::<u64>());
        assert_eq!(self.used, self.index.values().map(|r| r.cost()).sum::<u64>());
    }
}
