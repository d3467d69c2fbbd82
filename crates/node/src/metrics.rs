//! What nodes count. Names get the prefix `headwater_`; every metric has the label `zone`, as a process may hold nodes of
//! several.

use headwater_types::ZoneName;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};

/// The label of every metric.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Zone {
    zone: String,
}

/// The metrics of one node.
#[derive(Debug, Clone)]
pub struct NodeMetrics {
    /// PUTs that every member acknowledged.
    pub puts: Counter,
    /// PUTs that overlapped a later one of their key and count as written just before it.
    pub puts_overlapped: Counter,
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
    /// Shards that it serves with a single in-sync member.
    pub shards_degraded: Gauge,
    /// Peers in reach.
    pub links_up: Gauge,
    /// Namespaces that did not fit the last report: for them shares stay equal and quotas do not count.
    pub spaces_left_out: Gauge,
}

impl NodeMetrics {
    /// The metrics of the nodes of these zones, registered as one family each.
    pub fn register(registry: &mut Registry, zones: &[ZoneName]) -> Vec<Self> {
        let counter =
            |r: &mut Registry, name, help| family(r, name, help, Family::<Zone, Counter>::default());
        let gauge = |r: &mut Registry, name, help| family(r, name, help, Family::<Zone, Gauge>::default());
        let r = registry;
        let puts = counter(r, "node_puts", "PUTs that every member acknowledged");
        let before = counter(r, "node_puts_overlapped", "PUTs that count as written just before a later one");
        let deletes = counter(r, "node_deletes", "DELETEs that every member acknowledged");
        let replicated = counter(r, "node_replicated", "Versions taken in from heads");
        let retries = counter(r, "node_replication_retries", "Handovers that were not acknowledged");
        let seconds = Family::<Zone, Histogram, fn() -> Histogram>::new_with_constructor(latency);
        let seconds = family(r, "node_replication_seconds", "From staging to clean", seconds);
        let followed = counter(r, "node_followed_reads", "Reads of arriving objects");
        let dirty = gauge(r, "node_dirty_versions", "Staged versions that are not clean");
        let inflight = gauge(r, "node_inflight_bytes", "Bytes of arriving bodies");
        let head = gauge(r, "node_shards_head", "Shards headed here");
        let tail = gauge(r, "node_shards_tail", "Shards served here as tail");
        let syncing = gauge(r, "node_shards_syncing", "Shards held and not served here");
        let degraded = gauge(r, "node_shards_degraded", "Shards served with a single in-sync member");
        let links = gauge(r, "node_links_up", "Peers in reach");
        let left_out = gauge(r, "node_namespaces_unreported", "Namespaces that did not fit the last report");
        let of = |zone: &ZoneName| {
            let zone = Zone { zone: zone.to_string() };
            Self {
                puts: puts.get_or_create_owned(&zone),
                puts_overlapped: before.get_or_create_owned(&zone),
                deletes: deletes.get_or_create_owned(&zone),
                replicated: replicated.get_or_create_owned(&zone),
                replication_retries: retries.get_or_create_owned(&zone),
                replication_seconds: seconds.get_or_create_owned(&zone),
                followed_reads: followed.get_or_create_owned(&zone),
                dirty: dirty.get_or_create_owned(&zone),
                inflight_bytes: inflight.get_or_create_owned(&zone),
                shards_head: head.get_or_create_owned(&zone),
                shards_tail: tail.get_or_create_owned(&zone),
                shards_syncing: syncing.get_or_create_owned(&zone),
                shards_degraded: degraded.get_or_create_owned(&zone),
                links_up: links.get_or_create_owned(&zone),
                spaces_left_out: left_out.get_or_create_owned(&zone),
            }
        };
        zones.iter().map(of).collect()
    }
}

fn family<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, family: M) -> M {
    registry.register(name, help, family.clone());
    family
}

fn latency() -> Histogram {
    Histogram::new([0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0])
}
