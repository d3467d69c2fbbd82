//! How one role finds another: a node's services by its id and address.

mod grpc;
mod local;
mod unreachable;

use headwater_types::NodeId;
use std::{fmt, sync::Arc};

pub use grpc::GrpcDirectory;
pub use local::LocalDirectory;

use crate::{replication::Replication, storage::Storage};

/// Gives access to the services of nodes. Never fails and never waits: what cannot be reached answers
/// [`crate::StorageError::Unavailable`].
pub trait Directory: Send + Sync + fmt::Debug + 'static {
    /// The storage service of `node`, which listens at `address` (`host:port`) as the map has it.
    fn storage(&self, node: NodeId, address: &str) -> Arc<dyn Storage>;
    /// The replication service of `node`, which listens at `address` (`host:port`) as the map has it.
    fn replication(&self, node: NodeId, address: &str) -> Arc<dyn Replication>;
}
