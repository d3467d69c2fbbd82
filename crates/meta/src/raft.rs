//! The metadata in Raft: openraft over a log in redb and snapshots in files.

mod campaign;
mod config;
mod document;
mod forward;
mod identity;
mod join;
mod joint_worker;
mod lead;
mod log_db;
mod log_store;
mod member_ids;
mod members;
mod meta_store;
mod network;
mod node;
pub mod offline;
mod open;
mod peers;
mod placement_worker;
mod serve;
mod snapshot_file;
mod state_machine;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod types;

pub use config::RaftMetaConfig;
pub use log_db::LogError;
pub use node::{RaftMeta, VoterDeps};
pub use open::StartError;
pub use peers::{
    Forwarded, ForwardedAnswer, LocalPeers, NoPeers, Peer, PeerAnswer, PeerCall, PeerError, PeerHeader,
    PeerIdentity, Peers,
};
pub use types::LogCommand;

pub(crate) use forward::repeats_alike;
