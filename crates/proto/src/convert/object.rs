//! What several services share: object names, versions, members, attributes, metadata.

use headwater_types::{
    Attributes, Epoch, Incarnation, MediaClass, Member, NamespaceId, NodeId, ObjectId, ObjectKey, ObjectMeta,
    UnixMillis, Version,
    limits::{STORED_HEADER_BYTES_MAX, USER_META_BYTES_MAX},
};

use super::{at_most, digest, required, to_bytes, wrong};
use crate::{error::ConvertError, v1};

/// Checks a namespace id: Raft indexes begin at 1, so 0 is an unset field.
pub(super) fn namespace(field: &'static str, id: u64) -> Result<NamespaceId, ConvertError> {
    if id == 0 { Err(wrong(field, "is missing")) } else { Ok(NamespaceId(id)) }
}

pub(super) fn class(field: &'static str, class: i32) -> Result<MediaClass, ConvertError> {
    match v1::MediaClass::try_from(class) {
        Ok(v1::MediaClass::Playlist) => Ok(MediaClass::Playlist),
        Ok(v1::MediaClass::Media) => Ok(MediaClass::Media),
        Ok(v1::MediaClass::Key) => Ok(MediaClass::Key),
        Ok(v1::MediaClass::Other) => Ok(MediaClass::Other),
        Ok(v1::MediaClass::Unspecified) | Err(_) => Err(wrong(field, format!("{class} is no known class"))),
    }
}

pub(super) fn class_to_wire(class: MediaClass) -> i32 {
    let wire = match class {
        MediaClass::Playlist => v1::MediaClass::Playlist,
        MediaClass::Media => v1::MediaClass::Media,
        MediaClass::Key => v1::MediaClass::Key,
        MediaClass::Other => v1::MediaClass::Other,
    };
    wire.into()
}

impl TryFrom<v1::ObjectId> for ObjectId {
    type Error = ConvertError;
    fn try_from(wire: v1::ObjectId) -> Result<Self, ConvertError> {
        Ok(Self {
            namespace: namespace("object.namespace_id", wire.namespace_id)?,
            key: ObjectKey::parse(&wire.key).map_err(|e| wrong("object.key", e))?,
        })
    }
}

impl From<ObjectId> for v1::ObjectId {
    fn from(object: ObjectId) -> Self {
        Self { namespace_id: object.namespace.0, key: object.key.into() }
    }
}

impl From<v1::Version> for Version {
    fn from(wire: v1::Version) -> Self {
        Self { epoch: Epoch(wire.epoch), seq: wire.seq }
    }
}

impl From<Version> for v1::Version {
    fn from(version: Version) -> Self {
        Self { epoch: version.epoch.0, seq: version.seq }
    }
}

impl From<v1::Member> for Member {
    fn from(wire: v1::Member) -> Self {
        Self { node: NodeId(wire.node_id), incarnation: Incarnation(wire.incarnation) }
    }
}

impl From<Member> for v1::Member {
    fn from(member: Member) -> Self {
        Self { node_id: member.node.0, incarnation: member.incarnation.0 }
    }
}

impl TryFrom<v1::Attributes> for Attributes {
    type Error = ConvertError;
    fn try_from(wire: v1::Attributes) -> Result<Self, ConvertError> {
        let optional = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        at_most("attributes.content_type", wire.content_type.len(), STORED_HEADER_BYTES_MAX)?;
        at_most("attributes.content_encoding", optional(&wire.content_encoding), STORED_HEADER_BYTES_MAX)?;
        at_most("attributes.cache_control", optional(&wire.cache_control), STORED_HEADER_BYTES_MAX)?;
        let user_meta_bytes = wire.user_meta.iter().map(|pair| pair.name.len() + pair.value.len()).sum();
        at_most("attributes.user_meta", user_meta_bytes, USER_META_BYTES_MAX)?;
        if wire.user_meta.iter().any(|pair| pair.name.is_empty()) {
            return Err(wrong("attributes.user_meta", "has a pair without a name"));
        }
        Ok(Self {
            content_type: wire.content_type.into(),
            content_encoding: wire.content_encoding,
            cache_control: wire.cache_control,
            user_meta: wire.user_meta.into_iter().map(|pair| (pair.name, pair.value)).collect(),
        })
    }
}

impl From<Attributes> for v1::Attributes {
    fn from(attributes: Attributes) -> Self {
        let pair = |(name, value)| v1::UserMeta { name, value };
        Self {
            content_type: attributes.content_type.as_ref().into(),
            content_encoding: attributes.content_encoding,
            cache_control: attributes.cache_control,
            user_meta: attributes.user_meta.into_iter().map(pair).collect(),
        }
    }
}

impl TryFrom<v1::ObjectMeta> for ObjectMeta {
    type Error = ConvertError;
    fn try_from(wire: v1::ObjectMeta) -> Result<Self, ConvertError> {
        Ok(Self {
            version: required("meta.version", wire.version)?.into(),
            digest: digest("meta.digest", &wire.digest)?,
            size: wire.size,
            class: class("meta.media_class", wire.media_class)?,
            attributes: wire.attributes.unwrap_or_default().try_into()?,
            stored_at: UnixMillis(wire.stored_at_ms),
            expires_at: UnixMillis(wire.expires_at_ms),
        })
    }
}

impl From<&ObjectMeta> for v1::ObjectMeta {
    fn from(meta: &ObjectMeta) -> Self {
        Self {
            version: Some(meta.version.into()),
            digest: to_bytes(meta.digest.0),
            size: meta.size,
            media_class: class_to_wire(meta.class),
            attributes: Some(meta.attributes.clone().into()),
            stored_at_ms: meta.stored_at.0,
            expires_at_ms: meta.expires_at.0,
        }
    }
}
