//! What frontends ask of storage nodes, as domain types and one trait.

use bytes::Bytes;
use futures_core::stream::BoxStream;
use headwater_types::{
    Attributes, ByteRange, Chunks, Digest, Epoch, MediaClass, NamespaceId, ObjectId, ObjectMeta, RequestId,
    ShardId, Ttl, Version,
};
use std::{fmt, ops::Range, sync::Arc, time::Duration};

use crate::error::StorageError;

/// The storage service. Implemented by a node (direct calls) and by [`crate::grpc::StorageClient`] (calls over gRPC).
///
/// # To ensure correctness
/// - `put` and `delete` return `Ok` only when every in-sync and syncing member of the shard holds the version.
/// - An error whose [`StorageError::is_unknown`] is false promises that nothing was stored.
/// - `NotFound` is said only by a member that may say it; any other member says `NotServing`.
/// - After an `Ok`, and after any read that showed a version, no later read through any member shows an older one.
/// - Dropping a call's future abandons the call: a body that has not ended leaves nothing behind.
#[async_trait::async_trait]
pub trait Storage: Send + Sync + fmt::Debug + 'static {
    /// Stores an object. The body must close with [`BodyPiece::End`], else it counts as cut.
    async fn put(&self, request: PutRequest, body: BodyPieces) -> Result<PutReply, StorageError>;
    /// Reads an object, a range of it, or one that is still arriving.
    async fn get(&self, request: GetRequest) -> Result<GetReply, StorageError>;
    /// Reads what is known of an object.
    async fn head(&self, request: HeadRequest) -> Result<HeadReply, StorageError>;
    /// Deletes an object; deleting what is not there is no error.
    async fn delete(&self, request: DeleteRequest) -> Result<DeleteReply, StorageError>;
    /// Lists objects of the given shards in byte order of their keys.
    async fn list(&self, request: ListRequest) -> Result<ListReply, StorageError>;
}

/// A PUT without its body.
#[derive(Debug, Clone)]
pub struct PutRequest {
    /// The key's shard.
    pub shard: ShardId,
    /// The epoch that the frontend's map has for it.
    pub epoch: Epoch,
    /// What is written.
    pub object: ObjectId,
    /// The same for every attempt at the same write.
    pub request_id: RequestId,
    /// The object's class.
    pub class: MediaClass,
    /// What the encoder says of it.
    pub attributes: Attributes,
    /// How long it lives; the head turns this into a time by its clock.
    pub ttl: Ttl,
    /// What must hold for the newest version.
    pub preconditions: Preconditions,
    /// Readers may follow the body while it arrives.
    pub followable: bool,
    /// The size where the encoder said it.
    pub size: Option<u64>,
    /// The largest size that the namespace allows.
    pub size_max: u64,
    /// Time left once the body is complete: the write deadline. A body takes as long as its encoder takes.
    pub remaining: Duration,
    /// When its request began. Of overlapping PUTs of one key the one that began last stays. `None`: the order of arrival
    /// at the head stands for it.
    pub began: Option<Began>,
}

/// When the request of a PUT began, among the requests of one frontend. The same for every attempt at the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Began {
    /// A random number of the frontend's process: orders of two frontends cannot be compared.
    pub frontend: u64,
    /// Larger for later requests.
    pub order: u64,
}

/// Conditions on the newest version, staged ones included (RFC 9110 section 13).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// `If-None-Match: *`: there must be none.
    pub if_absent: bool,
    /// `If-Match: *`: there must be one.
    pub if_present: bool,
    /// `If-Match` with entity tags: it must be one of these. Empty: no condition.
    pub if_match: Vec<Digest>,
}

impl Preconditions {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether they hold where `current` is the digest of the newest version, if there is one.
    pub fn hold(&self, current: Option<Digest>) -> bool {
        match current {
            None => !self.if_present && self.if_match.is_empty(),
            Some(digest) => !self.if_absent && (self.if_match.is_empty() || self.if_match.contains(&digest)),
        }
    }
}

/// A piece of a body on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyPiece {
    /// Bytes.
    Chunk(Bytes),
    /// The last piece of a whole body.
    End(BodyEnd),
}

/// What a whole body was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyEnd {
    /// The digest of all bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

/// A body on its way in. Closing without [`BodyPiece::End`] means cut.
pub type BodyPieces = BoxStream<'static, BodyPiece>;

/// A PUT that is on every member.
#[derive(Debug, Clone)]
pub struct PutReply {
    /// What is stored now.
    pub meta: Arc<ObjectMeta>,
    /// There was no version before.
    pub created: bool,
}

/// What a reader wants of an object that is still arriving and has no committed version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Follow {
    /// It is absent.
    #[default]
    No,
    /// Stream it as it arrives.
    Body,
    /// As [`Follow::Body`]; of a GET with a bounded range and without `if_range`, stream that range of it.
    Range,
    /// Wait until it is committed, at most for the request's remaining time.
    Wait,
}

