//! The hot tier's bounds, evictions and expiry, each at the limit and one past it.

use super::*;
use crate::conformance::{self, Sample};
use headwater_types::{Digest, ManualClock, MediaClass};
use std::sync::atomic::{AtomicBool, Ordering};

const START: UnixMillis = UnixMillis(1_700_000_000_000);
const NAMESPACE: NamespaceId = Sample::NAMESPACE;
const MINUTE: Duration = Duration::from_secs(60);

fn tier(capacity_bytes: u64) -> (Arc<HotTier>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(START));
    (Arc::new(HotTier::new(HotConfig { capacity_bytes, shards: 4 }, clock.clone())), clock)
}

/// A record of which each takes the same bytes as long as keys have the same length.
fn sample(key: &str, written: u64) -> Sample {
    Sample::new(key, 1).at(UnixMillis(START.0 + written)).body(vec![7; 1000])
}

fn unit() -> u64 {
    sample("k0", 0).build().cost()
}

fn apply(tier: &HotTier, sample: Sample) -> Arc<Record> {
    let record = sample.build();
    let outcome = tier.insert_now(record.clone()).unwrap();
    assert!(matches!(outcome, Inserted::Applied(_)), "{:?}: {outcome:?}", record.object);
    tier.assert_consistent();
    record
}

fn keys(tier: &HotTier, namespace: NamespaceId) -> Vec<String> {
    let ledger = tier.ledger.lock();
    ledger.index(namespace).into_iter().flatten().map(|(key, _)| key.0.as_str().to_owned()).collect()
}

impl HotTier {
    /// The ledger agrees with itself and with what readers see; returns how many records there are.
    pub(super) fn assert_consistent(&self) -> usize {
        let ledger = self.ledger.lock();
        let count = ledger.assert_consistent();
        assert_eq!(self.map.len(), count, "the map and the ledger differ");
        count
    }
}

#[tokio::test]
async fn conforms() {
    conformance::suite(|| {
        let (tier, clock) = tier(1 << 20);
        (tier, clock)
    })
    .await;
}

#[test]
fn the_capacity_holds_what_fits_exactly_and_not_a_byte_more() {
    let (tier, _) = tier(3 * unit());
    for (n, key) in ["k0", "k1", "k2"].into_iter().enumerate() {
        apply(&tier, sample(key, n as u64));
    }
    assert_eq!((tier.used_bytes(), tier.stats().evicted()), (3 * unit(), 0));
    apply(&tier, sample("k3", 3));
    assert_eq!(keys(&tier, NAMESPACE), ["k1", "k2", "k3"]);

    let room = 3 * unit() - sample("kx", 9).body(vec![0]).build().cost() + 1;
    let whole = sample("kx", 9).body(vec![0; room as usize]);
    assert_eq!(whole.clone().build().cost(), 3 * unit());
    let larger = whole.clone().body(vec![0; room as usize + 1]).build();
    assert!(matches!(tier.insert_now(larger), Ok(Inserted::DoesNotFit)));
    assert_eq!(keys(&tier, NAMESPACE), ["k1", "k2", "k3"], "a refused record evicted something");
    apply(&tier, whole);
    assert_eq!(keys(&tier, NAMESPACE), ["kx"]);
    assert_eq!((tier.stats().refused, tier.stats().evicted()), (1, 4));
}

#[test]
fn a_record_in_the_place_of_another_needs_only_the_difference() {
    let (tier, _) = tier(2 * unit());
    apply(&tier, sample("k0", 0));
    apply(&tier, sample("k1", 1));
    apply(&tier, sample("k0", 2).seq(2));
    assert_eq!((tier.used_bytes(), tier.stats().evicted()), (2 * unit(), 0));
    // One byte more is one too many: the other one goes, though the overwritten key was there first.
    apply(&tier, sample("k0", 3).seq(3).body(vec![7; 1001]));
    assert_eq!((keys(&tier, NAMESPACE), tier.used_bytes()), (vec!["k0".into()], unit() + 1));
}

