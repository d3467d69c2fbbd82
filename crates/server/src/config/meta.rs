//! `headwater meta`.

use headwater_telemetry::LogConfig;
use headwater_types::NamespaceName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    AdminReady, BackupReady, ConfigError, admin::AdminLow, backup::BackupLow, dump::redacted, host_port, id,
    read, socket, value,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Low {
    id: u64,
    data_dir: PathBuf,
    listen: String,
    advertise: Option<String>,
    admin_listen: String,
    #[serde(default)]
    bootstrap: bool,
    #[serde(default)]
    join: Vec<String>,
    first_start: Option<FirstStartLow>,
    backup: Option<BackupLow>,
    #[serde(default)]
    admin: AdminLow,
    #[serde(default)]
    log: LogConfig,
}

#[derive(Debug, Serialize, Deserialize)]
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
    /// Health, metrics and the admin API.
    pub admin_listen: SocketAddr,
    /// Where the other voters reach `listen`: a name that stays, as membership remembers it.
    pub advertise: String,
    /// Makes a new group if the data directory is empty. One voter of a cluster has it, once.
    pub bootstrap: bool,
    /// Members that are asked to take this voter in.
    pub join: Vec<String>,
    /// What the first start of a small installation makes.
    pub first_start: Option<FirstStart>,
    /// Regular backups, made by whichever voter leads; `None`: none.
    pub backup: Option<BackupReady>,
    /// The admin API.
    pub admin: AdminReady,
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
        Self::ready(read("meta", path)?)
    }

    /// What a valid file means, without its secrets.
    pub(super) fn effective(path: &Path) -> Result<Value, ConfigError> {
        Self::ready(read("meta", path)?)?;
        redacted(&read::<Low>("meta", path)?)
    }

    fn ready(low: Low) -> Result<Self, ConfigError> {
        let first_start = match low.first_start {
            None => None,
            Some(first) => Some(FirstStart {
                namespace: NamespaceName::parse(&first.namespace)
                    .map_err(|e| value("first_start.namespace", &first.namespace, e))?,
                credentials_file: first.credentials_file,
            }),
        };
        let advertise = low.advertise.unwrap_or_else(|| low.listen.clone());
        let join = low.join.iter().map(|address| host_port("join", address)).collect::<Result<_, _>>()?;
        Ok(Self {
            id: id(low.id)?,
            data_dir: low.data_dir,
            listen: socket("listen", &low.listen)?,
            advertise: host_port("advertise", &advertise)?,
            admin_listen: socket("admin_listen", &low.admin_listen)?,
            bootstrap: low.bootstrap,
            join,
            first_start,
            backup: low.backup.map(BackupLow::ready).transpose()?,
            admin: low.admin.ready()?,
            log: low.log,
        })
    }

    /// Adds members to ask, as the command line names them.
    pub fn add_join(&mut self, addresses: Vec<String>) -> Result<(), ConfigError> {
        for address in addresses {
            self.join.push(host_port("join", &address)?);
        }
        Ok(())
    }
}
