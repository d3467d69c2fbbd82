//! What a voter measures.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::time::Duration;

use crate::state::Lost;

/// Seconds; a commit is one or two syncs of a disk.
const PROPOSE_BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

/// The metrics of a voter. Clones share them.
#[derive(Debug, Clone)]
pub struct MetaMetrics {
    pub(crate) term: Gauge,
    pub(crate) applied: Gauge,
    pub(crate) leader_known: Gauge,
    propose_seconds: Histogram,
    propose_failures: Counter,
    watchers: Gauge,
    shards_lost: Counter,
}

impl MetaMetrics {
    pub(crate) fn new() -> Self {
        Self {
            term: Gauge::default(),
            applied: Gauge::default(),
            leader_known: Gauge::default(),
            propose_seconds: Histogram::new(PROPOSE_BUCKETS),
            propose_failures: Counter::default(),
            watchers: Gauge::default(),
            shards_lost: Counter::default(),
        }
    }

    /// Adds them to a registry, as `headwater_meta_*` if that has the prefix `headwater`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("meta");
        registry.register("raft_term", "Raft term of this voter", self.term.clone());
        registry.register(
            "raft_applied",
            "Last Raft index that this voter has applied",
            self.applied.clone(),
        );
        registry.register("leader_known", "1 while this voter knows a leader", self.leader_known.clone());
        registry.register(
            "propose_seconds",
            "Time from a proposal to its outcome, those without one included",
            self.propose_seconds.clone(),
        );
        registry.register(
            "propose_failures",
            "Proposals without an outcome: refused by Raft or out of time",
            self.propose_failures.clone(),
        );
        registry.register("watchers", "Watches that are open", self.watchers.clone());
        registry.register(
            "shards_lost",
            "Shards whose last in-sync member restarted with empty memory",
            self.shards_lost.clone(),
        );
    }

    pub(crate) fn proposed(&self, took: Duration, answered: bool) {
        self.propose_seconds.observe(took.as_secs_f64());
        if !answered {
            self.propose_failures.inc();
        }
    }

    pub(crate) fn lost(&self, lost: Lost) {
        self.shards_lost.inc_by((lost.incomplete + lost.empty) as u64);
    }

    /// Counts a watcher until the guard is dropped.
    pub(crate) fn watcher(&self) -> WatcherGuard {
        self.watchers.inc();
        WatcherGuard(self.watchers.clone())
    }
}

/// One watcher in the count.
#[derive(Debug)]
pub(crate) struct WatcherGuard(Gauge);

impl WatcherGuard {
    /// Watchers now, this one included.
    pub(crate) fn watchers(&self) -> usize {
        usize::try_from(self.0.get()).unwrap_or(0)
    }
}

impl Drop for WatcherGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
