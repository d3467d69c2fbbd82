//! Listings.

use headwater_types::{
    Epoch,
    limits::{KEY_BYTES_MAX, LIST_LIMIT_MAX, SHARD_COUNT},
};
use std::sync::Arc;

use super::{at_most, object, remaining, request_id, shard, to_bytes, to_millis, wrong};
use crate::{
    error::ConvertError,
    storage::{ListEntry, ListReply, ListRequest},
    v1,
};

impl TryFrom<v1::ListRequest> for ListRequest {
    type Error = ConvertError;
    fn try_from(wire: v1::ListRequest) -> Result<Self, ConvertError> {
        at_most("list.shards", wire.shards.len(), usize::from(SHARD_COUNT))?;
        at_most("list.prefix", wire.prefix.len(), KEY_BYTES_MAX)?;
        at_most("list.after", wire.after.as_ref().map_or(0, String::len), KEY_BYTES_MAX)?;
        let limit = wire.limit as usize;
        at_most("list.limit", limit, LIST_LIMIT_MAX)?;
        let pair = |entry: v1::ShardEpoch| Ok((shard("list.shards", entry.shard)?, Epoch(entry.epoch)));
        Ok(Self {
            namespace: object::namespace("list.namespace_id", wire.namespace_id)?,
            shards: wire.shards.into_iter().map(pair).collect::<Result<_, ConvertError>>()?,
            prefix: wire.prefix,
            fold: match wire.delimiter.as_str() {
                "" => false,
                "/" => true,
                _ => return Err(wrong("list.delimiter", "is neither empty nor '/'")),
            },
            after: wire.after,
            limit,
            request_id: request_id("list.request_id", &wire.request_id)?,
            remaining: remaining(wire.remaining_ms),
        })
    }
}

impl From<ListRequest> for v1::ListRequest {
    fn from(request: ListRequest) -> Self {
        let pair = |(shard, epoch): (headwater_types::ShardId, Epoch)| v1::ShardEpoch {
            shard: shard.get().into(),
            epoch: epoch.0,
        };
        Self {
            namespace_id: request.namespace.0,
            shards: request.shards.into_iter().map(pair).collect(),
            prefix: request.prefix,
            delimiter: if request.fold { "/".into() } else { String::new() },
            after: request.after,
            limit: u32::try_from(request.limit).unwrap_or(u32::MAX),
            request_id: to_bytes(request.request_id.0),
            remaining_ms: to_millis(request.remaining),
        }
    }
}

impl TryFrom<v1::ListReply> for ListReply {
    type Error = ConvertError;
    fn try_from(wire: v1::ListReply) -> Result<Self, ConvertError> {
        at_most("list_reply.entries", wire.entries.len(), LIST_LIMIT_MAX)?;
        let entries = wire.entries.into_iter().map(TryInto::try_into).collect::<Result<_, ConvertError>>()?;
        Ok(Self { entries, more: wire.more })
    }
}

impl From<ListReply> for v1::ListReply {
    fn from(reply: ListReply) -> Self {
        Self { entries: reply.entries.into_iter().map(Into::into).collect(), more: reply.more }
    }
}

impl TryFrom<v1::ListEntry> for ListEntry {
    type Error = ConvertError;
    fn try_from(wire: v1::ListEntry) -> Result<Self, ConvertError> {
        at_most("list_entry.name", wire.name.len(), KEY_BYTES_MAX)?;
        if wire.name.is_empty() {
            return Err(wrong("list_entry.name", "is missing"));
        }
        let meta = wire.meta.map(TryInto::try_into).transpose()?.map(Arc::new);
        Ok(Self { name: wire.name, meta })
    }
}

impl From<ListEntry> for v1::ListEntry {
    fn from(entry: ListEntry) -> Self {
        Self { name: entry.name, meta: entry.meta.map(|meta| meta.as_ref().into()) }
    }
}
