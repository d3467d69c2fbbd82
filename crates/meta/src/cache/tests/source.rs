//! Sources of a watch that a test drives.

use futures_util::{StreamExt, stream};
use headwater_types::KeyId;
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    command::Command,
    store::{
        Applied, MemberChange, Membership, MetaError, MetaStore, Presence, Report, Reported, WatchEvent,
        WatchEvents,
    },
};

/// A way to one store, then to another.
#[derive(Debug)]
pub(crate) struct Switch(Mutex<Arc<dyn MetaStore>>);

impl Switch {
    pub(crate) fn new(store: Arc<dyn MetaStore>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(store)))
    }

    pub(crate) fn to(&self, store: Arc<dyn MetaStore>) {
        *self.0.lock() = store;
    }

    fn store(&self) -> Arc<dyn MetaStore> {
        self.0.lock().clone()
    }
}

#[async_trait::async_trait]
impl MetaStore for Switch {
    async fn propose(&self, command: Command, limit: Duration) -> Result<Applied, MetaError> {
        self.store().propose(command, limit).await
    }
    async fn linearizable_read(&self, limit: Duration) -> Result<u64, MetaError> {
        self.store().linearizable_read(limit).await
    }
    async fn watch(&self, after_version: u64) -> Result<WatchEvents, MetaError> {
        self.store().watch(after_version).await
    }
    async fn membership(&self) -> Result<Membership, MetaError> {
        self.store().membership().await
    }
    async fn change_membership(
        &self,
        change: MemberChange,
        limit: Duration,
    ) -> Result<Membership, MetaError> {
        self.store().change_membership(change, limit).await
    }
    async fn report(&self, report: Report) -> Result<Reported, MetaError> {
        self.store().report(report).await
    }
    async fn presence(&self, keys: &[KeyId]) -> Result<Presence, MetaError> {
        self.store().presence(keys).await
    }
}

/// A source of a named cluster whose watches are given: each one is there at once and then stays open, without a word.
/// With none left it is unavailable.
#[derive(Debug)]
pub(crate) struct Given {
    cluster: String,
    watches: Mutex<VecDeque<Vec<WatchEvent>>>,
    /// After which versions it was watched.
    pub(crate) asked: Mutex<Vec<u64>>,
}

impl Given {
    pub(crate) fn new(cluster: &str, watches: impl Into<VecDeque<Vec<WatchEvent>>>) -> Arc<Self> {
        let (watches, asked) = (Mutex::new(watches.into()), Mutex::default());
        Arc::new(Self { cluster: cluster.to_owned(), watches, asked })
    }
}

fn none<T>() -> Result<T, MetaError> {
    Err(MetaError::Unavailable("not given".to_owned()))
}

#[async_trait::async_trait]
impl MetaStore for Given {
    async fn propose(&self, _: Command, _: Duration) -> Result<Applied, MetaError> {
        none()
    }
    async fn linearizable_read(&self, _: Duration) -> Result<u64, MetaError> {
        none()
    }
    async fn watch(&self, after_version: u64) -> Result<WatchEvents, MetaError> {
        self.asked.lock().push(after_version);
        let Some(events) = self.watches.lock().pop_front() else { return none() };
        Ok(stream::iter(events.into_iter().map(Ok)).chain(stream::pending()).boxed())
    }
    async fn membership(&self) -> Result<Membership, MetaError> {
        let cluster = self.cluster.clone();
        let (leader, quorum_ago, members) = (None, None, Vec::new());
        Ok(Membership { id: 1, leader, term: 1, applied: 0, cluster, quorum_ago, members })
    }
    async fn change_membership(&self, _: MemberChange, _: Duration) -> Result<Membership, MetaError> {
        none()
    }
    async fn report(&self, _: Report) -> Result<Reported, MetaError> {
        none()
    }
    async fn presence(&self, _: &[KeyId]) -> Result<Presence, MetaError> {
        none()
    }
}
