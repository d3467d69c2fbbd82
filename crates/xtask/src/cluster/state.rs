//! `cluster.json`: what whoever uses a running cluster needs to know about it.

use super::plan::{Planned, Role};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::{fs, io::Write, net::SocketAddr, os::unix::fs::OpenOptionsExt, path::Path};

/// What the first start of a cluster writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credentials {
    pub namespace: String,
    /// May read and write.
    pub encoder_api_key: String,
    /// May read.
    pub player_api_key: String,
    pub admin_token: String,
}

/// A running cluster.
#[derive(Debug, Serialize)]
pub struct State {
    /// The data plane of each frontend.
    pub data_urls: Vec<String>,
    /// The admin plane of the first frontend.
    pub admin_url: String,
    #[serde(flatten)]
    pub credentials: Credentials,
    pub processes: Vec<Running>,
}

/// One of its processes.
#[derive(Debug, Serialize)]
pub struct Running {
    pub role: Role,
    pub id: u64,
    pub zone: Option<&'static str>,
    pub pid: u32,
    pub addresses: Addresses,
    /// Starts it again, with the same configuration.
    pub command: Vec<String>,
}

/// Where a process listens.
#[derive(Debug, Serialize)]
pub struct Addresses {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
}

impl State {
    /// From the plan and what was started by it.
    pub fn new(
        planned: &[Planned],
        processes: Vec<Running>,
        credentials: Credentials,
    ) -> anyhow::Result<Self> {
        let frontends = || planned.iter().filter(|process| process.role == Role::Frontend);
        let data_urls = frontends().map(|process| format!("http://{}", process.listen)).collect();
        let first = frontends().next().context("a cluster has a frontend")?;
        Ok(Self { data_urls, admin_url: format!("http://{}", first.admin), credentials, processes })
    }

    /// Writes the file, readable by its owner only. Whoever sees it sees it whole.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let temporary = path.with_extension("json.tmp");
        // A file left over from a killed run may have other permissions.
        let _ = fs::remove_file(&temporary);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        fs::rename(&temporary, path).with_context(|| format!("write {}", path.display()))
    }
}
