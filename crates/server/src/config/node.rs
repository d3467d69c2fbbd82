//! `headwater node`.

use headwater_telemetry::LogConfig;
use headwater_types::{NodeId, ZoneName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{ConfigError, dump::redacted, host_port, id, read, socket, value, voters};

/// The smallest hot capacity that makes sense: a few of the largest objects that a namespace allows by default.
const HOT_CAPACITY_MIN: u64 = 64 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Low {
    id: u64,
    zone: String,
    data_dir: PathBuf,
    listen: String,
    advertise: Option<String>,
    admin_listen: String,
    meta: Vec<String>,
    hot_capacity_bytes: u64,
    #[serde(default = "inflight_default")]
    inflight_bytes_max: u64,
    #[serde(default)]
    log: LogConfig,
}

fn inflight_default() -> u64 {
    1 << 30
}

/// A storage node, ready to be built.
#[derive(Debug)]
pub struct NodeReady {
    /// Its id, never used again for another machine's data.
    pub id: NodeId,
    /// Where it stands.
    pub zone: ZoneName,
    /// Its identity and the last state of the metadata.
    pub data_dir: PathBuf,
    /// gRPC.
    pub listen: SocketAddr,
    /// Where others reach `listen`.
    pub advertise: String,
    /// Health and metrics.
    pub admin_listen: SocketAddr,
    /// Metadata voters.
    pub meta: Vec<String>,
    /// Memory for objects, in bytes.
    pub hot_capacity_bytes: u64,
    /// Memory for bodies that are arriving, in bytes.
    pub inflight_bytes_max: u64,
    /// Logs.
    pub log: LogConfig,
}

impl NodeReady {
    /// Reads and validates a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::ready(read("node", path)?)
    }

    /// What a valid file means, without its secrets.
    pub(super) fn effective(path: &Path) -> Result<Value, ConfigError> {
        Self::ready(read("node", path)?)?;
        redacted(&read::<Low>("node", path)?)
    }

    fn ready(low: Low) -> Result<Self, ConfigError> {
        if low.hot_capacity_bytes < HOT_CAPACITY_MIN {
            let allowed = format!("at least {HOT_CAPACITY_MIN} bytes");
            return Err(value("hot_capacity_bytes", low.hot_capacity_bytes, allowed));
        }
        let advertise = low.advertise.unwrap_or_else(|| low.listen.clone());
        Ok(Self {
            id: NodeId(id(low.id)?),
            zone: ZoneName::parse(&low.zone).map_err(|e| value("zone", &low.zone, e))?,
            data_dir: low.data_dir,
            listen: socket("listen", &low.listen)?,
            advertise: host_port("advertise", &advertise)?,
            admin_listen: socket("admin_listen", &low.admin_listen)?,
            meta: voters(&low.meta)?,
            hot_capacity_bytes: low.hot_capacity_bytes,
            inflight_bytes_max: low.inflight_bytes_max,
            log: low.log,
        })
    }
}
