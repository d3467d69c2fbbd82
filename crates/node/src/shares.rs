//! What each namespace may take in this node's memory, and what it took in lately.

use headwater_meta::{
    Guidance, HotShare, Indexed, NamespaceRecord, SpaceReport, State, limits::REPORT_SPACES_MAX,
};
use headwater_store::{NamespaceStats, Tier};
use headwater_types::{NamespaceId, ZoneName};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

/// After so long an ingest counts half.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// The shares of a node: an equal part of each namespace's capacity until the metadata leader says otherwise, and the
/// last that it said while it says nothing.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// What the leader of this term, or of earlier ones, said last of each namespace.
    term: u64,
    told: BTreeMap<NamespaceId, HotShare>,
    /// The shares that the tier has.
    in_force: BTreeMap<NamespaceId, u64>,
    /// From which namespaces and how many nodes of the zone.
    installed: Option<(Indexed<NamespaceId, Arc<NamespaceRecord>>, u64)>,
    ingest: HashMap<NamespaceId, Ingest>,
    measured: Duration,
}

/// What was written of a namespace.
#[derive(Debug, Clone, Copy, Default)]
struct Ingest {
    /// All that the tier ever counted.
    written: u64,
    /// A sum that halves with [`HALF_LIFE`].
    lately: f64,
}

impl Shares {
    /// Gives the tier the shares of a state, where they are not what it has already.
    pub fn install(&self, state: &State, zone: &ZoneName, tier: &dyn Tier) {
        let in_zone = state.nodes.values().filter(|node| node.zone == *zone).count().max(1) as u64;
        let mut inner = self.0.lock();
        match inner.installed.take() {
            Some((before, same)) if same == in_zone => {
                for change in before.diff(&state.namespaces) {
                    use imbl::ordmap::DiffItem;
                    match change {
                        DiffItem::Add(_, record) | DiffItem::Update { new: (_, record), .. } => {
                            inner.apply(record, in_zone, tier);
                        }
                        DiffItem::Remove(id, _) => inner.forget(*id, tier),
                    }
                }
            }
            before => {
                let gone = before.iter().flat_map(|(namespaces, _)| namespaces.keys());
                for id in gone.filter(|id| !state.namespaces.contains_key(*id)) {
                    inner.forget(*id, tier);
                }
                state.namespaces.values().for_each(|record| inner.apply(record, in_zone, tier));
            }
        }
        inner.installed = Some((state.namespaces.clone(), in_zone));
    }

    /// Follows the leader, unless one of a later term has spoken.
    pub fn follow(&self, guidance: &Guidance, tier: &dyn Tier) {
        let mut inner = self.0.lock();
        if guidance.term < inner.term {
            return;
        }
        inner.term = guidance.term;
        let Some((namespaces, in_zone)) = inner.installed.clone() else { return };
        for share in &guidance.shares {
            if let Some(record) = namespaces.get(&share.namespace) {
                inner.told.insert(share.namespace, *share);
                inner.apply(record, in_zone, tier);
            }
        }
    }

    /// What to report of `counted` at monotonic time `now`, at most [`REPORT_SPACES_MAX`] namespaces, and how many were
    /// left out.
    pub fn report(
        &self,
        counted: Vec<(NamespaceId, NamespaceStats)>,
        now: Duration,
    ) -> (Vec<SpaceReport>, usize) {
        let mut inner = self.0.lock();
        let ingest = inner.measure(&counted, now);
        let mut spaces: Vec<(bool, u64, SpaceReport)> = Vec::new();
        for (namespace, stats) in counted {
            let ingest_bytes = ingest.get(&namespace).map_or(0, |ingest| ingest.lately as u64);
            let told = inner.told.contains_key(&namespace);
            if !told && stats.objects == 0 && ingest_bytes == 0 {
                continue;
            }
            let report = SpaceReport {
                namespace,
                bytes: stats.object_bytes,
                objects: stats.objects,
                share_bytes: inner.in_force.get(&namespace).copied(),
                ingest_bytes,
            };
            spaces.push((told, stats.used_bytes, report));
        }
        inner.ingest = ingest;
        // Of what is not reported the leader takes a share for an equal part: those that are not come first.
        spaces.sort_by_key(|(told, used, report)| std::cmp::Reverse((*told, *used, report.namespace)));
        let left_out = spaces.len().saturating_sub(REPORT_SPACES_MAX);
        spaces.truncate(REPORT_SPACES_MAX);
        (spaces.into_iter().map(|(_, _, report)| report).collect(), left_out)
    }
}

impl Inner {
    fn share(&self, record: &NamespaceRecord, in_zone: u64) -> Option<u64> {
        let capacity = record.settings.hot_capacity_bytes?;
        Some(match self.told.get(&record.id) {
            // The leader has not seen the smaller capacity yet: as large a part of it.
            Some(told) if told.capacity_bytes > capacity => {
                let part =
                    u128::from(told.share_bytes) * u128::from(capacity) / u128::from(told.capacity_bytes);
                u64::try_from(part).unwrap_or(capacity)
            }
            Some(told) => told.share_bytes.min(capacity),
            None => capacity / in_zone,
        })
    }

    fn apply(&mut self, record: &NamespaceRecord, in_zone: u64, tier: &dyn Tier) {
        let id = record.id;
        match self.share(record, in_zone) {
            Some(share) => {
                if self.in_force.insert(id, share) != Some(share) {
                    tier.set_namespace_share(id, Some(share));
                }
            }
            None => self.forget(id, tier),
        }
    }

    fn forget(&mut self, id: NamespaceId, tier: &dyn Tier) {
        self.told.remove(&id);
        if self.in_force.remove(&id).is_some() {
            tier.set_namespace_share(id, None);
        }
    }

