//! The trait of a tier: where one node keeps records.

use headwater_types::{NamespaceId, ObjectId, ShardId, UnixMillis};
use std::{fmt, sync::Arc};

use crate::record::Record;

/// A place for records of one node.
///
/// # To ensure correctness
/// - `insert` applies a record only if its version is larger than the one that is there (tombstones included), so
///   repeating and reordering inserts is harmless; equal versions with another digest are a [`TierError::Conflict`].
/// - A bounded tier reserves bytes before it inserts: its bound is never passed, not even for a moment.
/// - After `expires_at` by the tier's clock a record is not answered, though nobody removed it.
/// - `get` answers tombstones too: that a key was deleted is not the same as that it was never there.
#[async_trait::async_trait]
pub trait Tier: Send + Sync + fmt::Debug + 'static {
    /// Keeps a record, or finds a newer one in its place.
    async fn insert(&self, record: Arc<Record>) -> Result<Inserted, TierError>;
    /// The newest record of an object, a tombstone included; `None` if it is not here or has expired.
    async fn get(&self, object: &ObjectId) -> Result<Option<Arc<Record>>, TierError>;
    /// As [`Tier::get`], where the answer is at hand without waiting; `None` where it is not. That saves a future for each
    /// read of what is in memory.
    fn get_at_once(&self, object: &ObjectId) -> Option<Option<Arc<Record>>> {
        let _ = object;
        None
    }
    /// Live records (no tombstones) of a namespace in byte order of keys: those of `shards` whose key begins with
    /// `prefix` and is greater than `after`, at most `limit`. With `fold`, keys that go on with a `/` behind the prefix
    /// are folded into one name.
    async fn list(&self, request: ListRecords<'_>) -> Result<Vec<ListedRecord>, TierError>;
    /// Whether a record of this cost could be kept at all, if everything else made room. One that does not fit must be
    /// refused before it is staged, as long as there is no other tier for it.
    fn fits(&self, namespace: NamespaceId, cost: u64) -> bool;
    /// Sets what a namespace may take here, in bytes; `None`: whatever the tier has.
    fn set_namespace_share(&self, namespace: NamespaceId, share_bytes: Option<u64>);
    /// What each namespace has here that has anything, or a share.
    fn namespaces(&self) -> Vec<(NamespaceId, NamespaceStats)>;
    /// Whether anything of a shard is here: records, tombstones, and what has expired and is not removed yet.
    fn holds(&self, shard: ShardId) -> bool;
    /// Until when another node may still show an object of a shard that is not here any more: the latest expiry of what
    /// had to go from here before its time, or found no room. 0 if nothing ever did.
    fn lost_until(&self, shard: ShardId) -> UnixMillis;
    /// Removes everything of a shard, at whatever version. When this returns, [`Tier::holds`] is false unless something
    /// was inserted meanwhile.
    fn discard(&self, shard: ShardId);
    /// Bytes in use.
    fn used_bytes(&self) -> u64;
    /// Bytes that the tier may take.
    fn capacity_bytes(&self) -> u64;
    /// Removes an object's record if it is still at or below `version`, and every trace of it.
    async fn remove(&self, object: &ObjectId, version: headwater_types::Version) -> Result<bool, TierError>;
}

/// Counts of one namespace in a tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NamespaceStats {
    /// Bytes of everything that is held, tombstones and overhead included.
    pub used_bytes: u64,
    /// The most that they may be, if it has a share.
    pub share_bytes: Option<u64>,
    /// Records and tombstones that are held.
    pub entries: u64,
    /// Records without tombstones.
    pub objects: u64,
    /// Bytes of their bodies.
    pub object_bytes: u64,
    /// What was ever written, as `used_bytes` counts it; begins anew for a namespace that had nothing here, not even a
    /// share.
    pub written_bytes: u64,
}

/// What to list.
#[derive(Clone, Copy)]
pub struct ListRecords<'a> {
    /// Of which namespace.
    pub namespace: NamespaceId,
    /// Of which shards.
    pub shards: &'a (dyn Fn(ShardId) -> bool + Sync),
    /// Keys that begin so.
    pub prefix: &'a str,
    /// Fold at the next `/`.
    pub fold: bool,
    /// Only names after this one; a folded name (ending in `/`) skips everything below it.
    pub after: Option<&'a str>,
    /// At most so many names.
    pub limit: usize,
}

impl fmt::Debug for ListRecords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListRecords")
            .field("namespace", &self.namespace)
            .field("prefix", &self.prefix)
            .field("fold", &self.fold)
            .field("after", &self.after)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// One name of a listing.
#[derive(Debug, Clone)]
pub struct ListedRecord {
    /// A key, or a folded prefix with its closing `/`.
    pub name: String,
    /// `None` for a folded prefix.
    pub record: Option<Arc<Record>>,
}

/// What became of an insert.
#[derive(Debug, Clone)]
pub enum Inserted {
    /// It is the newest now; what it replaced, a tombstone included.
    Applied(Option<Arc<Record>>),
    /// A newer or the same version is there already.
    Stale,
    /// The tier has no room for it even without everything that it may evict; nothing changed. An older version, if
    /// there is one, is still here and still answered: who goes on must remove it.
    DoesNotFit,
}

/// Why a tier failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TierError {
    /// Two records of one version differ: an assertion of the protocol failed.
    #[error("two records of {object:?} have version {version} and different digests")]
    Conflict {
        /// Of which object.
        object: Box<ObjectId>,
        /// Which version.
        version: headwater_types::Version,
    },
    /// Reading or writing failed.
    #[error("storage failed: {0}")]
    Io(String),
}
