//! The metadata of a cluster in Raft: namespaces, API keys, nodes and the shard map.
//!
//! Never on the data path: frontends and nodes follow a watch and answer from their own copy ([`MetaCache`]).

pub mod backup;
pub mod bootstrap;
pub mod cache;
pub mod command;
pub mod glob;
pub mod grpc;
pub mod limits;
pub mod metrics;
pub mod placement;
pub mod presence;
pub mod raft;
pub mod records;
pub mod refusal;
pub mod sealed;
pub mod secret;
pub mod state;
pub mod store;
pub mod worker;

mod durable;
mod watch;

pub use cache::{CopyFile, MetaCache};
pub use command::{Command, Envelope, Evidence, NewShard, Outcome, Registration, ShardChange, SingleReason};
pub use grpc::{GrpcPeers, MetaGrpcClient, meta_service, peer_service};
pub use metrics::MetaMetrics;
pub use presence::{PresenceBoard, reporter};
pub use raft::{LocalPeers, RaftMeta, RaftMetaConfig, StartError, VoterDeps, offline};
pub use records::{
    CorsPolicy, DigestHashes, KeyRecord, NamespaceRecord, NamespaceSettings, NodeRecord, NodeState,
    Permission, ProcessRecord, PurgeRecord, RateLimits, Rule, ShardEntry, SigningKeyRecord, ZoneVerdict,
};
pub use state::{Indexed, State};
pub use store::{
    Applied, Guidance, HotShare, MemberChange, Membership, MetaError, MetaMember, MetaStore, NodeReport,
    Presence, Report, Reported, Reporter, SpaceReport, Usage, WatchEvent, WatchEvents,
};
