//! What every tier and every decorator of one must do, as a suite that each runs in its tests.

mod listing;
mod sample;
mod shards;
mod versions;

pub use sample::Sample;

use headwater_types::{Clock, ManualClock, ObjectId};
use std::{future::Future, sync::Arc, time::Duration};

use crate::{
    record::Record,
    tier::{Inserted, ListRecords, ListedRecord, Tier, TierError},
};

/// Runs the whole suite; panics where a tier breaks its contract. `make` gives an empty tier that goes by the clock
/// beside it and has room for at least a hundred small records.
pub async fn suite(make: impl Fn() -> (Arc<dyn Tier>, Arc<ManualClock>)) {
    run(&make, versions::the_larger_version_wins).await;
    run(&make, versions::inserts_in_any_order_and_number_end_alike).await;
    run(&make, versions::one_version_with_two_digests_is_a_conflict).await;
    run(&make, versions::tombstones_are_answered_and_not_listed).await;
    run(&make, versions::nothing_is_answered_from_its_expiry_on).await;
    run(&make, versions::an_expired_version_does_not_uncover_an_older_one).await;
    run(&make, versions::remove_takes_what_is_at_or_below_a_version).await;
    run(&make, versions::namespaces_do_not_see_each_other).await;
    run(&make, listing::names_come_in_byte_order).await;
    run(&make, listing::folding_stops_at_the_next_slash).await;
    run(&make, listing::pages_give_each_name_once).await;
    run(&make, shards::a_shard_is_held_until_its_last_trace_is_gone).await;
    run(&make, shards::discarding_takes_one_shard_whole).await;
    run(&make, listing::only_the_asked_shards_are_listed).await;
}

async fn run<F: Future<Output = ()>>(
    make: impl Fn() -> (Arc<dyn Tier>, Arc<ManualClock>),
    case: impl FnOnce(Subject) -> F,
) {
    let (tier, clock) = make();
    case(Subject { tier, clock }).await;
}

/// The tier under test. Its calls panic where the tier fails.
struct Subject {
    tier: Arc<dyn Tier>,
    clock: Arc<ManualClock>,
}

impl Subject {
    /// A sample that is written now.
    fn sample(&self, key: &str, version: u64) -> Sample {
        Sample::new(key, version).at(self.clock.unix_millis())
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn insert(&self, record: &Arc<Record>) -> Result<Inserted, TierError> {
        self.tier.insert(Arc::clone(record)).await
    }

    /// Inserts a record that must be applied; returns what it replaced.
    async fn apply(&self, record: &Arc<Record>) -> Option<Arc<Record>> {
        match self.insert(record).await {
            Ok(Inserted::Applied(replaced)) => replaced,
            other => panic!("{:?} was not applied: {other:?}", record.object),
        }
    }

    async fn assert_stale(&self, record: &Arc<Record>) {
        let outcome = self.insert(record).await;
        assert!(matches!(outcome, Ok(Inserted::Stale)), "{:?} was not stale: {outcome:?}", record.object);
    }

    async fn get(&self, object: &ObjectId) -> Option<Arc<Record>> {
        match self.tier.get(object).await {
            Ok(found) => found,
            Err(error) => panic!("get of {object:?} failed: {error}"),
        }
    }

    async fn assert_holds(&self, record: &Record) {
        match self.get(&record.object).await {
            Some(found) => assert_same(&found, record),
            None => panic!("{:?} is not there", record.object),
        }
    }

    async fn assert_absent(&self, object: &ObjectId) {
        let found = self.get(object).await;
        assert!(found.is_none(), "{object:?} is there: {found:?}");
    }

    async fn list(&self, request: ListRecords<'_>) -> Vec<ListedRecord> {
        match self.tier.list(request).await {
            Ok(names) => names,
            Err(error) => panic!("{request:?} failed: {error}"),
        }
    }

    async fn names(&self, request: ListRecords<'_>) -> Vec<String> {
        self.list(request).await.into_iter().map(|listed| listed.name).collect()
    }

    async fn remove(&self, record: &Record) -> bool {
        match self.tier.remove(&record.object, record.meta.version).await {
            Ok(removed) => removed,
            Err(error) => panic!("remove of {:?} failed: {error}", record.object),
        }
    }
}

/// Everything of the default namespace in one page.
fn everything() -> ListRecords<'static> {
    let namespace = Sample::NAMESPACE;
    ListRecords { namespace, shards: &|_| true, prefix: "", fold: false, after: None, limit: usize::MAX }
}

/// A tier may answer another `Arc`, chunked in another way, but not another record.
fn assert_same(found: &Record, want: &Record) {
    assert_eq!(found.object, want.object);
    assert_eq!(found.shard, want.shard, "shard of {:?}", want.object);
    assert_eq!(found.meta, want.meta, "meta of {:?}", want.object);
    assert_eq!(found.tombstone, want.tombstone, "tombstone of {:?}", want.object);
    assert_eq!(found.request_ids, want.request_ids, "request ids of {:?}", want.object);
    assert_eq!(found.body.to_bytes(), want.body.to_bytes(), "body of {:?}", want.object);
}
