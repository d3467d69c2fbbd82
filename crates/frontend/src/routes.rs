//! Where the members of each shard are, resolved once for each version of the map.

use headwater_meta::{MetaCache, ShardEntry};
use headwater_proto::{Storage, directory::Directory};
use headwater_types::{Epoch, Member, ShardId, ZoneName, limits::SHARD_COUNT};
use parking_lot::RwLock;
use std::{sync::Arc, time::Duration};

/// A member and how to talk to it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub member: Member,
    pub storage: Arc<dyn Storage>,
}

/// A shard's members as one version of the map has them.
#[derive(Debug)]
pub(crate) struct Route {
    version: u64,
    pub epoch: Epoch,
    /// Takes the writes.
    pub head: Target,
    /// May answer reads, the frontend's own zone first. Not empty.
    pub readers: Vec<Target>,
}

/// The routes of all shards, made when they are first needed after a change of the map.
#[derive(Debug)]
pub(crate) struct Routes {
    cache: Arc<MetaCache>,
    directory: Arc<dyn Directory>,
    zone: Option<ZoneName>,
    slots: Box<[RwLock<Option<Arc<Route>>>]>,
}

impl Routes {
    pub fn new(cache: Arc<MetaCache>, directory: Arc<dyn Directory>, zone: Option<ZoneName>) -> Self {
        let slots = (0..SHARD_COUNT).map(|_| RwLock::default()).collect();
        Self { cache, directory, zone, slots }
    }

    /// The shard's route by the newest map; `None` if the map has no usable one.
    pub fn get(&self, shard: ShardId) -> Option<Arc<Route>> {
        let version = self.cache.version();
        let slot = self.slots.get(shard.index())?;
        if let Some(route) = &*slot.read()
            && route.version == version
        {
            return Some(route.clone());
        }
        let route = Arc::new(self.resolve(shard, version)?);
        *slot.write() = Some(route.clone());
        Some(route)
    }

    fn resolve(&self, shard: ShardId, version: u64) -> Option<Route> {
        let entry: Arc<ShardEntry> = self.cache.shard(shard)?;
        let head = self.target(entry.head)?.0;
        let mut readers: Vec<_> = entry.insync.iter().filter_map(|m| self.target(*m)).collect();
        readers.sort_by_key(|(_, near)| !near);
        let readers: Vec<_> = readers.into_iter().map(|(target, _)| target).collect();
        (!readers.is_empty()).then_some(Route { version, epoch: entry.epoch, head, readers })
    }

    /// The member, and whether it is in our zone.
    fn target(&self, member: Member) -> Option<(Target, bool)> {
        let node = self.cache.node(member.node)?;
        let storage = self.directory.storage(node.id, &node.address);
        Some((Target { member, storage }, self.zone.as_ref() == Some(&node.zone)))
    }

    /// Ends once the shard has another epoch than `epoch`, or is no longer in the map.
    pub async fn moved_on(&self, shard: ShardId, epoch: Epoch) {
        self.changed_until(|| self.get(shard).is_none_or(|route| route.epoch != epoch)).await;
    }

    /// Ends once the shard's head is another than `head`.
    pub async fn head_moved(&self, shard: ShardId, head: Member) {
        self.changed_until(|| self.get(shard).is_some_and(|route| route.head.member != head)).await;
    }

    async fn changed_until(&self, done: impl Fn() -> bool) {
        let mut versions = self.cache.subscribe();
        while !done() {
            if versions.changed().await.is_err() {
                // The copy is no longer fed: nothing will change.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits for any change of the map, at most for `limit`.
    pub async fn changed(&self, limit: Duration) {
        let mut versions = self.cache.subscribe();
        let changed = async {
            if versions.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        // Either way the caller looks again.
        let _ = tokio::time::timeout(limit, changed).await;
    }

    /// Waits until the map is at least at `version`, at most for `limit`.
    pub async fn at_least(&self, version: u64, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.cache.wait_for(version)).await;
    }
}