/// A GET.
#[derive(Debug, Clone)]
pub struct GetRequest {
    /// The key's shard.
    pub shard: ShardId,
    /// The epoch that the frontend's map has for it.
    pub epoch: Epoch,
    /// What is read.
    pub object: ObjectId,
    /// For logs and traces.
    pub request_id: RequestId,
    /// A part only.
    pub range: Option<ByteRange>,
    /// The range applies only to this digest; otherwise the whole object is answered.
    pub if_range: Option<Digest>,
    /// Digests that the reader has.
    pub if_none_match: Vec<Digest>,
    /// About objects that are still arriving.
    pub follow: Follow,
    /// Time left for the answer to begin.
    pub remaining: Duration,
}

impl GetRequest {
    /// The bytes to stream of an object that is still arriving, if it is not the whole.
    pub fn arriving_range(&self) -> Option<Range<u64>> {
        match self.range {
            Some(ByteRange::FromTo(first, last))
                if self.follow == Follow::Range && self.if_range.is_none() && first <= last =>
            {
                Some(first..last.saturating_add(1))
            }
            _ => None,
        }
    }
}

/// A GET's answer.
#[derive(Debug)]
pub enum GetReply {
    /// The object or the range of it.
    Found {
        /// What it is.
        meta: Arc<ObjectMeta>,
        /// The resolved range where one was asked for and applies.
        range: Option<Range<u64>>,
        /// The bytes of the range, or of the whole.
        body: ObjectBody,
    },
    /// It is still arriving. The whole body ends cleanly only once it is committed.
    Arriving {
        /// What is known of it.
        arriving: Arriving,
        /// The range that is streamed, as it was asked for ([`Follow::Range`]). It begins once its first byte has arrived.
        /// It ends behind its last byte, whatever becomes of the upload, or early where the committed object does: with
        /// no byte at all if the range lies outside of that.
        range: Option<Range<u64>>,
        /// The bytes of the range, or all of them.
        body: ObjectBody,
    },
    /// The reader has it.
    NotModified(Arc<ObjectMeta>),
    /// The range lies outside of the object.
    RangeNotSatisfiable(Arc<ObjectMeta>),
}

/// An object whose first version is still being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arriving {
    /// What the encoder says of it.
    pub attributes: Attributes,
    /// Its class.
    pub class: MediaClass,
    /// How long it will live.
    pub ttl: Ttl,
}

/// A body on its way out.
pub enum ObjectBody {
    /// All in memory.
    Memory(Chunks),
    /// Arriving from another process, from disk or from an encoder. An error cuts it.
    Stream(BoxStream<'static, Result<Bytes, StorageError>>),
}

impl fmt::Debug for ObjectBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(chunks) => write!(f, "Memory({} bytes)", chunks.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A HEAD.
#[derive(Debug, Clone)]
pub struct HeadRequest {
    /// The key's shard.
    pub shard: ShardId,
    /// The epoch that the frontend's map has for it.
    pub epoch: Epoch,
    /// What is asked about.
    pub object: ObjectId,
    /// For logs and traces.
    pub request_id: RequestId,
    /// About objects that are still arriving; [`Follow::Range`] is the same as [`Follow::Body`].
    pub follow: Follow,
    /// Time left.
    pub remaining: Duration,
}

/// A HEAD's answer.
#[derive(Debug, Clone)]
pub enum HeadReply {
    /// It is stored.
    Found(Arc<ObjectMeta>),
    /// It is still arriving.
    Arriving(Arriving),
}

/// A DELETE.
#[derive(Debug, Clone)]
pub struct DeleteRequest {
    /// The key's shard.
    pub shard: ShardId,
    /// The epoch that the frontend's map has for it.
    pub epoch: Epoch,
    /// What is deleted.
    pub object: ObjectId,
    /// The same for every attempt at the same delete.
    pub request_id: RequestId,
    /// Time left.
    pub remaining: Duration,
}

/// A DELETE that is on every member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteReply {
    /// The version of the delete.
    pub version: Version,
    /// There was something to delete.
    pub existed: bool,
}

/// A page of a listing, asked of one node for some of its shards.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// Of which namespace.
    pub namespace: NamespaceId,
    /// Of which shards, each with the epoch that the frontend's map has for it.
    pub shards: Vec<(ShardId, Epoch)>,
    /// Keys that begin so.
    pub prefix: String,
    /// Keys that go on with a `/` behind the prefix are folded into one entry.
    pub fold: bool,
    /// Only names after this one.
    pub after: Option<String>,
    /// At most so many entries.
    pub limit: usize,
    /// For logs and traces.
    pub request_id: RequestId,
    /// Time left.
    pub remaining: Duration,
}

/// A page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListReply {
    /// In byte order of names.
    pub entries: Vec<ListEntry>,
    /// There may be more after the last one.
    pub more: bool,
}

/// One name of a listing.
#[derive(Debug, Clone)]
pub struct ListEntry {
    /// A key, or a common prefix with its closing `/`.
    pub name: String,
    /// `None` for a common prefix.
    pub meta: Option<Arc<ObjectMeta>>,
}
