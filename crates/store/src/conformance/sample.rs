//! Records for tests.

use bytes::Bytes;
use headwater_types::{
    Attributes, Chunks, Digest, Epoch, MediaClass, NamespaceId, ObjectId, ObjectKey, ObjectMeta, RequestId,
    ShardId, UnixMillis, Version,
};
use std::{sync::Arc, time::Duration};

use crate::record::Record;

/// Makes a record for a test; what is not said has a default.
#[derive(Debug, Clone)]
pub struct Sample {
    namespace: NamespaceId,
    key: String,
    shard: u16,
    version: Version,
    class: MediaClass,
    body: Bytes,
    stored_at: UnixMillis,
    ttl: Duration,
    tombstone: bool,
}

impl Sample {
    /// The namespace of samples that are not told another.
    pub const NAMESPACE: NamespaceId = NamespaceId(7);

    /// An object of the given key and sequence number in epoch 1, with a short body of its own and a TTL of a minute.
    pub fn new(key: &str, seq: u64) -> Self {
        Self {
            namespace: Self::NAMESPACE,
            key: key.to_owned(),
            shard: 0,
            version: Version { epoch: Epoch(1), seq },
            class: MediaClass::Media,
            body: format!("{key} {seq}").into(),
            stored_at: UnixMillis(0),
            ttl: Duration::from_secs(60),
            tombstone: false,
        }
    }

    /// In another namespace.
    pub fn namespace(self, namespace: NamespaceId) -> Self {
        Self { namespace, ..self }
    }

    /// In another shard.
    pub fn shard(self, shard: u16) -> Self {
        Self { shard, ..self }
    }

    /// Of another epoch.
    pub fn epoch(mut self, epoch: u64) -> Self {
        self.version.epoch = Epoch(epoch);
        self
    }

    /// Of another sequence number.
    pub fn seq(mut self, seq: u64) -> Self {
        self.version.seq = seq;
        self
    }

    /// Of another class.
    pub fn class(self, class: MediaClass) -> Self {
        Self { class, ..self }
    }

    /// With another body.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Written at this time.
    pub fn at(self, stored_at: UnixMillis) -> Self {
        Self { stored_at, ..self }
    }

    /// Living for so long from the time of its write.
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// A delete.
    pub fn tombstone(self) -> Self {
        Self { tombstone: true, body: Bytes::new(), ..self }
    }

    /// The record. Panics if the key or the shard is not valid.
    pub fn build(self) -> Arc<Record> {
        let key = ObjectKey::parse(&self.key).unwrap_or_else(|error| panic!("{:?}: {error}", self.key));
        let shard = ShardId::new(self.shard).unwrap_or_else(|| panic!("there is no shard {}", self.shard));
        let meta = ObjectMeta {
            version: self.version,
            digest: Digest::of(&self.body),
            size: self.body.len() as u64,
            class: self.class,
            attributes: Attributes { content_type: "video/mp2t".into(), ..Attributes::default() },
            stored_at: self.stored_at,
            expires_at: self.stored_at.plus(self.ttl),
        };
        let pieces = if self.body.is_empty() { Vec::new() } else { vec![self.body] };
        Arc::new(Record {
            object: ObjectId { namespace: self.namespace, key },
            shard,
            meta: Arc::new(meta),
            body: Chunks::new(pieces),
            tombstone: self.tombstone,
            request_ids: [RequestId(u128::from(self.version.seq))].into(),
        })
    }
}
