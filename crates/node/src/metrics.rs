//! What a node counts. Names get the prefix `headwater_`.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// A node's metrics.
#[derive(Debug)]
pub struct NodeMetrics {
    /// PUTs that every member acknowledged.
    pub puts: Counter,
    /// DELETEs that every member acknowledged.
    pub deletes: Counter,
    /// Replicated versions taken in from heads.
    pub replicated: Counter,
    /// Attempts to hand a version over that were not acknowledged.
    pub replication_retries: Counter,
    /// From staging to clean, in seconds.
    pub replication_seconds: Histogram,
    /// Reads of objects that were still arriving.
    pub followed_reads: Counter,
    /// Staged versions that are not clean yet.
    pub dirty: Gauge,
    /// Bytes of bodies that are arriving.
    pub inflight_bytes: Gauge,
    /// Shards that this node heads.
    pub shards_head: Gauge,
    /// Shards that it serves as a tail.
    pub shards_tail: Gauge,
    /// Shards that it holds and may not answer reads of.
    pub shards_syncing: Gauge,
    /// Shards that it holds with a single in-sync member.
    pub shards_degraded: Gauge,
    /// Peers in reach.
    pub links_up: Gauge,
}

impl Default for NodeMetrics {
    fn default() -> Self {
        let buckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0];
        Self {
            puts: Counter::default(),
            deletes: Counter::default(),
            replicated: Counter::default(),
            replication_retries: Counter::default(),
            replication_seconds: Histogram::new(buckets),
            followed_reads: Counter::default(),
            dirty: Gauge::default(),
            inflight_bytes: Gauge::default(),
            shards_head: Gauge::default(),
            shards_tail: Gauge::default(),
            shards_syncing: Gauge::default(),
            shards_degraded: Gauge::default(),
            links_up: Gauge::default(),
        }
    }
}

impl NodeMetrics {
    /// Adds them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("node_puts", "PUTs that every member acknowledged", self.puts.clone());
        registry.register("node_deletes", "DELETEs that every member acknowledged", self.deletes.clone());
        registry.register("node_replicated", "Versions taken in from heads", self.replicated.clone());
        let retries = self.replication_retries.clone();
        registry.register("node_replication_retries", "Handovers that were not acknowledged", retries);
        let seconds = self.replication_seconds.clone();
        registry.register("node_replication_seconds", "From staging to clean", seconds);
        registry.register("node_followed_reads", "Reads of arriving objects", self.followed_reads.clone());
        registry.register("node_dirty_versions", "Staged versions that are not clean", self.dirty.clone());
        registry.register("node_inflight_bytes", "Bytes of arriving bodies", self.inflight_bytes.clone());
        registry.register("node_shards_head", "Shards headed here", self.shards_head.clone());
        registry.register("node_shards_tail", "Shards served here as tail", self.shards_tail.clone());
        registry.register("node_shards_syncing", "Shards held and not served here", self.shards_syncing.clone());
        let degraded = self.shards_degraded.clone();
        registry.register("node_shards_degraded", "Shards with a single in-sync member", degraded);
        registry.register("node_links_up", "Peers in reach", self.links_up.clone());
    }
}
