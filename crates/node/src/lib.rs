//! A storage node: the replication chain, the storage service and its workers.
//!
//! [`StorageNode`] answers the `Storage` and `Replication` services. What a shard may do is decided by a pure core
//! ([`shard::ShardCore`]); everything with sockets, clocks and waiting stands around it.

mod arrivals;
mod beginnings;
mod budget;
mod commit;
mod delete;
mod get;
pub mod identity;
mod links;
mod list;
pub mod metrics;
mod moves;
mod no_room;
pub mod node;
mod outgoing;
mod put;
mod refusal;
mod register;
mod replica;
mod reports;
mod resends;
pub mod shard;
mod shares;

pub use identity::{Identity, IdentityError};
pub use metrics::NodeMetrics;
pub use node::{NodeConfig, NodeDeps, StorageNode};
pub use register::{RegisterError, Registered, register};
