//! The deterministic state machine: BTreeMaps, no clock, no randomness.

mod apply;
mod capacity;
mod create_map;
mod document;
mod indexed;
mod keys;
mod namespaces;
mod nodes;
mod purges;
mod readmit;
mod reconfigure;
mod register;
mod settings;
mod signing_keys;
#[cfg(test)]
pub(crate) mod tests;
mod zone;

use headwater_types::{
    Epoch, KeyId, NamespaceId, NamespaceName, NodeId, ShardId, UnixMillis, signing::SigningKeyId,
};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::records::{
    KeyRecord, NamespaceRecord, NodeRecord, PurgeRecord, ShardEntry, SigningKeyRecord, ZoneVerdict,
};

pub(crate) use apply::Effect;
pub use document::STATE_FORMAT;
pub use indexed::Indexed;
pub(crate) use register::Lost;

/// The whole metadata. What there may be many of stands in persistent maps, so that a copy of the state costs little.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The Raft index of the last applied entry.
    pub version: u64,
    /// Namespaces by id.
    pub namespaces: Indexed<NamespaceId, Arc<NamespaceRecord>>,
    /// Ids by name.
    pub names: Indexed<NamespaceName, NamespaceId>,
    /// Keys by id.
    pub keys: Indexed<KeyId, Arc<KeyRecord>>,
    /// Ids of the keys that were revoked last, oldest first, at most `REVOKED_KEYS_MAX`.
    #[serde(default)]
    pub revoked: VecDeque<KeyId>,
    /// Nodes by id.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// Configurations by shard; empty until the map is created.
    pub shards: BTreeMap<ShardId, Arc<ShardEntry>>,
    /// Signing keys by id.
    #[serde(default)]
    pub signing_keys: OrdMap<SigningKeyId, Arc<SigningKeyRecord>>,
    /// Ids of the signing keys that were revoked last, oldest first, at most `REVOKED_KEYS_MAX`.
    #[serde(default)]
    pub revoked_signing_keys: VecDeque<SigningKeyId>,
    /// Ids of removed nodes, which are never used again.
    #[serde(default)]
    pub removed_nodes: BTreeSet<NodeId>,
    /// The zone that takes no part.
    #[serde(default)]
    pub zone_verdict: Option<ZoneVerdict>,
    /// Purges by id.
    #[serde(default)]
    pub purges: BTreeMap<u64, Arc<PurgeRecord>>,
}

impl State {
    /// A namespace by its name.
    pub fn namespace(&self, name: &str) -> Option<&Arc<NamespaceRecord>> {
        self.namespaces.get(self.names.get(name)?)
    }

    /// Raises every shard's epoch and the version by `by`, and to `at_least`: for a state that is restored into a new
    /// metadata group. `at_least` is the time, so that of two groups restored from one state the later one is ahead.
    ///
    /// No configuration that a node of an old group still has can then win over one of the new group, and no id that
    /// is made from a later version (of namespaces and purges, and the incarnations of nodes) can be one that an old
    /// group gave out after the snapshot. Both hold as long as no old group made `by` configurations of any shard, or `by` entries, after it, nor
    /// one a millisecond ever since it was restored. What is at the end of its range stays there.
    pub fn raise_epochs(&mut self, by: u64, at_least: UnixMillis) {
        let raised = |from: u64| from.saturating_add(by).max(at_least.0);
        self.version = raised(self.version);
        for entry in self.shards.values_mut() {
            let entry = Arc::make_mut(entry);
            entry.epoch = Epoch(raised(entry.epoch.0));
        }
    }
}
