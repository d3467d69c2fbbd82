//! The hot tier against a model that is too simple to be wrong: a list of records that each rule walks as a whole.

use super::*;
use crate::conformance::Sample;
use headwater_types::{ManualClock, MediaClass, ObjectKey, ShardId};
use proptest::prelude::*;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

const START: u64 = 1_000_000;
const KEYS: [&str; 10] = ["a", "a-", "a/1", "a/2", "a/b/1", "a/b/2", "a0", "b/1", "b/c", "c"];
const NAMESPACES: [NamespaceId; 3] = [NamespaceId(1), NamespaceId(2), NamespaceId(3)];
/// Room for about eight of the records below, so that most histories evict.
const CAPACITY: u64 = 8_000;

#[derive(Debug, Clone)]
enum Step {
    Insert(Sample),
    Remove {
        namespace: NamespaceId,
        key: &'static str,
        version: Version,
    },
    Advance {
        millis: u64,
    },
    Expire,
    SetShare(NamespaceId, Option<u64>),
    List {
        namespace: NamespaceId,
        prefix: &'static str,
        fold: bool,
        after: Option<&'static str>,
        limit: usize,
        parity: u16,
    },
}

fn namespaces() -> impl Strategy<Value = NamespaceId> {
    prop::sample::select(&NAMESPACES[..])
}

fn inserts() -> impl Strategy<Value = Step> {
    let classes = prop::sample::select(vec![MediaClass::Playlist, MediaClass::Media, MediaClass::Other]);
    let versions = (1..3_u64, 1..8_u64);
    let times = (0..1000_u64, 0..1500_u64);
    (namespaces(), 0..KEYS.len(), versions, classes, 0..2000_usize, times, prop::bool::weighted(0.1))
        .prop_map(|(namespace, key, (epoch, seq), class, size, (written, ttl), tombstone)| {
            // The digest goes by version most of the time: one version with two digests is the exception.
            let sample = Sample::new(KEYS[key], seq)
                .epoch(epoch)
                .namespace(namespace)
                .shard(key as u16)
                .class(class)
                .body(vec![0; if size % 50 == 0 { size } else { (seq * 250) as usize }])
                .at(UnixMillis(START + written))
                .ttl(Duration::from_millis(ttl));
            Step::Insert(if tombstone { sample.tombstone() } else { sample })
        })
}

