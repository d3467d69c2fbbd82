//! The map of a cluster's shards, watched by a test.

use headwater_meta::{MetaCache, MetaStore, grpc::MetaGrpcClient};
use headwater_testkit::Cluster;
use headwater_types::{NamespaceId, ObjectKey, ShardId, SystemClock, SystemRng};
use std::sync::Arc;

/// The metadata of a cluster with one voter, and a copy that follows them.
pub struct ShardMap {
    pub store: Arc<dyn MetaStore>,
    pub cache: Arc<MetaCache>,
}

impl ShardMap {
    pub fn follow(cluster: &Cluster) -> Self {
        let meta = cluster.process("meta", 1).unwrap().addresses.listen;
        let (clock, rng) = (Arc::new(SystemClock::new()), Arc::new(SystemRng));
        let store: Arc<dyn MetaStore> =
            Arc::new(MetaGrpcClient::new(&[meta], "test", clock.clone(), rng.clone()).unwrap());
        // It ends with the runtime of the test.
        let (cache, _) = MetaCache::follow(store.clone(), clock, rng);
        Self { store, cache }
    }

    /// A folder whose numbered playlists are all in a shard.
    pub fn folder(namespace: NamespaceId, is: impl Fn(ShardId) -> bool) -> String {
        let mut folders = (0..).map(|i| format!("folder{i}x"));
        folders.find(|folder| is(Self::shard(namespace, &format!("{folder}/live_1.m3u8")))).unwrap()
    }

    fn shard(namespace: NamespaceId, key: &str) -> ShardId {
        headwater_ring::shard(namespace, &ObjectKey::parse(key).unwrap())
    }
}
