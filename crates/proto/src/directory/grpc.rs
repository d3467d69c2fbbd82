//! Nodes in other processes.

use headwater_types::NodeId;
use parking_lot::Mutex;
use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use super::{Directory, unreachable::Unreachable};
use crate::{
    grpc::{AddressError, ReplicationClient, StorageClient},
    replication::Replication,
    storage::Storage,
};

/// Nodes whose clients are kept. Past it the one that was used longest ago is dropped, with its connections once its
/// last call has ended.
const CLIENTS_MAX: usize = 1024;

/// Finds nodes by their addresses and keeps one client for each. Its methods must be called within a runtime.
#[derive(Debug)]
pub struct GrpcDirectory {
    storage: Clients<StorageClient>,
    replication: Clients<ReplicationClient>,
}

impl GrpcDirectory {
    /// An empty one; clients are made when they are first asked for.
    pub fn new() -> Self {
        Self { storage: Clients::new(CLIENTS_MAX), replication: Clients::new(CLIENTS_MAX) }
    }
}

impl Default for GrpcDirectory {
    fn default() -> Self {
        Self::new()
    }
}

impl Directory for GrpcDirectory {
    fn storage(&self, node: NodeId, address: &str) -> Arc<dyn Storage> {
        match self.storage.get(node, address, StorageClient::new) {
            Ok(client) => client,
            Err(error) => Arc::new(Unreachable::new(error)),
        }
    }

    fn replication(&self, node: NodeId, address: &str) -> Arc<dyn Replication> {
        match self.replication.get(node, address, ReplicationClient::new) {
            Ok(client) => client,
            Err(error) => Arc::new(Unreachable::new(error)),
        }
    }
}

#[derive(Debug)]
struct Clients<C> {
    max: usize,
    kept: Mutex<Kept<C>>,
}

#[derive(Debug)]
struct Kept<C> {
    by_node: BTreeMap<NodeId, Entry<C>>,
    /// Counts the uses of all clients.
    uses: u64,
}

#[derive(Debug)]
struct Entry<C> {
    address: String,
    client: Arc<C>,
    last_use: u64,
}

impl<C> Clients<C> {
    fn new(max: usize) -> Self {
        Self { max, kept: Mutex::new(Kept { by_node: BTreeMap::new(), uses: 0 }) }
    }

    /// The node's client. One for another address replaces it: a node listens at one address.
    fn get(
        &self,
        node: NodeId,
        address: &str,
        connect: impl FnOnce(&str) -> Result<C, AddressError>,
    ) -> Result<Arc<C>, AddressError> {
        let mut kept = self.kept.lock();
        kept.uses += 1;
        let last_use = kept.uses;
        if let Some(entry) = kept.by_node.get_mut(&node).filter(|entry| entry.address == address) {
            entry.last_use = last_use;
            return Ok(entry.client.clone());
        }
        let client = Arc::new(connect(address)?);
        kept.by_node.insert(node, Entry { address: address.to_owned(), client: client.clone(), last_use });
        if kept.by_node.len() > self.max {
            let oldest = kept.by_node.iter().min_by_key(|(_, entry)| entry.last_use).map(|(node, _)| *node);
            oldest.and_then(|node| kept.by_node.remove(&node));
        }
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_one_client_and_the_oldest_goes_first() {
        let clients = Clients::<String>::new(2);
        let get = |node, address: &str| clients.get(NodeId(node), address, |a| Ok(a.to_owned())).unwrap();
        let first = get(1, "a:1");
        assert!(Arc::ptr_eq(&first, &get(1, "a:1")));
        let moved = get(1, "b:1");
        assert_eq!(*moved, "b:1");
        assert!(!Arc::ptr_eq(&first, &get(1, "a:1")), "the old address's client was kept");
        let second = get(2, "c:1");
        get(1, "a:1");
        get(3, "d:1");
        assert_eq!(clients.kept.lock().by_node.len(), 2);
        assert!(!Arc::ptr_eq(&second, &get(2, "c:1")), "node 2 was used longest ago");
    }
}
