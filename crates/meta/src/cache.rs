//! A role's own copy of the metadata, kept up to date by a watch and, where a role asks for it, on disk.

mod disk;
mod follow;
#[cfg(test)]
pub(crate) mod tests;

use arc_swap::ArcSwap;
use headwater_types::{
    ApiKey, Clock, KeyId, NamespaceId, NodeId, Rng, ShardId, UnixMillis, signing::SigningKeyId,
};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    records::{KeyRecord, NamespaceRecord, NodeRecord, ShardEntry, SigningKeyRecord},
    sealed::Sealed,
    secret,
    state::State,
    store::{MetaError, MetaStore, WatchEvent},
};

pub use disk::{CopyError, CopyFile};

/// Keys whose hashes make up [`MetaCache::shared_secret`].
const SECRET_SOURCES: usize = 16;

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
    /// The name of the cluster that the copy is of; empty where it is not known.
    cluster: Mutex<String>,
}

impl MetaCache {
    /// An empty copy, at version 0.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: ArcSwap::default(),
            applying: Mutex::new(()),
            version: watch::Sender::new(0),
            heard: AtomicU64::new(0),
            cluster: Mutex::default(),
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

    /// As [`Self::follow`], beginning from what `file` has and saving there what is new: at most once a second, off the
    /// runtime's threads. A file that is damaged or from a newer build is left out with a warning.
    ///
    /// The copy of another cluster (a directory that was moved, a cluster that was made anew) is dropped once the source
    /// has named its own, unless the source's version is higher: then it is followed, as after a restore.
    pub async fn follow_saved(
        source: Arc<dyn MetaStore>,
        file: CopyFile,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> (Arc<Self>, JoinHandle<()>) {
        let cache = Self::new();
        let loaded = file.begin().await;
        let saved = loaded.as_ref().map_or(0, |loaded| loaded.state.version);
        if let Some(loaded) = loaded {
            tracing::info!(version = saved, "starting from the saved copy of the metadata");
            cache.load(loaded);
        }
        let saving = disk::keep(cache.clone(), file, clock.clone(), saved);
        let following = follow::run(cache.clone(), source, clock, rng);
        let task = tokio::spawn(async {
            tokio::join!(following, saving);
        });
        (cache, task)
    }

    /// Applies an event of a watch; answers whether the copy is in step with it. Where it is not, entries are missing
    /// in between: watch again from [`Self::version`].
    ///
    /// The version never goes back: what is older than the copy is ignored.
    pub fn apply(&self, event: WatchEvent) -> bool {
        self.apply_all([event])
    }

    /// Applies events that came together, as [`Self::apply`] does each; readers see the last of them.
    pub fn apply_all(&self, events: impl IntoIterator<Item = WatchEvent>) -> bool {
        let _applying = self.applying.lock();
        let (mut version, mut changed, mut in_step) = (self.version(), None, true);
        for event in events {
            match event {
                WatchEvent::Snapshot(state) if state.version > version => {
                    version = state.version;
                    changed = Some(*state);
                }
                WatchEvent::Snapshot(_) => {}
                WatchEvent::Entry { version: at, command } if at == version + 1 => {
                    let state = changed.get_or_insert_with(|| State::clone(&self.state.load()));
                    state.apply(at, &command);
                    version = at;
                }
                WatchEvent::Entry { version: at, .. } | WatchEvent::Idle { version: at } => {
                    if at > version {
                        in_step = false;
                        break;
                    }
                }
            }
        }
        if let Some(state) = changed {
            self.publish(state);
        }
        in_step
    }

    fn publish(&self, state: State) {
        let version = state.version;
        self.state.store(Arc::new(state));
        self.version.send_replace(version);
    }

    /// Begins from a saved copy. Only what is newer than the copy in memory is taken.
    fn load(&self, saved: Sealed) {
        let _applying = self.applying.lock();
        if saved.state.version > self.version() {
            *self.cluster.lock() = saved.cluster;
            self.publish(saved.state);
        }
    }

    /// The name of the cluster that the copy is of; empty where it is not known.
    pub fn cluster(&self) -> String {
        self.cluster.lock().clone()
    }

    fn belongs_to(&self, cluster: String) {
        *self.cluster.lock() = cluster;
    }

    /// Takes the state of a source that names another cluster than the copy's; answers whether it did. A higher version
    /// is taken, and any version in place of a copy that was only read from disk: no one has been answered from a state
    /// of this source that could go back.
    fn move_to(&self, cluster: &str, state: State) -> bool {
        let _applying = self.applying.lock();
        if state.version <= self.version() && self.last_heard().is_some() {
            return false;
        }
        self.belongs_to(cluster.to_owned());
        self.publish(state);
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
        self.key(&key.id, now).filter(|record| secret::matches(key, &record.secret_sha256))
    }

    /// The record of a key that has not expired at `now`. Says nothing of who presents it: see [`Self::verify`].
    pub fn key(&self, id: &KeyId, now: UnixMillis) -> Option<Arc<KeyRecord>> {
        let record = self.state.load().keys.get(id).cloned()?;
        record.expires_at.is_none_or(|at| at > now).then_some(record)
    }

    /// A signing key that lives.
    pub fn signing_key(&self, id: &SigningKeyId) -> Option<Arc<SigningKeyRecord>> {
        self.state.load().signing_keys.get(id).cloned()
    }

    /// A secret that every copy has, for seals that one role makes and another one checks, a different one for each
    /// `purpose`: a hash over the secrets' hashes of the first keys of the cluster (by id), which are known to nobody
    /// outside of the metadata. To compute it takes all of those keys' secrets. It changes when one of them is revoked
    /// or another one comes to stand before them, so what it seals must be short-lived and replaceable; while there is
    /// no key at all it is no secret.
    pub fn shared_secret(&self, purpose: &str) -> [u8; 32] {
        let state = self.state.load();
        let mut hasher = Sha256::new();
        hasher.update(format!("headwater {purpose}\n"));
        for record in state.keys.values().take(SECRET_SOURCES) {
            hasher.update(record.secret_sha256.as_bytes());
        }
        hasher.finalize().into()
    }

    /// The state as of now: what it shows was confirmed by a quorum after the call began.
    pub async fn linearizable(
        &self,
        store: &dyn MetaStore,
        limit: Duration,
    ) -> Result<Arc<State>, MetaError> {
        let read = async {
            let version = store.linearizable_read(limit).await?;
            self.wait_for(version).await;
            Ok(self.state())
        };
        let late = || MetaError::Unavailable(format!("the state of now was not there within {limit:?}"));
        tokio::time::timeout(limit, read).await.unwrap_or_else(|_| Err(late()))
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

    /// Whether the source has not been heard for longer than `max` at `now`, by the same clock. A copy that was read
    /// from disk and has not heard its source counts as stale: how old it is cannot be told.
    pub fn is_stale(&self, now: Duration, max: Duration) -> bool {
        self.last_heard().is_none_or(|heard| now.saturating_sub(heard) > max)
    }

    fn hear(&self, now: Duration) {
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX - 1);
        self.heard.store(micros.saturating_add(1), Ordering::Relaxed);
    }
}
