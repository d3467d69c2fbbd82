//! `headwater frontend`.

use headwater_frontend::FrontendConfig;
use headwater_telemetry::LogConfig;
use headwater_types::{ZoneName, limits};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    AccessLogTarget, AdminReady, ConfigError, HttpReady, admin::AdminLow, dump::redacted, http::HttpLow, id,
    log::AccessLogLow, read, socket, value, voters,
};

/// A watch says something every half a second and is given up after three: less would refuse keys at every hiccup.
const STALENESS_S_MIN: u64 = 5;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Low {
    id: u64,
    zone: String,
    listen: String,
    admin_listen: String,
    meta: Vec<String>,
    data_dir: Option<PathBuf>,
    auth_max_staleness_s: Option<u64>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    #[serde(default = "ingest_default")]
    ingest_budget_bytes: u64,
    #[serde(default = "near_default")]
    near_cache_bytes: u64,
    #[serde(default)]
    http: HttpLow,
    #[serde(default)]
    admin: AdminLow,
    #[serde(default)]
    log: LogConfig,
    #[serde(default)]
    access_log: AccessLogLow,
}

fn ingest_default() -> u64 {
    FrontendConfig::default().ingest_budget_bytes
}

fn near_default() -> u64 {
    FrontendConfig::default().near_cache_bytes
}

fn network(text: &String) -> Result<IpNet, ConfigError> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let allowed = "a network such as 10.0.0.0/8, or an address";
    text.parse().ok().or_else(address).ok_or_else(|| value("trusted_proxies", text, allowed))
}

/// A frontend, ready to be built.
#[derive(Debug)]
pub struct FrontendReady {
    /// Its id, for logs and for the list of who follows the metadata.
    pub id: u64,
    /// Where it stands: it reads from nodes of its own zone first.
    pub zone: ZoneName,
    /// The data plane.
    pub listen: SocketAddr,
    /// Health, metrics, the watch page and the admin API.
    pub admin_listen: SocketAddr,
    /// Metadata voters.
    pub meta: Vec<String>,
    /// Where the last state of the metadata is kept, so that it starts while no voter answers.
    pub data_dir: Option<PathBuf>,
    /// Every key is refused once the metadata has not been heard for this long; `None`: never.
    pub auth_max_staleness: Option<Duration>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Memory for bodies of writes that are not answered yet, in bytes.
    pub ingest_budget_bytes: u64,
    /// Memory for bodies of other processes' nodes that are kept for the next readers, in bytes; 0: none.
    pub near_cache_bytes: u64,
    /// What bounds connections and bodies.
    pub http: HttpReady,
    /// The admin API.
    pub admin: AdminReady,
    /// Logs.
    pub log: LogConfig,
    /// Access log.
    pub access_log: AccessLogTarget,
}

impl FrontendReady {
    /// Reads and validates a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::ready(read("frontend", path)?)
    }

    /// What a valid file means, without its secrets.
    pub(super) fn effective(path: &Path) -> Result<Value, ConfigError> {
        Self::ready(read("frontend", path)?)?;
        redacted(&read::<Low>("frontend", path)?)
    }

    fn ready(low: Low) -> Result<Self, ConfigError> {
        if low.ingest_budget_bytes < limits::OBJECT_BYTES_DEFAULT {
            let allowed = format!("at least one object of {} bytes", limits::OBJECT_BYTES_DEFAULT);
            return Err(value("ingest_budget_bytes", low.ingest_budget_bytes, allowed));
        }
        let staleness = low.auth_max_staleness_s;
        if let Some(given) = staleness.filter(|seconds| *seconds < STALENESS_S_MIN) {
            let allowed = format!("at least {STALENESS_S_MIN} seconds, or left out for no limit");
            return Err(value("auth_max_staleness_s", given, allowed));
        }
        Ok(Self {
            id: id(low.id)?,
            zone: ZoneName::parse(&low.zone).map_err(|e| value("zone", &low.zone, e))?,
            listen: socket("listen", &low.listen)?,
            admin_listen: socket("admin_listen", &low.admin_listen)?,
            meta: voters(&low.meta)?,
            data_dir: low.data_dir,
            auth_max_staleness: staleness.map(Duration::from_secs),
            trusted_proxies: low.trusted_proxies.iter().map(network).collect::<Result<_, _>>()?,
            ingest_budget_bytes: low.ingest_budget_bytes,
            near_cache_bytes: low.near_cache_bytes,
            http: low.http.ready()?,
            admin: low.admin.ready()?,
            log: low.log,
            access_log: low.access_log.ready(),
        })
    }
}
