//! `headwater meta`.

use headwater_telemetry::LogConfig;
use headwater_types::NamespaceName;
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{ConfigError, id, read, socket, value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Low {
    id: u64,
    data_dir: PathBuf,
    listen: String,
    admin_listen: String,
    #[serde(default)]
    bootstrap: bool,
    first_start: Option<FirstStartLow>,
    #[serde(default)]
    log: LogConfig,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstStartLow {
    namespace: String,
    credentials_file: PathBuf,
}

/// A metadata voter, ready to be built.
#[derive(Debug)]
pub struct MetaReady {
    /// Its Raft id, never used again.
    pub id: u64,
    /// Log, vote and snapshots.
    pub data_dir: PathBuf,
    /// gRPC.
    pub listen: SocketAddr,
    /// Health and metrics.
    pub admin_listen: SocketAddr,
    /// Makes a new group if the data directory is empty.
    pub bootstrap: bool,
    /// What the first start of a small installation makes.
    pub first_start: Option<FirstStart>,
    /// Logs.
    pub log: LogConfig,
}

/// A namespace with an encoder's and a player's key, made at the first start.
#[derive(Debug, Clone)]
pub struct FirstStart {
    /// The namespace.
    pub namespace: NamespaceName,
    /// Where the keys are written to, readable for the owner only.
    pub credentials_file: PathBuf,
}

impl MetaReady {
    /// Reads and validates a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let low: Low = read("meta", path)?;
        let first_start = match low.first_start {
            None => None,
            Some(first) => Some(FirstStart {
                namespace: NamespaceName::parse(&first.namespace)
                    .map_err(|e| value("first_start.namespace", &first.namespace, e))?,
                credentials_file: first.credentials_file,
            }),
        };
        Ok(Self {
            id: id(low.id)?,
            data_dir: low.data_dir,
            listen: socket("listen", &low.listen)?,
            admin_listen: socket("admin_listen", &low.admin_listen)?,
            bootstrap: low.bootstrap,
            first_start,
            log: low.log,
        })
    }
}
