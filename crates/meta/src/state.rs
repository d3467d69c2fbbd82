//! The deterministic state machine: BTreeMaps, no clock, no randomness.

mod apply;
mod create_map;
mod document;
mod register;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

use headwater_types::{KeyId, NamespaceId, NamespaceName, NodeId, ShardId};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::records::{KeyRecord, NamespaceRecord, NodeRecord, ShardEntry};

pub(crate) use apply::Effect;
pub use document::STATE_FORMAT;
pub(crate) use register::Lost;

/// The whole metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The Raft index of the last applied entry.
    pub version: u64,
    /// Namespaces by id.
    pub namespaces: BTreeMap<NamespaceId, Arc<NamespaceRecord>>,
    /// Ids by name.
    pub names: BTreeMap<NamespaceName, NamespaceId>,
    /// Keys by id.
    pub keys: BTreeMap<KeyId, Arc<KeyRecord>>,
    /// Ids of the keys that were revoked last, oldest first, at most `REVOKED_KEYS_MAX`.
    #[serde(default)]
    pub revoked: VecDeque<KeyId>,
    /// Nodes by id.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// Configurations by shard; empty until the map is created.
    pub shards: BTreeMap<ShardId, Arc<ShardEntry>>,
}

impl State {
    /// A namespace by its name.
    pub fn namespace(&self, name: &str) -> Option<&Arc<NamespaceRecord>> {
        self.namespaces.get(self.names.get(name)?)
    }
}