    fn measure(
        &mut self,
        counted: &[(NamespaceId, NamespaceStats)],
        now: Duration,
    ) -> HashMap<NamespaceId, Ingest> {
        let since = now.saturating_sub(std::mem::replace(&mut self.measured, now));
        let kept = 0.5_f64.powf(since.as_secs_f64() / HALF_LIFE.as_secs_f64());
        let measured = counted.iter().map(|(id, stats)| {
            let before = self.ingest.get(id).copied().unwrap_or_default();
            // A count that begins anew: the namespace had nothing here meanwhile.
            let more = stats.written_bytes.checked_sub(before.written).unwrap_or(stats.written_bytes);
            (*id, Ingest { written: stats.written_bytes, lately: before.lately * kept + more as f64 })
        });
        measured.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_meta::{NodeRecord, NodeState};
    use headwater_store::{HotConfig, HotTier};
    use headwater_types::{Incarnation, ManualClock, NamespaceName, NamespaceSettings, NodeId, UnixMillis};

    const NAMESPACE: NamespaceId = NamespaceId(3);

    fn zone() -> ZoneName {
        ZoneName::parse("a").unwrap()
    }

    fn state(capacity: Option<u64>, nodes: u64) -> State {
        let mut state = State::default();
        let record = NamespaceRecord {
            id: NAMESPACE,
            name: NamespaceName::parse("live").unwrap(),
            created_at: UnixMillis(0),
            updated_at: UnixMillis(0),
            version: 1,
            settings: NamespaceSettings { hot_capacity_bytes: capacity, ..NamespaceSettings::default() },
            blocked: Vec::new(),
        };
        state.namespaces.insert(NAMESPACE, Arc::new(record));
        for id in (1..=nodes).map(NodeId) {
            let record = NodeRecord {
                id,
                incarnation: Incarnation(1),
                zone: zone(),
                address: String::new(),
                hot_capacity_bytes: 0,
                state: NodeState::Active,
                process: None,
            };
            state.nodes.insert(id, record);
        }
        state
    }

    fn told(term: u64, capacity_bytes: u64, share_bytes: u64) -> Guidance {
        let shares = vec![HotShare { namespace: NAMESPACE, capacity_bytes, share_bytes }];
        Guidance { term, shares, over_quota: Vec::new() }
    }

    struct Bench {
        shares: Shares,
        tier: HotTier,
    }

    impl Bench {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::new(UnixMillis(0)));
            let tier = HotTier::new(HotConfig::with_capacity(1 << 30), clock);
            Self { shares: Shares::default(), tier }
        }

        fn share(&self) -> Option<u64> {
            self.tier.namespace_stats(NAMESPACE).share_bytes
        }

        fn install(&self, capacity: Option<u64>, nodes: u64) -> Option<u64> {
            self.shares.install(&state(capacity, nodes), &zone(), &self.tier);
            self.share()
        }

        fn follow(&self, guidance: &Guidance) -> Option<u64> {
            self.shares.follow(guidance, &self.tier);
            self.share()
        }
    }

    #[test]
    fn a_share_is_an_equal_part_until_the_leader_says_otherwise() {
        let bench = Bench::new();
        assert_eq!(bench.install(Some(900), 3), Some(300));
        assert_eq!(bench.install(Some(900), 2), Some(450), "a node has left");
        assert_eq!(bench.follow(&told(2, 900, 700)), Some(700));
        assert_eq!(bench.follow(&told(1, 900, 1)), Some(700), "a leader of an earlier term");
        assert_eq!(bench.install(Some(900), 3), Some(700), "what was said stays");
        assert_eq!(bench.install(Some(90), 3), Some(70), "a smaller capacity: as large a part");
        assert_eq!(bench.install(Some(9000), 3), Some(700), "a larger one waits for the leader");
        assert_eq!(bench.install(None, 3), None);
        assert_eq!(bench.install(Some(900), 3), Some(300), "as if it were new");
        bench.shares.install(&State::default(), &zone(), &bench.tier);
        assert_eq!(bench.share(), None, "the namespace is gone");
    }

    #[test]
    fn ingest_counts_half_after_a_minute_and_begins_anew_with_the_count() {
        let shares = Shares::default();
        let report = |written_bytes, at: u64| {
            let stats = NamespaceStats { written_bytes, objects: 1, ..NamespaceStats::default() };
            let (spaces, left_out) = shares.report(vec![(NAMESPACE, stats)], Duration::from_secs(60 * at));
            assert_eq!((spaces.len(), left_out), (1, 0));
            spaces[0].ingest_bytes
        };
        assert_eq!(report(1_000, 1), 1_000);
        assert_eq!(report(1_000, 2), 500);
        assert_eq!(report(1_100, 3), 350);
        assert_eq!(report(40, 4), 215);
    }

    #[test]
    fn a_report_is_bounded_and_names_the_shares_that_are_not_equal_first() {
        let bench = Bench::new();
        bench.install(Some(900), 3);
        bench.follow(&told(1, 900, 700));
        let held = |id, used_bytes| {
            (NamespaceId(id), NamespaceStats { objects: 1, used_bytes, ..NamespaceStats::default() })
        };
        let others = (100..100 + REPORT_SPACES_MAX as u64).map(|id| held(id, id));
        let counted = others.chain([(NAMESPACE, NamespaceStats::default())]).collect();
        let (spaces, left_out) = bench.shares.report(counted, Duration::from_secs(1));
        assert_eq!((spaces.len(), left_out), (REPORT_SPACES_MAX, 1));
        assert_eq!((spaces[0].namespace, spaces[0].share_bytes), (NAMESPACE, Some(700)));
        assert!(spaces.iter().all(|space| space.namespace != NamespaceId(100)), "the smallest is left out");
    }
}
