//! What a process of a storage node registers with.

use headwater_types::{DiskId, Incarnation, NodeId, Nonce, ZoneName};
use serde::{Deserialize, Serialize};

use crate::records::{NodeRecord, NodeState, ProcessRecord};

/// A process of a storage node that asks for its incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The node.
    pub id: NodeId,
    /// Its data directory.
    pub disk_id: DiskId,
    /// The process.
    pub nonce: Nonce,
    /// The node's incarnation that is registered, as the process has read it from the metadata; `None`: the node is not
    /// known.
    pub follows: Option<Incarnation>,
    /// Where the node stands.
    pub zone: ZoneName,
    /// Where its gRPC services listen, as `host:port`.
    pub address: String,
    /// What its hot tier may take, in bytes; 0 where it does not say.
    #[serde(default)]
    pub hot_capacity_bytes: u64,
}

impl Registration {
    /// The node's record once the process is registered.
    pub(crate) fn record(
        &self,
        incarnation: Incarnation,
        state: NodeState,
        replaced: Vec<Nonce>,
    ) -> NodeRecord {
        NodeRecord {
            id: self.id,
            incarnation,
            zone: self.zone.clone(),
            address: self.address.clone(),
            hot_capacity_bytes: self.hot_capacity_bytes,
            state,
            process: Some(ProcessRecord { disk_id: self.disk_id, nonce: self.nonce, replaced }),
        }
    }
}
