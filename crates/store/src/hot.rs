//! The hot tier: the newest records in memory, within an exact number of bytes.
//!
//! Readers go through a sharded map and never wait for a writer's bookkeeping. Writers share one ledger behind one
//! lock: it is what makes the bounds exact, and a write holds it for microseconds.

mod config;
mod ledger;
mod listing;
mod map;
mod space;
mod stats;

pub use config::HotConfig;
pub use stats::{ByClass, ClassStats, HotStats};

use headwater_types::{Clock, NamespaceId, ObjectId, ShardId, UnixMillis, Version};
use parking_lot::Mutex;
use std::{fmt, sync::Arc, time::Duration};

use crate::{
    record::Record,
    tier::{Inserted, ListRecords, ListedRecord, NamespaceStats, Tier, TierError},
};
use ledger::Ledger;
use listing::Page;
use map::RecordMap;

/// How often [`HotTier::run_expiry`] returns the memory of expired records: at the latest 200 ms after their time,
/// half of it for a tick that comes late.
pub const EXPIRY_TICK: Duration = Duration::from_millis(100);

/// Records that expiry and a lowered share remove before they let other writers in.
const REMOVALS_PER_LOCK: usize = 256;
/// Index entries that a listing visits before it lets writers in.
const VISITS_PER_LOCK: usize = 256;

/// The hot tier of a node.
///
/// # To ensure correctness
/// - [`HotStats::used_bytes`] counts [`Record::cost`] of everything that can be read. Room is made and reserved before
///   a record is inserted, so it never passes the capacity, nor a namespace its share.
/// - A record that was handed out stays whole for as long as its reader holds it; evicted bytes are freed with the
///   last reader.
/// - What makes room, in this order: expired records; for a namespace over its share its own records; for a full node
///   those of the namespace with the most bytes over its share (no share counts as 0), and where none is over its
///   share the oldest of the node. Always the oldest written first, and playlists only when nothing else is left
///   (in the namespace, or in the node).
/// - "Oldest" goes by `stored_at`, so old records that arrive late, as a copy from another node, do not push out the
///   live edge.
/// - Tombstones are never evicted: they leave when they expire or are removed. A record for which they leave no room is
///   [`Inserted::DoesNotFit`]; an older version of it, if there is one, is then still here.
pub struct HotTier {
    map: RecordMap,
    /// Taken before a lock of the map, never while one is held.
    ledger: Mutex<Ledger>,
    clock: Arc<dyn Clock>,
}

impl HotTier {
    /// An empty tier.
    pub fn new(config: HotConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            map: RecordMap::new(config.shards),
            ledger: Mutex::new(Ledger::new(config.capacity_bytes)),
            clock,
        }
    }

    /// The newest record of an object, a tombstone included; `None` if it is not here or has expired. Takes one read
    /// lock and allocates nothing.
    pub fn get_now(&self, object: &ObjectId) -> Option<Arc<Record>> {
        let record = self.map.get(object)?;
        // Up to 10 ms too long: clocks of two nodes agree less closely.
        (record.meta.expires_at > self.clock.coarse_unix_millis()).then_some(record)
    }

    /// [`Tier::insert`] without a future.
    pub fn insert_now(&self, record: Arc<Record>) -> Result<Inserted, TierError> {
        // Declared before the lock is taken: what is evicted is freed after it is released.
        let mut evicted = Vec::new();
        let mut ledger = self.ledger.lock();
        let outcome = ledger.insert(&record, self.clock.unix_millis(), &mut evicted)?;
        for gone in &evicted {
            self.map.remove(&gone.object);
        }
        if matches!(outcome, Inserted::Applied(_)) {
            self.map.put(record);
        }
        drop(ledger);
        Ok(outcome)
    }

    /// [`Tier::remove`] without a future.
    pub fn remove_now(&self, object: &ObjectId, version: Version) -> bool {
        let mut ledger = self.ledger.lock();
        let removed = ledger.remove_up_to(object, version);
        if removed.is_some() {
            self.map.remove(object);
        }
        drop(ledger);
        removed.is_some_and(|record| record.meta.expires_at > self.clock.unix_millis())
    }

    /// Removes every record whose `expires_at` is at or before `now`; returns how many.
    pub fn expire(&self, now: UnixMillis) -> usize {
        self.remove_in_steps(Ledger::expire_one, now)
    }

    /// Calls [`HotTier::expire`] each [`EXPIRY_TICK`], until it is dropped.
    pub async fn run_expiry(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(EXPIRY_TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.expire(self.clock.unix_millis());
        }
    }

    /// Bytes in use, reservations included.
    pub fn used_bytes(&self) -> u64 {
        self.ledger.lock().used_bytes()
    }

    /// Counts of the whole tier.
    pub fn stats(&self) -> HotStats {
        self.ledger.lock().stats()
    }

    /// Counts of one namespace; zeros for one that has nothing here.
    pub fn namespace_stats(&self, namespace: NamespaceId) -> NamespaceStats {
        self.ledger.lock().namespace_stats(namespace)
    }

    /// Removes what `next` gives until it gives nothing, and frees it outside of the lock.
    fn remove_in_steps(
        &self,
        next: impl Fn(&mut Ledger, UnixMillis) -> Option<Arc<Record>>,
        now: UnixMillis,
    ) -> usize {
        let mut count = 0;
        loop {
            let mut removed = Vec::new();
            let mut ledger = self.ledger.lock();
            while removed.len() < REMOVALS_PER_LOCK
                && let Some(record) = next(&mut ledger, now)
            {
                self.map.remove(&record.object);
                removed.push(record);
            }
            drop(ledger);
            count += removed.len();
            if removed.len() < REMOVALS_PER_LOCK {
                return count;
            }
        }
    }
}

