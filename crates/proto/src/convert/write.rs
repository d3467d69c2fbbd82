//! PUT and DELETE.

use headwater_types::{Epoch, Ttl};
use std::sync::Arc;

use super::{
    digest, digests, digests_to_bytes, object, remaining, request_id, required, shard, to_bytes, to_millis,
    wrong,
};
use crate::{
    error::ConvertError,
    storage::{Began, BodyEnd, BodyPiece, DeleteReply, DeleteRequest, Preconditions, PutReply, PutRequest},
    v1,
    v1::put_message::Message,
};

impl TryFrom<v1::PutHeader> for PutRequest {
    type Error = ConvertError;
    fn try_from(wire: v1::PutHeader) -> Result<Self, ConvertError> {
        Ok(Self {
            shard: shard("put.shard", wire.shard)?,
            epoch: Epoch(wire.epoch),
            object: required("put.object", wire.object)?.try_into()?,
            request_id: request_id("put.request_id", &wire.request_id)?,
            class: object::class("put.media_class", wire.media_class)?,
            attributes: wire.attributes.unwrap_or_default().try_into()?,
            ttl: Ttl::from_secs(wire.ttl_seconds).map_err(|e| wrong("put.ttl_seconds", e))?,
            preconditions: wire.preconditions.unwrap_or_default().try_into()?,
            followable: wire.followable,
            size: wire.size,
            size_max: wire.size_max,
            remaining: remaining(wire.remaining_ms),
            began: wire.began.map(Into::into),
        })
    }
}

impl From<PutRequest> for v1::PutHeader {
    fn from(request: PutRequest) -> Self {
        Self {
            shard: request.shard.get().into(),
            epoch: request.epoch.0,
            object: Some(request.object.into()),
            request_id: to_bytes(request.request_id.0),
            media_class: object::class_to_wire(request.class),
            attributes: Some(request.attributes.into()),
            ttl_seconds: request.ttl.as_secs(),
            preconditions: Some(request.preconditions.into()),
            followable: request.followable,
            size: request.size,
            size_max: request.size_max,
            remaining_ms: to_millis(request.remaining),
            began: request.began.map(Into::into),
        }
    }
}

impl From<v1::Began> for Began {
    fn from(wire: v1::Began) -> Self {
        Self { frontend: wire.frontend, order: wire.order }
    }
}

impl From<Began> for v1::Began {
    fn from(began: Began) -> Self {
        Self { frontend: began.frontend, order: began.order }
    }
}

impl TryFrom<v1::Preconditions> for Preconditions {
    type Error = ConvertError;
    fn try_from(wire: v1::Preconditions) -> Result<Self, ConvertError> {
        Ok(Self {
            if_absent: wire.if_absent,
            if_present: wire.if_present,
            if_match: digests("preconditions.if_match", &wire.if_match)?,
        })
    }
}

impl From<Preconditions> for v1::Preconditions {
    fn from(preconditions: Preconditions) -> Self {
        Self {
            if_absent: preconditions.if_absent,
            if_present: preconditions.if_present,
            if_match: digests_to_bytes(&preconditions.if_match),
        }
    }
}

impl TryFrom<v1::PutMessage> for BodyPiece {
    type Error = ConvertError;
    fn try_from(wire: v1::PutMessage) -> Result<Self, ConvertError> {
        match required("put.message", wire.message)? {
            Message::Header(_) => Err(wrong("put.message", "is a second header")),
            Message::Chunk(bytes) => Ok(Self::Chunk(bytes)),
            Message::End(end) => {
                Ok(Self::End(BodyEnd { digest: digest("end.digest", &end.digest)?, size: end.size }))
            }
        }
    }
}

impl From<BodyPiece> for v1::PutMessage {
    fn from(piece: BodyPiece) -> Self {
        let message = match piece {
            BodyPiece::Chunk(bytes) => Message::Chunk(bytes),
            BodyPiece::End(end) => {
                Message::End(v1::BodyEnd { digest: to_bytes(end.digest.0), size: end.size })
            }
        };
        Self { message: Some(message) }
    }
}

impl TryFrom<v1::PutReply> for PutReply {
    type Error = ConvertError;
    fn try_from(wire: v1::PutReply) -> Result<Self, ConvertError> {
        let meta = required("put_reply.meta", wire.meta)?.try_into()?;
        Ok(Self { meta: Arc::new(meta), created: wire.created })
    }
}

impl From<PutReply> for v1::PutReply {
    fn from(reply: PutReply) -> Self {
        Self { meta: Some(reply.meta.as_ref().into()), created: reply.created }
    }
}

impl TryFrom<v1::DeleteRequest> for DeleteRequest {
    type Error = ConvertError;
    fn try_from(wire: v1::DeleteRequest) -> Result<Self, ConvertError> {
        Ok(Self {
            shard: shard("delete.shard", wire.shard)?,
            epoch: Epoch(wire.epoch),
            object: required("delete.object", wire.object)?.try_into()?,
            request_id: request_id("delete.request_id", &wire.request_id)?,
            remaining: remaining(wire.remaining_ms),
        })
    }
}

impl From<DeleteRequest> for v1::DeleteRequest {
    fn from(request: DeleteRequest) -> Self {
        Self {
            shard: request.shard.get().into(),
            epoch: request.epoch.0,
            object: Some(request.object.into()),
            request_id: to_bytes(request.request_id.0),
            remaining_ms: to_millis(request.remaining),
        }
    }
}

impl TryFrom<v1::DeleteReply> for DeleteReply {
    type Error = ConvertError;
    fn try_from(wire: v1::DeleteReply) -> Result<Self, ConvertError> {
        let version = required("delete_reply.version", wire.version)?.into();
        Ok(Self { version, existed: wire.existed })
    }
}

impl From<DeleteReply> for v1::DeleteReply {
    fn from(reply: DeleteReply) -> Self {
        Self { version: Some(reply.version.into()), existed: reply.existed }
    }
}
