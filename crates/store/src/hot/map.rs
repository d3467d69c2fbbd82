//! The map that readers go through: hash tables, each behind a lock of its own.

use hashbrown::{HashTable, hash_table::Entry};
use headwater_types::ObjectId;
use parking_lot::RwLock;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::record::Record;

/// Object to record. A key is hashed once: the hash picks the shard, the place in its table and the tag.
#[derive(Debug)]
pub(super) struct RecordMap {
    shards: Box<[Shard]>,
}

/// On cache lines of its own, so that readers of two shards do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Shard(RwLock<HashTable<Slot>>);

#[derive(Debug)]
struct Slot {
    /// Kept, so that a table that grows does not touch its records.
    hash: u64,
    record: Arc<Record>,
}

impl RecordMap {
    /// An empty map of `shards` tables, rounded up to a power of two.
    pub fn new(shards: usize) -> Self {
        Self { shards: (0..shards.max(1).next_power_of_two()).map(|_| Shard::default()).collect() }
    }

    pub fn get(&self, object: &ObjectId) -> Option<Arc<Record>> {
        let hash = hash(object);
        let table = self.shard(hash).read();
        table.find(hash, |slot| slot.is(hash, object)).map(|slot| Arc::clone(&slot.record))
    }

    /// Puts a record in, in the place of an older one of its object.
    pub fn put(&self, record: Arc<Record>) {
        let hash = hash(&record.object);
        let mut table = self.shard(hash).write();
        match table.entry(hash, |slot| slot.is(hash, &record.object), |slot| slot.hash) {
            Entry::Occupied(mut slot) => slot.get_mut().record = record,
            Entry::Vacant(place) => {
                place.insert(Slot { hash, record });
            }
        }
    }

    pub fn remove(&self, object: &ObjectId) {
        let hash = hash(object);
        let mut table = self.shard(hash).write();
        if let Ok(slot) = table.find_entry(hash, |slot| slot.is(hash, object)) {
            slot.remove();
        }
    }

    /// Records in all tables.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.read().len()).sum()
    }

    /// The table uses the low bits for the place and the top seven as a tag: the shard goes by bits between them.
    fn shard(&self, hash: u64) -> &RwLock<HashTable<Slot>> {
        &self.shards[(hash >> 32) as usize & (self.shards.len() - 1)].0
    }
}

impl Slot {
    fn is(&self, hash: u64, object: &ObjectId) -> bool {
        self.hash == hash && self.record.object == *object
    }
}

fn hash(object: &ObjectId) -> u64 {
    xxh3_64_with_seed(object.key.as_str().as_bytes(), object.namespace.0)
}
