//! The configuration files that a cluster's processes are started with.

use serde::Serialize;
use std::{net::SocketAddr, path::PathBuf};

/// What encoders and players use: the server's own name for it.
pub const NAMESPACE: &str = "live-origin";

/// `meta.toml`.
#[derive(Debug, Serialize)]
pub struct Meta {
    /// Voter id, from 1.
    pub id: u64,
    pub data_dir: PathBuf,
    /// gRPC.
    pub listen: SocketAddr,
    /// Health and metrics.
    pub admin_listen: SocketAddr,
    /// Where the other voters reach `listen`.
    pub advertise: SocketAddr,
    /// Whether this voter forms the group.
    pub bootstrap: bool,
    /// Voters that take this one in, or that the founder asks whether there is a group already.
    pub join: Vec<SocketAddr>,
    /// The founder's alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_start: Option<FirstStart>,
    pub log: Log,
}

/// What the first start of a new group creates.
#[derive(Debug, Serialize)]
pub struct FirstStart {
    pub namespace: &'static str,
    /// Where the keys go, as JSON, readable by the owner only.
    pub credentials_file: PathBuf,
}

/// `node.toml`.
#[derive(Debug, Serialize)]
pub struct Node {
    /// Storage node id, from 1, over all zones.
    pub id: u64,
    pub zone: &'static str,
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    /// Where frontends and other nodes reach `listen`.
    pub advertise: SocketAddr,
    pub admin_listen: SocketAddr,
    pub meta: Vec<SocketAddr>,
    pub hot_capacity_bytes: u64,
    pub log: Log,
}

/// `frontend.toml`.
#[derive(Debug, Serialize)]
pub struct Frontend {
    /// Frontend id, from 1, over all zones.
    pub id: u64,
    pub zone: &'static str,
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub meta: Vec<SocketAddr>,
    pub ingest_budget_bytes: u64,
    pub log: Log,
    pub access_log: AccessLog,
}

/// The process' log, on its standard error.
#[derive(Debug, Clone, Serialize)]
pub struct Log {
    /// `human` or `json`.
    pub format: &'static str,
    /// A level, or directives by module.
    pub filter: String,
}

/// The log of requests.
#[derive(Debug, Serialize)]
pub struct AccessLog {
    /// `stdout`, `off` or a file.
    pub path: String,
}