fn lists() -> impl Strategy<Value = Step> {
    let prefixes = prop::sample::select(vec!["", "a", "a/", "a/b/", "b", "zz"]);
    let after =
        prop::option::of(prop::sample::select(vec!["a", "a/", "a/1", "a/1x", "a/b/", "b/", "b/1", "c", "d"]));
    (namespaces(), prefixes, any::<bool>(), after, 0..6_usize, 0..3_u16).prop_map(
        |(namespace, prefix, fold, after, limit, parity)| Step::List {
            namespace,
            prefix,
            fold,
            after,
            limit,
            parity,
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    let removes = (namespaces(), prop::sample::select(&KEYS[..]), 1..3_u64, 1..8_u64).prop_map(
        |(namespace, key, epoch, seq)| Step::Remove {
            namespace,
            key,
            version: Version { epoch: headwater_types::Epoch(epoch), seq },
        },
    );
    let shares =
        (namespaces(), prop::option::of(500..6000_u64)).prop_map(|(n, share)| Step::SetShare(n, share));
    prop_oneof![
        12 => inserts(),
        1 => removes,
        2 => (1..300_u64).prop_map(|millis| Step::Advance { millis }),
        1 => Just(Step::Expire),
        1 => shares,
        3 => lists(),
    ]
}

#[derive(Debug, Default)]
struct Model {
    records: Vec<Arc<Record>>,
    shares: BTreeMap<NamespaceId, u64>,
    evicted: u64,
    expired: u64,
}

impl Model {
    fn used(&self, namespace: Option<NamespaceId>, tombstones_only: bool) -> u64 {
        let counted = self.records.iter().filter(|r| namespace.is_none_or(|n| r.object.namespace == n));
        counted.filter(|r| r.tombstone || !tombstones_only).map(|r| r.cost()).sum()
    }

    fn place(&self, object: &ObjectId) -> Option<usize> {
        self.records.iter().position(|r| r.object == *object)
    }

    fn over_share(&self, namespace: NamespaceId, cost: u64) -> bool {
        self.shares.get(&namespace).is_some_and(|share| self.used(Some(namespace), false) + cost > *share)
    }

    fn shed(&mut self, namespace: NamespaceId, cost: u64, now: UnixMillis) {
        loop {
            let over_share = self.over_share(namespace, cost);
            if !over_share && self.used(None, false) + cost <= CAPACITY {
                return;
            }
            let at = |r: &Record| (r.meta.expires_at, r.object.clone());
            let expired =
                self.records.iter().filter(|r| r.meta.expires_at <= now).min_by_key(|r| at(r)).cloned();
            let excess = |n| self.used(Some(n), false).saturating_sub(*self.shares.get(&n).unwrap_or(&0));
            let victim = self
                .records
                .iter()
                .filter(|r| !r.tombstone && (!over_share || r.object.namespace == namespace))
                .min_by_key(|r| {
                    let playlist = r.meta.class == MediaClass::Playlist;
                    let (n, key) = (r.object.namespace, r.object.key.clone());
                    (playlist, Reverse(excess(n)), r.meta.stored_at, n, key)
                })
                .cloned();
            let Some(gone) = expired.clone().or(victim) else { return };
            self.records.retain(|r| r.object != gone.object);
            self.expired += u64::from(expired.is_some());
            self.evicted += u64::from(expired.is_none());
        }
    }

    fn insert(&mut self, record: &Arc<Record>, now: UnixMillis) -> String {
        let place = self.place(&record.object);
        let current = place.map(|at| self.records[at].clone());
        let live = current.clone().filter(|r| r.meta.expires_at > now);
        if let Some(live) = &live {
            if live.meta.version > record.meta.version {
                return "stale".into();
            }
            if live.meta.version == record.meta.version {
                let same = live.meta.digest == record.meta.digest && live.tombstone == record.tombstone;
                return if same { "stale".into() } else { "conflict".into() };
            }
        }
        let namespace = record.object.namespace;
        let freed = current.filter(|r| r.tombstone).map_or(0, |r| r.cost());
        let pinned = |namespace| self.used(namespace, true) - freed + record.cost();
        let share = self.shares.get(&namespace).copied().unwrap_or(u64::MAX);
        if pinned(None) > CAPACITY || pinned(Some(namespace)) > share {
            return "does not fit".into();
        }
        if let Some(at) = place {
            self.records.remove(at);
            self.expired += u64::from(live.is_none());
        }
        self.shed(namespace, record.cost(), now);
        self.records.push(record.clone());
        format!("applied for {:?}", live.map(|r| r.meta.version))
    }

    fn list(&self, request: &ListRecords<'_>, now: UnixMillis) -> Vec<String> {
        let fold = |key: &str| {
            let slash = key[request.prefix.len()..].find('/').filter(|_| request.fold);
            slash.map_or(key.len(), |at| request.prefix.len() + at + 1)
        };
        let names: BTreeSet<&str> = self
            .records
            .iter()
            .filter(|r| r.object.namespace == request.namespace && !r.tombstone && r.meta.expires_at > now)
            .filter(|r| (request.shards)(r.shard))
            .map(|r| r.object.key.as_str())
            .filter(|key| key.starts_with(request.prefix))
            .map(|key| &key[..fold(key)])
            .filter(|name| request.after.is_none_or(|after| *name > after))
            .collect();
        names.into_iter().take(request.limit).map(str::to_owned).collect()
    }
}

fn describe(outcome: Result<Inserted, TierError>) -> String {
    match outcome {
        Ok(Inserted::Applied(replaced)) => format!("applied for {:?}", replaced.map(|r| r.meta.version)),
        Ok(Inserted::Stale) => "stale".into(),
        Ok(Inserted::DoesNotFit) => "does not fit".into(),
        Err(TierError::Conflict { .. }) => "conflict".into(),
        Err(TierError::Io(why)) => why,
    }
}

fn object(namespace: NamespaceId, key: &str) -> ObjectId {
    ObjectId { namespace, key: ObjectKey::parse(key).unwrap() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_does(steps in prop::collection::vec(steps(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = Arc::new(ManualClock::new(UnixMillis(START)));
        let tier = HotTier::new(HotConfig { capacity_bytes: CAPACITY, shards: 2 }, clock.clone());
        let mut model = Model::default();
        for step in steps {
            let now = clock.unix_millis();
            match step {
                Step::Insert(sample) => {
                    let record = sample.build();
                    let want = model.insert(&record, now);
                    prop_assert_eq!(describe(tier.insert_now(record)), want);
                }
                Step::Remove { namespace, key, version } => {
                    let object = object(namespace, key);
                    let at = model.place(&object).filter(|at| model.records[*at].meta.version <= version);
                    let gone = at.map(|at| model.records.remove(at));
                    let want = gone.is_some_and(|r| r.meta.expires_at > now);
                    prop_assert_eq!(tier.remove_now(&object, version), want);
                }
                Step::Advance { millis } => clock.advance(Duration::from_millis(millis)),
                Step::Expire => {
                    let before = model.records.len();
                    model.records.retain(|r| r.meta.expires_at > now);
                    let expired = before - model.records.len();
                    model.expired += expired as u64;
                    prop_assert_eq!(tier.expire(now), expired);
                }
                Step::SetShare(namespace, share) => {
                    match share {
                        Some(share) => model.shares.insert(namespace, share),
                        None => model.shares.remove(&namespace),
                    };
                    model.shed(namespace, 0, now);
                    tier.set_namespace_share(namespace, share);
                }
                Step::List { namespace, prefix, fold, after, limit, parity } => {
                    // 0 and 1 ask for one half of the shards, 2 for all.
                    let shards = move |shard: ShardId| parity == 2 || shard.get() % 2 == parity;
                    let request = ListRecords { namespace, shards: &shards, prefix, fold, after, limit };
                    let names = runtime.block_on(tier.list(request)).unwrap();
                    let names: Vec<_> = names.into_iter().map(|listed| listed.name).collect();
                    prop_assert_eq!(names, model.list(&request, now));
                }
            }
            prop_assert_eq!(tier.assert_consistent(), model.records.len());
            prop_assert_eq!(tier.used_bytes(), model.used(None, false));
            prop_assert_eq!((tier.stats().evicted(), tier.stats().expired), (model.evicted, model.expired));
            let now = clock.unix_millis();
            for namespace in NAMESPACES {
                for key in KEYS {
                    let object = object(namespace, key);
                    let want = model.place(&object).map(|at| &model.records[at]);
                    let want = want.filter(|r| r.meta.expires_at > now).map(|r| r.meta.version);
                    prop_assert_eq!(tier.get_now(&object).map(|r| r.meta.version), want);
                }
            }
        }
    }
}
