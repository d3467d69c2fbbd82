//! GET and HEAD.

use headwater_types::{ByteRange, Epoch, ObjectMeta, Ttl};
use std::{ops::Range, sync::Arc};

use super::{
    digest, digests, digests_to_bytes, object, remaining, request_id, required, shard, to_bytes, to_millis,
    wrong,
};
use crate::{
    error::ConvertError,
    storage::{Arriving, Follow, GetRequest, HeadReply, HeadRequest},
    v1,
};

impl TryFrom<v1::GetRequest> for GetRequest {
    type Error = ConvertError;
    fn try_from(wire: v1::GetRequest) -> Result<Self, ConvertError> {
        let if_range = (!wire.if_range.is_empty()).then(|| digest("get.if_range", &wire.if_range));
        Ok(Self {
            shard: shard("get.shard", wire.shard)?,
            epoch: Epoch(wire.epoch),
            object: required("get.object", wire.object)?.try_into()?,
            request_id: request_id("get.request_id", &wire.request_id)?,
            range: wire.range.map(TryInto::try_into).transpose()?,
            if_range: if_range.transpose()?,
            if_none_match: digests("get.if_none_match", &wire.if_none_match)?,
            follow: match follow("get.follow", wire.follow)? {
                Follow::Body if wire.follow_range => Follow::Range,
                follow => follow,
            },
            remaining: remaining(wire.remaining_ms),
        })
    }
}

impl From<GetRequest> for v1::GetRequest {
    fn from(request: GetRequest) -> Self {
        Self {
            shard: request.shard.get().into(),
            epoch: request.epoch.0,
            object: Some(request.object.into()),
            request_id: to_bytes(request.request_id.0),
            range: request.range.map(Into::into),
            if_range: request.if_range.map(|digest| to_bytes(digest.0)).unwrap_or_default(),
            if_none_match: digests_to_bytes(&request.if_none_match),
            follow: follow_to_wire(request.follow),
            remaining_ms: to_millis(request.remaining),
            follow_range: request.follow == Follow::Range,
        }
    }
}

impl TryFrom<v1::ByteRange> for ByteRange {
    type Error = ConvertError;
    fn try_from(wire: v1::ByteRange) -> Result<Self, ConvertError> {
        match (wire.first, wire.last) {
            (Some(first), Some(last)) => Ok(Self::FromTo(first, last)),
            (Some(first), None) => Ok(Self::From(first)),
            (None, Some(count)) => Ok(Self::Last(count)),
            (None, None) => Err(wrong("range", "is empty")),
        }
    }
}

impl From<ByteRange> for v1::ByteRange {
    fn from(range: ByteRange) -> Self {
        let (first, last) = match range {
            ByteRange::FromTo(first, last) => (Some(first), Some(last)),
            ByteRange::From(first) => (Some(first), None),
            ByteRange::Last(count) => (None, Some(count)),
        };
        Self { first, last }
    }
}

fn follow(field: &'static str, follow: i32) -> Result<Follow, ConvertError> {
    match v1::Follow::try_from(follow) {
        Ok(v1::Follow::No) => Ok(Follow::No),
        Ok(v1::Follow::Body) => Ok(Follow::Body),
        Ok(v1::Follow::Wait) => Ok(Follow::Wait),
        Err(_) => Err(wrong(field, format!("{follow} is not known"))),
    }
}

fn follow_to_wire(follow: Follow) -> i32 {
    let wire = match follow {
        Follow::No => v1::Follow::No,
        // A node that does not know of ranges streams the whole, and says so.
        Follow::Body | Follow::Range => v1::Follow::Body,
        Follow::Wait => v1::Follow::Wait,
    };
    wire.into()
}

impl TryFrom<v1::Arriving> for Arriving {
    type Error = ConvertError;
    fn try_from(wire: v1::Arriving) -> Result<Self, ConvertError> {
        Ok(Self {
            attributes: wire.attributes.unwrap_or_default().try_into()?,
            class: object::class("arriving.media_class", wire.media_class)?,
            ttl: Ttl::from_secs(wire.ttl_seconds).map_err(|e| wrong("arriving.ttl_seconds", e))?,
        })
    }
}

impl From<Arriving> for v1::Arriving {
    fn from(arriving: Arriving) -> Self {
        Self {
            attributes: Some(arriving.attributes.into()),
            media_class: object::class_to_wire(arriving.class),
            ttl_seconds: arriving.ttl.as_secs(),
            range_start: None,
            range_end: None,
        }
    }
}

