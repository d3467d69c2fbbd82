//! `headwater frontend`.

use headwater_telemetry::LogConfig;
use headwater_types::{ZoneName, limits};
use serde::Deserialize;
use std::{net::SocketAddr, path::Path};

use super::{AccessLogTarget, ConfigError, id, log::AccessLogLow, read, socket, value, voters};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Low {
    id: u64,
    zone: String,
    listen: String,
    admin_listen: String,
    meta: Vec<String>,
    #[serde(default = "ingest_default")]
    ingest_budget_bytes: u64,
    #[serde(default)]
    log: LogConfig,
    #[serde(default)]
    access_log: AccessLogLow,
}

fn ingest_default() -> u64 {
    512 << 20
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
    /// Health, metrics and the watch page.
    pub admin_listen: SocketAddr,
    /// Metadata voters.
    pub meta: Vec<String>,
    /// Memory for bodies of writes that are not answered yet, in bytes.
    pub ingest_budget_bytes: u64,
    /// Logs.
    pub log: LogConfig,
    /// Access log.
    pub access_log: AccessLogTarget,
}

impl FrontendReady {
    /// Reads and validates a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let low: Low = read("frontend", path)?;
        if low.ingest_budget_bytes < limits::OBJECT_BYTES_DEFAULT {
            let allowed = format!("at least one object of {} bytes", limits::OBJECT_BYTES_DEFAULT);
            return Err(value("ingest_budget_bytes", low.ingest_budget_bytes, allowed));
        }
        Ok(Self {
            id: id(low.id)?,
            zone: ZoneName::parse(&low.zone).map_err(|e| value("zone", &low.zone, e))?,
            listen: socket("listen", &low.listen)?,
            admin_listen: socket("admin_listen", &low.admin_listen)?,
            meta: voters(&low.meta)?,
            ingest_budget_bytes: low.ingest_budget_bytes,
            log: low.log,
            access_log: low.access_log.ready(),
        })
    }
}