#[async_trait::async_trait]
impl Tier for HotTier {
    async fn insert(&self, record: Arc<Record>) -> Result<Inserted, TierError> {
        self.insert_now(record)
    }

    async fn get(&self, object: &ObjectId) -> Result<Option<Arc<Record>>, TierError> {
        Ok(self.get_now(object))
    }

    fn get_at_once(&self, object: &ObjectId) -> Option<Option<Arc<Record>>> {
        Some(self.get_now(object))
    }

    /// Not a snapshot: writers come in between steps. A name that is there all the time is in the page once.
    async fn list(&self, request: ListRecords<'_>) -> Result<Vec<ListedRecord>, TierError> {
        let mut page = Page::new(request, self.clock.unix_millis());
        loop {
            let complete = {
                let ledger = self.ledger.lock();
                ledger.index(request.namespace).is_none_or(|index| page.advance(index, VISITS_PER_LOCK))
            };
            if complete {
                return Ok(page.into_names());
            }
            tokio::task::yield_now().await;
        }
    }

    fn fits(&self, namespace: NamespaceId, cost: u64) -> bool {
        self.ledger.lock().could_hold(namespace, cost, None)
    }

    /// When this returns, the namespace is within its share, tombstones excepted.
    fn set_namespace_share(&self, namespace: NamespaceId, share_bytes: Option<u64>) {
        self.ledger.lock().set_share(namespace, share_bytes);
        self.remove_in_steps(|ledger, now| ledger.shed_one(namespace, 0, now), self.clock.unix_millis());
    }

    fn namespaces(&self) -> Vec<(NamespaceId, NamespaceStats)> {
        self.ledger.lock().namespaces().collect()
    }

    fn holds(&self, shard: ShardId) -> bool {
        self.ledger.lock().holds(shard)
    }

    fn lost_until(&self, shard: ShardId) -> UnixMillis {
        self.ledger.lock().lost_until(shard)
    }

    /// Looks at every record of the tier, unless the shard has none: for a member that joins again, not for every day.
    fn discard(&self, shard: ShardId) {
        loop {
            let mut ledger = self.ledger.lock();
            let removed = ledger.discard(shard, REMOVALS_PER_LOCK);
            removed.iter().for_each(|record| self.map.remove(&record.object));
            drop(ledger);
            if removed.len() < REMOVALS_PER_LOCK {
                return;
            }
        }
    }

    fn used_bytes(&self) -> u64 {
        self.used_bytes()
    }

    fn capacity_bytes(&self) -> u64 {
        self.ledger.lock().capacity_bytes()
    }

    async fn remove(&self, object: &ObjectId, version: Version) -> Result<bool, TierError> {
        Ok(self.remove_now(object, version))
    }
}

impl fmt::Debug for HotTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HotTier").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
