//! What a voter measures.

use openraft::ServerState;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{sync::atomic::AtomicU64, time::Duration};

use crate::{
    placement::MoveCounts,
    raft::types::{LogId, VoterNode},
    state::Lost,
};

/// Seconds; a commit is one or two syncs of a disk.
const PROPOSE_BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

/// The metrics of a voter. Clones share them.
#[derive(Debug, Clone)]
pub struct MetaMetrics {
    term: Gauge,
    applied: Gauge,
    leader_known: Gauge,
    leads: Gauge,
    voters: Gauge,
    quorum_ago: Gauge<f64, AtomicU64>,
    follower_behind: Gauge,
    propose_seconds: Histogram,
    propose_failures: Counter,
    watchers: Gauge,
    shards_lost: Counter,
    moves_planned: Gauge,
    moves_under_way: Gauge,
    members_rejoining: Gauge,
}

impl MetaMetrics {
    pub(crate) fn new() -> Self {
        Self {
            term: Gauge::default(),
            applied: Gauge::default(),
            leader_known: Gauge::default(),
            leads: Gauge::default(),
            voters: Gauge::default(),
            quorum_ago: Gauge::default(),
            follower_behind: Gauge::default(),
            propose_seconds: Histogram::new(PROPOSE_BUCKETS),
            propose_failures: Counter::default(),
            watchers: Gauge::default(),
            shards_lost: Counter::default(),
            moves_planned: Gauge::default(),
            moves_under_way: Gauge::default(),
            members_rejoining: Gauge::default(),
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
        registry.register("leads", "1 while this voter leads", self.leads.clone());
        registry.register("voters", "Voters of the group, as this one knows it", self.voters.clone());
        registry.register(
            "quorum_ago_seconds",
            "How long ago a quorum last answered this voter; 0 while it does not lead",
            self.quorum_ago.clone(),
        );
        registry.register(
            "follower_behind_entries",
            "Entries that the member furthest behind lacks; 0 while this voter does not lead",
            self.follower_behind.clone(),
        );
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
        registry.register(
            "moves_planned",
            "Memberships of shards that are to be moved, as the voter that led last counted them",
            self.moves_planned.clone(),
        );
        registry.register("moves_under_way", "Shards that are being moved", self.moves_under_way.clone());
        registry.register(
            "members_rejoining",
            "Restarted members of shards that are not in sync yet",
            self.members_rejoining.clone(),
        );
    }

    /// Copies what Raft says of itself.
    pub(crate) fn observe(&self, now: &openraft::RaftMetrics<u64, VoterNode>) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let config = &now.membership_config;
        self.term.set(gauge(now.current_term));
        self.applied.set(gauge(now.last_applied.map_or(0, |id| id.index)));
        self.leader_known.set(i64::from(now.current_leader.is_some()));
        self.leads.set(i64::from(now.state == ServerState::Leader));
        self.voters.set(i64::try_from(config.voter_ids().count()).unwrap_or(i64::MAX));
        self.quorum_ago.set(now.millis_since_quorum_ack.map_or(0.0, |millis| millis as f64 / 1000.0));
        let behind =
            |at: &Option<LogId>| now.last_log_index.unwrap_or(0).saturating_sub(at.map_or(0, |id| id.index));
        let furthest = now.replication.iter().flatten().map(|(_, at)| behind(at)).max();
        self.follower_behind.set(gauge(furthest.unwrap_or(0)));
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

    pub(crate) fn moves(&self, counts: &MoveCounts) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.moves_planned.set(gauge(counts.planned));
        self.moves_under_way.set(gauge(counts.under_way));
        self.members_rejoining.set(gauge(counts.rejoining));
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