#[test]
fn the_oldest_written_goes_first_and_playlists_last() {
    let (tier, _) = tier(4 * unit());
    apply(&tier, sample("p0", 0).class(MediaClass::Playlist));
    apply(&tier, sample("k1", 10));
    apply(&tier, sample("k3", 30));
    // Written before k3 though it came after it.
    apply(&tier, sample("k2", 20));
    for (n, want) in
        [["k2", "k3", "k4", "p0"], ["k3", "k4", "k5", "p0"], ["k4", "k5", "k6", "p0"]].iter().enumerate()
    {
        apply(&tier, sample(&format!("k{}", n + 4), 40 + n as u64));
        assert_eq!(keys(&tier, NAMESPACE), *want);
    }
    for n in 1..4 {
        apply(&tier, sample(&format!("p{n}"), 50 + n).class(MediaClass::Playlist));
    }
    apply(&tier, sample("k9", 90));
    assert_eq!(keys(&tier, NAMESPACE), ["k9", "p1", "p2", "p3"]);
    let by_class = tier.stats().by_class;
    assert_eq!((by_class.get(MediaClass::Media).evicted, by_class.get(MediaClass::Playlist).evicted), (6, 1));
}

#[test]
fn a_namespace_over_its_share_evicts_its_own() {
    let (tier, _) = tier(10 * unit());
    let other = NamespaceId(8);
    apply(&tier, sample("k0", 0).namespace(other));
    tier.set_namespace_share(NAMESPACE, Some(2 * unit()));
    for n in 1..6 {
        apply(&tier, sample(&format!("k{n}"), n));
        assert!(tier.namespace_stats(NAMESPACE).used_bytes <= 2 * unit());
    }
    assert_eq!(
        (keys(&tier, NAMESPACE), keys(&tier, other)),
        (vec!["k4".into(), "k5".into()], vec!["k0".into()])
    );

    tier.set_namespace_share(NAMESPACE, Some(2 * unit() - 1));
    assert_eq!(keys(&tier, NAMESPACE), ["k5"], "a lowered share takes effect at once");
    tier.set_namespace_share(NAMESPACE, Some(unit() - 1));
    assert!(keys(&tier, NAMESPACE).is_empty());
    assert!(matches!(tier.insert_now(sample("k6", 6).build()), Ok(Inserted::DoesNotFit)));
    tier.set_namespace_share(NAMESPACE, None);
    apply(&tier, sample("k6", 6));
}

#[test]
fn a_full_node_evicts_from_whom_is_furthest_over_its_share() {
    let (tier, _) = tier(5 * unit());
    let (within, over) = (NamespaceId(1), NamespaceId(2));
    tier.set_namespace_share(within, Some(3 * unit()));
    tier.set_namespace_share(NAMESPACE, Some(3 * unit()));
    for n in 0..3 {
        apply(&tier, sample(&format!("k{n}"), n).namespace(within));
    }
    for n in 3..5 {
        apply(&tier, sample(&format!("k{n}"), n).namespace(over));
    }
    for n in 5..7 {
        apply(&tier, sample(&format!("k{n}"), n));
    }
    assert_eq!((keys(&tier, within).len(), keys(&tier, over).len()), (3, 0));
    // Now all are within their shares, which are more than there is: the oldest of all goes.
    apply(&tier, sample("k7", 7));
    assert_eq!((keys(&tier, within), keys(&tier, NAMESPACE).len()), (vec!["k1".into(), "k2".into()], 3));
}

#[test]
fn tombstones_stay_until_they_expire_and_are_counted() {
    let grave = |key: &str| sample(key, 0).tombstone();
    let cost = grave("k0").build().cost();
    let (tier, clock) = tier(2 * cost + unit());
    for key in ["k0", "k1"] {
        apply(&tier, grave(key));
    }
    for n in 2..5 {
        apply(&tier, sample(&format!("k{n}"), n));
    }
    assert_eq!(keys(&tier, NAMESPACE), ["k0", "k1", "k4"]);
    assert_eq!((tier.stats().tombstones, tier.used_bytes()), (2, 2 * cost + unit()));
    // A third one may evict the object, but what then needs more than is left of it is refused.
    apply(&tier, grave("k5"));
    assert_eq!(keys(&tier, NAMESPACE), ["k0", "k1", "k5"]);
    assert!(matches!(tier.insert_now(sample("k6", 6).build()), Ok(Inserted::DoesNotFit)));
    // In the place of one of them there is room again.
    apply(&tier, sample("k5", 7).seq(2));
    clock.advance(MINUTE);
    assert_eq!(tier.expire(clock.unix_millis()), 2);
    assert_eq!(keys(&tier, NAMESPACE), ["k5"]);
}