/// How a GET's answer begins; the bytes follow in messages of their own.
#[derive(Debug)]
pub(crate) enum GetHeader {
    Found { meta: Arc<ObjectMeta>, range: Option<Range<u64>> },
    Arriving { arriving: Arriving, range: Option<Range<u64>> },
    NotModified(Arc<ObjectMeta>),
    RangeNotSatisfiable(Arc<ObjectMeta>),
}

impl TryFrom<v1::GetHeader> for GetHeader {
    type Error = ConvertError;
    fn try_from(wire: v1::GetHeader) -> Result<Self, ConvertError> {
        use v1::get_header::Outcome;
        Ok(match required("get_header.outcome", wire.outcome)? {
            Outcome::Found(found) => {
                let meta: ObjectMeta = required("found.meta", found.meta)?.try_into()?;
                let range = match (found.range_start, found.range_end) {
                    (None, None) => None,
                    (Some(start), Some(end)) if start < end && end <= meta.size => Some(start..end),
                    _ => return Err(wrong("found.range", "is empty or lies outside of the object")),
                };
                Self::Found { meta: Arc::new(meta), range }
            }
            Outcome::Arriving(arriving) => {
                let range = match (arriving.range_start, arriving.range_end) {
                    (None, None) => None,
                    (Some(start), Some(end)) if start < end => Some(start..end),
                    _ => return Err(wrong("arriving.range", "is empty")),
                };
                Self::Arriving { arriving: arriving.try_into()?, range }
            }
            Outcome::NotModified(meta) => Self::NotModified(Arc::new(meta.try_into()?)),
            Outcome::RangeNotSatisfiable(meta) => Self::RangeNotSatisfiable(Arc::new(meta.try_into()?)),
        })
    }
}

impl From<GetHeader> for v1::GetHeader {
    fn from(header: GetHeader) -> Self {
        use v1::get_header::Outcome;
        let outcome = match header {
            GetHeader::Found { meta, range } => Outcome::Found(v1::Found {
                meta: Some(meta.as_ref().into()),
                range_start: range.as_ref().map(|range| range.start),
                range_end: range.map(|range| range.end),
            }),
            GetHeader::Arriving { arriving, range } => Outcome::Arriving(v1::Arriving {
                range_start: range.as_ref().map(|range| range.start),
                range_end: range.map(|range| range.end),
                ..arriving.into()
            }),
            GetHeader::NotModified(meta) => Outcome::NotModified(meta.as_ref().into()),
            GetHeader::RangeNotSatisfiable(meta) => Outcome::RangeNotSatisfiable(meta.as_ref().into()),
        };
        Self { outcome: Some(outcome) }
    }
}

impl TryFrom<v1::HeadRequest> for HeadRequest {
    type Error = ConvertError;
    fn try_from(wire: v1::HeadRequest) -> Result<Self, ConvertError> {
        Ok(Self {
            shard: shard("head.shard", wire.shard)?,
            epoch: Epoch(wire.epoch),
            object: required("head.object", wire.object)?.try_into()?,
            request_id: request_id("head.request_id", &wire.request_id)?,
            follow: follow("head.follow", wire.follow)?,
            remaining: remaining(wire.remaining_ms),
        })
    }
}

impl From<HeadRequest> for v1::HeadRequest {
    fn from(request: HeadRequest) -> Self {
        Self {
            shard: request.shard.get().into(),
            epoch: request.epoch.0,
            object: Some(request.object.into()),
            request_id: to_bytes(request.request_id.0),
            follow: follow_to_wire(request.follow),
            remaining_ms: to_millis(request.remaining),
        }
    }
}

impl TryFrom<v1::HeadReply> for HeadReply {
    type Error = ConvertError;
    fn try_from(wire: v1::HeadReply) -> Result<Self, ConvertError> {
        use v1::head_reply::Outcome;
        Ok(match required("head_reply.outcome", wire.outcome)? {
            Outcome::Found(meta) => Self::Found(Arc::new(meta.try_into()?)),
            Outcome::Arriving(arriving) => Self::Arriving(arriving.try_into()?),
        })
    }
}

impl From<HeadReply> for v1::HeadReply {
    fn from(reply: HeadReply) -> Self {
        use v1::head_reply::Outcome;
        let outcome = match reply {
            HeadReply::Found(meta) => Outcome::Found(meta.as_ref().into()),
            HeadReply::Arriving(arriving) => Outcome::Arriving(arriving.into()),
        };
        Self { outcome: Some(outcome) }
    }
}
