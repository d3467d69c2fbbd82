//! The metadata in Raft: openraft over a log in redb and snapshots in files.

mod config;
mod document;
mod log_db;
mod log_store;
mod network;
mod node;
mod placement_worker;
mod snapshot_file;
mod state_machine;
#[cfg(test)]
pub(crate) mod tests;
mod types;

pub use config::RaftMetaConfig;
pub use log_db::LogError;
pub use node::{RaftMeta, StartError};