#[test]
fn memory_of_expired_records_returns_though_nobody_asks() {
    let (tier, clock) = tier(u64::MAX);
    let long = apply(&tier, sample("long", 0).ttl(Duration::from_secs(14 * 24 * 3600)));
    for n in 0..1000 {
        tier.insert_now(sample(&format!("short/{n}"), n).ttl(MINUTE).build()).unwrap();
    }
    clock.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(tier.expire(clock.unix_millis()), 0);
    clock.advance(Duration::from_millis(500));
    assert_eq!(tier.expire(clock.unix_millis()), 500);
    clock.advance(Duration::from_millis(500));
    assert_eq!(tier.expire(clock.unix_millis()), 500);
    assert_eq!((tier.used_bytes(), tier.stats().expired), (long.cost(), 1000));
    tier.assert_consistent();
}

#[tokio::test(start_paused = true)]
async fn the_driver_returns_memory_within_200_ms_of_its_time() {
    let (tier, clock) = tier(u64::MAX);
    let driver = tokio::spawn(tier.clone().run_expiry());
    // Expiries at every phase of the driver's tick.
    let ttl = |n: u64| Duration::from_secs(1) + Duration::from_millis(n * 7);
    for n in 0..100 {
        apply(&tier, sample(&format!("k{n:02}"), 0).ttl(ttl(n)));
    }
    let mut held = 100;
    for millis in 0..2_000 {
        let expired = (0..100).filter(|n| ttl(*n) <= Duration::from_millis(millis)).count();
        let due = (0..100).filter(|n| ttl(*n) + Duration::from_millis(200) <= Duration::from_millis(millis));
        held = tier.stats().records() as usize;
        assert!(held >= 100 - expired, "something left before its time, at {millis} ms");
        assert!(held <= 100 - due.count(), "{held} records are held at {millis} ms");
        clock.advance(Duration::from_millis(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((held, tier.used_bytes()), (0, 0));
    driver.abort();
}

#[test]
fn what_was_lost_before_its_time_is_known_by_shard_until_then() {
    let (tier, clock) = tier(2 * unit());
    let lost = |shard| Tier::lost_until(tier.as_ref(), ShardId::new(shard).unwrap());
    apply(&tier, sample("k0", 0).shard(1).ttl(MINUTE * 2));
    apply(&tier, sample("k1", 1).shard(2));
    assert_eq!((lost(1), lost(2)), (UnixMillis(0), UnixMillis(0)));
    apply(&tier, sample("k2", 2).shard(1));
    assert_eq!((lost(1), lost(2)), (START.plus(MINUTE * 2), UnixMillis(0)), "k0 was evicted");
    apply(&tier, sample("k3", 3).shard(1));
    assert_eq!(lost(2), UnixMillis(START.0 + 1).plus(MINUTE));
    apply(&tier, sample("k4", 4).shard(1));
    assert_eq!(lost(1), START.plus(MINUTE * 2), "the latest counts");

    let large = sample("k5", 5).shard(3).body(vec![0; 2 * unit() as usize]).build();
    assert!(matches!(tier.insert_now(large.clone()), Ok(Inserted::DoesNotFit)));
    assert_eq!(lost(3), large.meta.expires_at, "nor is what found no room here");
    apply(&tier, sample("k3", 6).shard(4).seq(2));
    clock.advance(MINUTE * 2);
    tier.expire(clock.unix_millis());
    tier.discard(ShardId::new(4).unwrap());
    assert_eq!(lost(4), UnixMillis(0), "what was replaced, expired or discarded is not lost");
}

#[test]
fn a_million_overwrites_leave_one_entry_everywhere() {
    let (tier, _) = tier(u64::MAX);
    let record = sample("live/index.m3u8", 0).class(MediaClass::Playlist).ttl(Duration::from_secs(86_400));
    let first = Record::clone(&record.build());
    for n in 1..=1_000_000 {
        let mut meta = headwater_types::ObjectMeta::clone(&first.meta);
        meta.version.seq = n;
        meta.stored_at = UnixMillis(START.0 + n);
        meta.expires_at = UnixMillis(first.meta.expires_at.0 + n);
        tier.insert_now(Arc::new(Record { meta: Arc::new(meta), ..first.clone() })).unwrap();
    }
    assert_eq!((tier.assert_consistent(), tier.used_bytes()), (1, first.cost()));
}

#[tokio::test]
async fn long_pages_let_writers_in_and_skip_folded_names() {
    let (tier, _) = tier(u64::MAX);
    for n in 0..VISITS_PER_LOCK * 3 {
        tier.insert_now(sample(&format!("a/{n:05}"), 0).shard(n as u16 % 2).build()).unwrap();
        tier.insert_now(sample(&format!("b{n:05}"), 0).shard(0).build()).unwrap();
    }
    let everything = ListRecords {
        namespace: NAMESPACE,
        shards: &|_| true,
        prefix: "",
        fold: false,
        after: None,
        limit: usize::MAX,
    };
    assert_eq!(tier.list(everything).await.unwrap().len(), VISITS_PER_LOCK * 6);
    let odd = ListRecords { shards: &|shard| shard.get() == 1, ..everything };
    assert_eq!(tier.list(odd).await.unwrap().len(), VISITS_PER_LOCK * 3 / 2);

    // Two visits are enough for two names: the first one's keys are not walked.
    let mut page = Page::new(ListRecords { fold: true, limit: 2, ..everything }, START);
    let ledger = tier.ledger.lock();
    let index = ledger.index(NAMESPACE).unwrap();
    assert!(!page.advance(index, 2));
    assert!(page.advance(index, 1));
    let names: Vec<_> = page.into_names().into_iter().map(|listed| listed.name).collect();
    assert_eq!(names, ["a/", "b00000"]);
}

#[test]
fn bounds_hold_at_every_moment_and_readers_keep_their_bytes() {
    let capacity = 200 * unit();
    let share = 50 * unit();
    let (tier, _) = tier(capacity);
    let narrow = NamespaceId(1);
    tier.set_namespace_share(narrow, Some(share));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut most, mut read) = (0, 0);
                while !done.load(Ordering::Relaxed) || most == 0 || read == 0 {
                    let used = tier.used_bytes();
                    assert!(used <= capacity, "{used} bytes of {capacity}");
                    assert!(tier.namespace_stats(narrow).used_bytes <= share);
                    most = most.max(used);
                    let held: Vec<_> = (0..300)
                        .filter_map(|n| tier.get_now(&sample(&format!("key-{n}"), 0).build().object))
                        .collect();
                    for record in held {
                        assert_eq!(Digest::of(&record.body.to_bytes()), record.meta.digest);
                        read += 1;
                    }
                }
                assert!(most > capacity / 2, "the tier was never filled: {most} bytes");
            });
        }
        let writers: Vec<_> = (0..4_u64)
            .map(|writer| {
                let tier = &tier;
                scope.spawn(move || {
                    for n in 0..10_000_u64 {
                        let namespace = if n % 3 == 0 { narrow } else { NAMESPACE };
                        let mix = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(writer as u32 * 7 + 9);
                        let key = format!("key-{}", mix % 300);
                        let body = vec![(mix >> 16) as u8; (mix >> 24) as usize % 5000];
                        let sample = sample(&key, n).seq(n * 4 + writer).namespace(namespace).body(body);
                        tier.insert_now(sample.build()).unwrap();
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    tier.assert_consistent();
    assert!(tier.stats().evicted() > 1000);
}

#[test]
fn a_shard_of_more_records_than_one_lock_removes_is_discarded() {
    let (tier, _) = tier(64 << 20);
    for n in 0..REMOVALS_PER_LOCK + 1 {
        apply(&tier, sample(&format!("k{n}"), 0).shard(5));
    }
    apply(&tier, sample("kept", 0).shard(6));
    Tier::discard(tier.as_ref(), ShardId::new(5).unwrap());
    assert_eq!(tier.assert_consistent(), 1);
    assert_eq!(keys(&tier, NAMESPACE), ["kept"]);
}
