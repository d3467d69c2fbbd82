//! The metadata of a cluster in Raft: namespaces, API keys, nodes and the shard map.
//!
//! Never on the data path: frontends and nodes follow a watch and answer from their own copy ([`MetaCache`]).

pub mod bootstrap;
pub mod cache;
pub mod command;
pub mod glob;
pub mod grpc;
pub mod limits;
pub mod metrics;
pub mod raft;
pub mod records;
pub mod refusal;
pub mod secret;
pub mod state;
pub mod store;

mod placement;
mod watch;

pub use cache::MetaCache;
pub use command::{Command, Envelope, NewShard, Outcome};
pub use grpc::{Heartbeats, MetaGrpcClient, NodeReport, meta_service};
pub use metrics::MetaMetrics;
pub use raft::{RaftMeta, RaftMetaConfig, StartError};
pub use records::{
    CorsPolicy, KeyRecord, NamespaceRecord, NamespaceSettings, NodeRecord, Permission, Rule, ShardEntry,
};
pub use state::State;
pub use store::{Applied, Membership, MetaError, MetaStore, WatchEvent, WatchEvents};
