//! What the head of a shard asks of its other members, as domain types and one trait.

use bytes::Bytes;
use futures_core::stream::BoxStream;
use headwater_types::{
    Attributes, Digest, Epoch, MediaClass, Member, ObjectId, RequestId, ShardId, Ttl, UnixMillis, Version,
};
use std::{fmt, time::Duration};

use crate::{error::StorageError, storage::Began};

/// The replication service. Implemented by a node (direct calls) and by [`crate::grpc::ReplicationClient`].
///
/// # To ensure correctness
/// - A member rejects a call of a lower epoch than it has installed (`WrongEpoch`) and acknowledges only what it
///   holds: after `Ok`, the version is in its store or a newer one is.
/// - What it acknowledges and has no room for it holds as an eviction does: absent, with nothing older in its place.
/// - Nothing of a stream that closes without [`Replicate::Commit`] stays.
/// - Repeating a call is harmless: versions order it.
#[async_trait::async_trait]
pub trait Replication: Send + Sync + fmt::Debug + 'static {
    /// Hands one version over: its body as it arrives, then the commit. Returns once the member holds it.
    async fn replicate(
        &self,
        begin: ReplicateBegin,
        pieces: ReplicationPieces,
    ) -> Result<Version, StorageError>;
    /// Asks who is there; returns the peer and its map version.
    async fn beacon(&self, from: Member, map_version: u64) -> Result<(Member, u64), StorageError>;
    /// Asks a member that is about to leave to answer no more reads, and no listing, of these shards until it has
    /// installed a later configuration. Returns those for which it does so: it is at exactly that epoch, and every
    /// answer that it gave is older than this one.
    async fn stop_reads(&self, request: StopReads) -> Result<Vec<ShardId>, StorageError>;
}

/// Who stops reading what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReads {
    /// The head that asks.
    pub from: Member,
    /// Who is meant: another incarnation at the same address must refuse.
    pub to: Member,
    /// Of which shards, in which epochs.
    pub shards: Vec<(ShardId, Epoch)>,
}

/// The pieces of a replicated write. Closing without [`Replicate::Commit`] means that it was given up.
pub type ReplicationPieces = BoxStream<'static, Replicate>;

/// How a replicated write begins.
#[derive(Debug, Clone)]
pub struct ReplicateBegin {
    /// The key's shard.
    pub shard: ShardId,
    /// The head's epoch.
    pub epoch: Epoch,
    /// The head.
    pub from: Member,
    /// Who is meant: another incarnation at the same address must refuse.
    pub to: Member,
    /// What is written.
    pub object: ObjectId,
    /// The write's request id.
    pub request_id: RequestId,
    /// The object's class.
    pub class: MediaClass,
    /// What the encoder says of it.
    pub attributes: Attributes,
    /// How long it will live: for readers that follow; the commit has the time.
    pub ttl: Ttl,
    /// Readers may follow the body while it arrives.
    pub followable: bool,
    /// Time left for the acknowledgement once the commit is sent.
    pub remaining: Duration,
    /// The size where it is known.
    pub size: Option<u64>,
    /// The head has given it its version. Until then a member refuses what it cannot hold (`Overloaded`), and the head
    /// refuses the write in turn; from then on the member takes it, at worst as evicted at once.
    pub staged: bool,
    /// When the request of the PUT began: of several uploads of a key the one begun last is followed.
    pub began: Option<Began>,
}

/// A piece of a replicated write.
#[derive(Debug, Clone)]
pub enum Replicate {
    /// Bytes, as they arrive.
    Chunk(Bytes),
    /// The version is staged at the head: hold it.
    Commit(ReplicateCommit),
}

/// What makes a replicated write count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicateCommit {
    /// The version that the head gave.
    pub version: Version,
    /// It is a delete.
    pub tombstone: bool,
    /// Digest of the body.
    pub digest: Digest,
    /// Bytes of the body.
    pub size: u64,
    /// When the head stored it.
    pub stored_at: UnixMillis,
    /// From when on it is absent.
    pub expires_at: UnixMillis,
    /// Request ids that led to this key's last versions, newest first, at most `REQUEST_IDS_PER_RECORD`.
    pub request_ids: Vec<RequestId>,
    /// Every version of this epoch up to this seq is on all members: a repeated call at or below it is acknowledged
    /// and not applied, so that a late duplicate of a deleted version does not come back.
    pub clean_seq: u64,
}
