//! A role's own copy of the metadata, kept up to date by a watch.

mod follow;
#[cfg(test)]
mod tests;

use arc_swap::ArcSwap;
use headwater_types::{ApiKey, Clock, NamespaceId, NodeId, Rng, ShardId, UnixMillis};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    records::{KeyRecord, NamespaceRecord, NodeRecord, ShardEntry},
    secret,
    state::State,
    store::{MetaStore, WatchEvent},
};

/// A watched copy of the metadata. Reads never wait for the metadata group, nor for a change that is being applied:
/// they look into the last complete copy.
#[derive(Debug)]
pub struct MetaCache {
    state: ArcSwap<State>,
    /// Held while an event is applied.
    applying: Mutex<()>,
    version: watch::Sender<u64>,
    /// Monotonic time of the last event, in microseconds plus one; 0: there was none.
    heard: AtomicU64,
}

impl MetaCache {
    /// An empty copy, at version 0.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: ArcSwap::default(),
            applying: Mutex::new(()),
            version: watch::Sender::new(0),
            heard: AtomicU64::new(0),
        })
    }

    /// A copy that follows `source` until the task is aborted. It reconnects for ever, with growing pauses, and keeps
    /// what it has meanwhile.
    pub fn follow(
        source: Arc<dyn MetaStore>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> (Arc<Self>, JoinHandle<()>) {
        let cache = Self::new();
        let task = tokio::spawn(follow::run(cache.clone(), source, clock, rng));
        (cache, task)
    }

    /// Applies an event of a watch; answers whether the copy is in step with it. Where it is not, entries are missing
    /// in between: watch again from [`Self::version`].
    ///
    /// The version never goes back: what is older than the copy is ignored.
    pub fn apply(&self, event: WatchEvent) -> bool {
        let _applying = self.applying.lock();
        let have = self.version();
        let state = match event {
            WatchEvent::Snapshot(state) if state.version > have => *state,
            WatchEvent::Entry { version, command } if version == have + 1 => {
                let mut state = State::clone(&self.state.load());
                state.apply(version, &command);
                state
            }
            WatchEvent::Entry { version, .. } | WatchEvent::Idle { version } => return version <= have,
            WatchEvent::Snapshot(_) => return true,
        };
        let version = state.version;
        self.state.store(Arc::new(state));
        self.version.send_replace(version);
        true
    }

    /// The version of the copy; 0 before the first event.
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// The whole copy as it is now.
    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// A namespace by its name.
    pub fn namespace(&self, name: &str) -> Option<Arc<NamespaceRecord>> {
        self.state.load().namespace(name).cloned()
    }

    /// A namespace by its id.
    pub fn namespace_by_id(&self, id: NamespaceId) -> Option<Arc<NamespaceRecord>> {
        self.state.load().namespaces.get(&id).cloned()
    }

    /// The record of a presented key, if its secret is right (constant-time) and it has not expired at `now`.
    pub fn verify(&self, key: &ApiKey, now: UnixMillis) -> Option<Arc<KeyRecord>> {
        let record = self.state.load().keys.get(&key.id).cloned()?;
        let expired = record.expires_at.is_some_and(|at| at <= now);
        (secret::matches(key, &record.secret_sha256) && !expired).then_some(record)
    }

    /// A shard's configuration.
    pub fn shard(&self, shard: ShardId) -> Option<Arc<ShardEntry>> {
        self.state.load().shards.get(&shard).cloned()
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> Option<NodeRecord> {
        self.state.load().nodes.get(&id).cloned()
    }

    /// All nodes.
    pub fn nodes(&self) -> Vec<NodeRecord> {
        self.state.load().nodes.values().cloned().collect()
    }

    /// Follows the version: changes when the copy does.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Waits until the copy is at least at `version`, without a limit of its own.
    pub async fn wait_for(&self, version: u64) {
        // An error would mean that the sender is gone, which `self` holds.
        let _ = self.subscribe().wait_for(|have| *have >= version).await;
    }

    /// When the source was last heard, idle events included, by the monotonic clock that [`Self::follow`] was given;
    /// `None` before the first time. What has not been heard for seconds may be stale.
    pub fn last_heard(&self) -> Option<Duration> {
        self.heard.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_micros)
    }

    fn hear(&self, now: Duration) {
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX - 1);
        self.heard.store(micros.saturating_add(1), Ordering::Relaxed);
    }
}
