//! Nodes in this process.

use headwater_types::NodeId;
use parking_lot::RwLock;
use std::{collections::BTreeMap, sync::Arc};

use super::{Directory, unreachable::Unreachable};
use crate::{replication::Replication, storage::Storage};

/// Finds nodes that were registered: calls are direct, bodies stay `Bytes`. Holds as many as are registered.
#[derive(Debug, Default)]
pub struct LocalDirectory {
    nodes: RwLock<BTreeMap<NodeId, Services>>,
}

#[derive(Debug)]
struct Services {
    storage: Arc<dyn Storage>,
    replication: Arc<dyn Replication>,
}

impl LocalDirectory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a node known, in place of one of the same id.
    pub fn register(&self, node: NodeId, storage: Arc<dyn Storage>, replication: Arc<dyn Replication>) {
        self.nodes.write().insert(node, Services { storage, replication });
    }

    /// Forgets a node. Nodes hold their directory and it holds them: one that stops must be forgotten, or it stays in
    /// memory.
    pub fn unregister(&self, node: NodeId) {
        self.nodes.write().remove(&node);
    }
}

fn unknown(node: NodeId) -> Arc<Unreachable> {
    Arc::new(Unreachable::new(format!("node {node} does not run in this process")))
}

impl Directory for LocalDirectory {
    fn storage(&self, node: NodeId, _address: &str) -> Arc<dyn Storage> {
        match self.nodes.read().get(&node) {
            Some(services) => services.storage.clone(),
            None => unknown(node),
        }
    }

    fn replication(&self, node: NodeId, _address: &str) -> Arc<dyn Replication> {
        match self.nodes.read().get(&node) {
            Some(services) => services.replication.clone(),
            None => unknown(node),
        }
    }
}
