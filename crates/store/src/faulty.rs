//! A tier that fails when it is told to: how what is built on tiers is tested against broken storage.

use headwater_types::{NamespaceId, ObjectId, ShardId, UnixMillis, Version};
use std::{fmt, sync::Arc};

use crate::{
    record::Record,
    tier::{Inserted, ListRecords, ListedRecord, NamespaceStats, Tier, TierError},
};

/// A call of a tier, for a rule to decide on.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    /// [`Tier::insert`].
    Insert(&'a Record),
    /// [`Tier::get`].
    Get(&'a ObjectId),
    /// [`Tier::list`].
    List(&'a ListRecords<'a>),
    /// [`Tier::remove`].
    Remove(&'a ObjectId, Version),
}

/// Passes calls on to a tier, but those that its rule picks fail with [`TierError::Io`] and never reach it.
pub struct Faulty<T: ?Sized> {
    inner: Arc<T>,
    fails: Box<Rule>,
}

type Rule = dyn Fn(Call<'_>) -> bool + Send + Sync;

impl<T: Tier + ?Sized> Faulty<T> {
    /// Decorates a tier; calls for which `fails` is true fail.
    pub fn new(inner: Arc<T>, fails: impl Fn(Call<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self { inner, fails: Box::new(fails) }
    }

    fn check(&self, call: Call<'_>) -> Result<(), TierError> {
        if (self.fails)(call) { Err(TierError::Io("injected fault".into())) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl<T: Tier + ?Sized> Tier for Faulty<T> {
    async fn insert(&self, record: Arc<Record>) -> Result<Inserted, TierError> {
        self.check(Call::Insert(&record))?;
        self.inner.insert(record).await
    }

    async fn get(&self, object: &ObjectId) -> Result<Option<Arc<Record>>, TierError> {
        self.check(Call::Get(object))?;
        self.inner.get(object).await
    }

    async fn list(&self, request: ListRecords<'_>) -> Result<Vec<ListedRecord>, TierError> {
        self.check(Call::List(&request))?;
        self.inner.list(request).await
    }

    fn fits(&self, namespace: NamespaceId, cost: u64) -> bool {
        self.inner.fits(namespace, cost)
    }

    fn set_namespace_share(&self, namespace: NamespaceId, share_bytes: Option<u64>) {
        self.inner.set_namespace_share(namespace, share_bytes);
    }

    fn namespaces(&self) -> Vec<(NamespaceId, NamespaceStats)> {
        self.inner.namespaces()
    }

    fn holds(&self, shard: ShardId) -> bool {
        self.inner.holds(shard)
    }

    fn lost_until(&self, shard: ShardId) -> UnixMillis {
        self.inner.lost_until(shard)
    }

    fn discard(&self, shard: ShardId) {
        self.inner.discard(shard);
    }

    fn used_bytes(&self) -> u64 {
        self.inner.used_bytes()
    }

    fn capacity_bytes(&self) -> u64 {
        self.inner.capacity_bytes()
    }

    async fn remove(&self, object: &ObjectId, version: Version) -> Result<bool, TierError> {
        self.check(Call::Remove(object, version))?;
        self.inner.remove(object, version).await
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        HotConfig, HotTier,
        conformance::{self, Sample},
    };
    use headwater_types::ManualClock;

    fn hot() -> (Arc<HotTier>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(UnixMillis(1_700_000_000_000)));
        (Arc::new(HotTier::new(HotConfig::with_capacity(1 << 20), clock.clone())), clock)
    }

    #[tokio::test]
    async fn without_faults_it_is_the_tier() {
        conformance::suite(|| {
            let (tier, clock) = hot();
            (Arc::new(Faulty::new(tier, |_| false)), clock)
        })
        .await;
    }

    #[tokio::test]
    async fn what_fails_has_no_effect() {
        let (tier, _) = hot();
        let record = Sample::new("a", 1).at(UnixMillis(1_700_000_000_000)).build();
        let object = record.object.clone();
        let io = TierError::Io("injected fault".into());

        let no_insert = Faulty::new(tier.clone(), |call| matches!(call, Call::Insert(_)));
        assert_eq!(no_insert.insert(record.clone()).await.unwrap_err(), io);
        assert!(no_insert.get(&object).await.unwrap().is_none());

        tier.insert_now(record.clone()).unwrap();
        let only_insert = Faulty::new(tier.clone(), |call| !matches!(call, Call::Insert(_)));
        assert_eq!(only_insert.get(&object).await.unwrap_err(), io);
        assert_eq!(only_insert.remove(&object, record.meta.version).await.unwrap_err(), io);
        let everything = ListRecords {
            namespace: object.namespace,
            shards: &|_| true,
            prefix: "",
            fold: false,
            after: None,
            limit: 10,
        };
        assert_eq!(only_insert.list(everything).await.unwrap_err(), io);
        assert!(tier.get_now(&object).is_some());
    }
}
