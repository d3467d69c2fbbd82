//! What is known of a stored object.

use serde::{Deserialize, Serialize};

use crate::{Attributes, Digest, MediaClass, NamespaceId, ObjectKey, UnixMillis, Version};

/// Names one object in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectId {
    /// The namespace's id.
    pub namespace: NamespaceId,
    /// The key in it.
    pub key: ObjectKey,
}

/// One committed version of an object, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The version that the head gave it.
    pub version: Version,
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// Stored bytes.
    pub size: u64,
    /// Its class.
    pub class: MediaClass,
    /// What the encoder said of it.
    pub attributes: Attributes,
    /// When the head stored it, by the head's clock.
    pub stored_at: UnixMillis,
    /// From when on it is absent, by the head's clock.
    pub expires_at: UnixMillis,
}
