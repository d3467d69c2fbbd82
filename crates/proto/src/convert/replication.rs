//! What the head asks of its other members.

use headwater_types::{
    Epoch, ShardId, Ttl, UnixMillis,
    limits::{REQUEST_IDS_PER_RECORD, SHARD_COUNT},
};

use super::{at_most, digest, object, remaining, request_id, required, shard, to_bytes, to_millis, wrong};
use crate::{
    error::ConvertError,
    replication::{Replicate, ReplicateBegin, ReplicateCommit, StopReads},
    v1,
    v1::replicate_message::Message,
};

impl TryFrom<v1::ReplicateBegin> for ReplicateBegin {
    type Error = ConvertError;
    fn try_from(wire: v1::ReplicateBegin) -> Result<Self, ConvertError> {
        Ok(Self {
            shard: shard("begin.shard", wire.shard)?,
            epoch: Epoch(wire.epoch),
            from: required("begin.from", wire.from)?.into(),
            to: required("begin.to", wire.to)?.into(),
            object: required("begin.object", wire.object)?.try_into()?,
            request_id: request_id("begin.request_id", &wire.request_id)?,
            class: object::class("begin.media_class", wire.media_class)?,
            attributes: wire.attributes.unwrap_or_default().try_into()?,
            ttl: Ttl::from_secs(wire.ttl_seconds).map_err(|e| wrong("begin.ttl_seconds", e))?,
            followable: wire.followable,
            remaining: remaining(wire.remaining_ms),
            size: wire.size,
            staged: wire.staged,
            began: wire.began.map(Into::into),
        })
    }
}

impl From<ReplicateBegin> for v1::ReplicateBegin {
    fn from(begin: ReplicateBegin) -> Self {
        Self {
            shard: begin.shard.get().into(),
            epoch: begin.epoch.0,
            from: Some(begin.from.into()),
            to: Some(begin.to.into()),
            object: Some(begin.object.into()),
            request_id: to_bytes(begin.request_id.0),
            media_class: object::class_to_wire(begin.class),
            attributes: Some(begin.attributes.into()),
            ttl_seconds: begin.ttl.as_secs(),
            followable: begin.followable,
            remaining_ms: to_millis(begin.remaining),
            size: begin.size,
            staged: begin.staged,
            began: begin.began.map(Into::into),
        }
    }
}

impl TryFrom<v1::ReplicateCommit> for ReplicateCommit {
    type Error = ConvertError;
    fn try_from(wire: v1::ReplicateCommit) -> Result<Self, ConvertError> {
        at_most("commit.request_ids", wire.request_ids.len(), REQUEST_IDS_PER_RECORD)?;
        let request_ids = wire.request_ids.iter().map(|id| request_id("commit.request_ids", id));
        Ok(Self {
            version: required("commit.version", wire.version)?.into(),
            tombstone: wire.tombstone,
            digest: digest("commit.digest", &wire.digest)?,
            size: wire.size,
            stored_at: UnixMillis(wire.stored_at_ms),
            expires_at: UnixMillis(wire.expires_at_ms),
            request_ids: request_ids.collect::<Result<_, ConvertError>>()?,
            clean_seq: wire.clean_seq,
        })
    }
}

impl From<ReplicateCommit> for v1::ReplicateCommit {
    fn from(commit: ReplicateCommit) -> Self {
        Self {
            version: Some(commit.version.into()),
            tombstone: commit.tombstone,
            digest: to_bytes(commit.digest.0),
            size: commit.size,
            stored_at_ms: commit.stored_at.0,
            expires_at_ms: commit.expires_at.0,
            request_ids: commit.request_ids.iter().map(|id| to_bytes(id.0)).collect(),
            clean_seq: commit.clean_seq,
        }
    }
}

impl TryFrom<v1::ReplicateMessage> for Replicate {
    type Error = ConvertError;
    fn try_from(wire: v1::ReplicateMessage) -> Result<Self, ConvertError> {
        match required("replicate.message", wire.message)? {
            Message::Begin(_) => Err(wrong("replicate.message", "is a second begin")),
            Message::Chunk(bytes) => Ok(Self::Chunk(bytes)),
            Message::Commit(commit) => Ok(Self::Commit(commit.try_into()?)),
        }
    }
}

impl From<Replicate> for v1::ReplicateMessage {
    fn from(piece: Replicate) -> Self {
        let message = match piece {
            Replicate::Chunk(bytes) => Message::Chunk(bytes),
            Replicate::Commit(commit) => Message::Commit(commit.into()),
        };
        Self { message: Some(message) }
    }
}

impl TryFrom<v1::StopReadsRequest> for StopReads {
    type Error = ConvertError;
    fn try_from(wire: v1::StopReadsRequest) -> Result<Self, ConvertError> {
        at_most("stop_reads.shards", wire.shards.len(), usize::from(SHARD_COUNT))?;
        let pair = |at: v1::ShardEpoch| Ok((shard("stop_reads.shards", at.shard)?, Epoch(at.epoch)));
        Ok(Self {
            from: required("stop_reads.from", wire.from)?.into(),
            to: required("stop_reads.to", wire.to)?.into(),
            shards: wire.shards.into_iter().map(pair).collect::<Result<_, ConvertError>>()?,
        })
    }
}

impl From<StopReads> for v1::StopReadsRequest {
    fn from(request: StopReads) -> Self {
        let pair =
            |(shard, epoch): (ShardId, Epoch)| v1::ShardEpoch { shard: shard.get().into(), epoch: epoch.0 };
        Self {
            from: Some(request.from.into()),
            to: Some(request.to.into()),
            shards: request.shards.into_iter().map(pair).collect(),
        }
    }
}

/// The shards that a reply names.
pub(crate) fn shards_from_wire(ids: Vec<u32>) -> Result<Vec<ShardId>, ConvertError> {
    at_most("stop_reads.shards", ids.len(), usize::from(SHARD_COUNT))?;
    ids.into_iter().map(|id| shard("stop_reads.shards", id)).collect()
}
