//! A server under test, as the load generators see it.

use crate::{client::Connection, process::Server};
use anyhow::{Context, ensure};
use std::{fmt, net::SocketAddr};
use tempfile::TempDir;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The peer: one worker, sendfile, files in memory, uploads by WebDAV, no credentials, one copy.
    Nginx,
    /// All of Headwater in one process: credentials checked, two replicas.
    Dev,
    /// The same, of an earlier build.
    #[serde(rename = "dev before")]
    DevBefore,
    /// Headwater as processes: a voter, a node in each zone, a frontend, all on the one core.
    Cluster,
    /// The same, of an earlier build.
    #[serde(rename = "cluster before")]
    ClusterBefore,
}

impl Kind {
    /// The same roles of the earlier build.
    pub fn before(self) -> Option<Self> {
        match self {
            Self::Dev => Some(Self::DevBefore),
            Self::Cluster => Some(Self::ClusterBefore),
            Self::Nginx | Self::DevBefore | Self::ClusterBefore => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Nginx => "nginx",
            Self::Dev => "dev",
            Self::DevBefore => "dev before",
            Self::Cluster => "cluster",
            Self::ClusterBefore => "cluster before",
        })
    }
}

/// A running server and how to use it. Dropping it stops the server, then removes its files.
#[derive(Debug)]
pub struct Target {
    pub kind: Kind,
    pub address: SocketAddr,
    /// Sent with every request for writing.
    pub write_key: String,
    /// Sent with every request for reading.
    pub read_key: String,
    // Fields are dropped in this order: first the process, then its files.
    _server: Server,
    _files: TempDir,
}

impl Target {
    /// A server that is ready.
    pub fn new(
        kind: Kind,
        address: SocketAddr,
        write_key: String,
        read_key: String,
        server: Server,
        files: TempDir,
    ) -> Self {
        Self { kind, address, write_key, read_key, _server: server, _files: files }
    }

    /// The path of an object; the same for every target.
    pub fn path(name: &str) -> String {
        format!("/cache/live-origin/bench/{name}")
    }

    /// A connection for writing.
    pub fn writer(&self) -> Connection {
        Connection::new(self.address, &self.write_key)
    }

    /// A connection for reading.
    pub fn reader(&self) -> Connection {
        Connection::new(self.address, &self.read_key)
    }

    /// Stores an object and reads it back.
    ///
    /// # Errors
    /// Either fails, or the length that comes back differs.
    pub async fn prepare(&self, name: &str, body: &[u8]) -> anyhow::Result<()> {
        let path = Self::path(name);
        let stored = self.writer().put(&format!("{path}?ttl_seconds=3600"), body).await;
        stored.with_context(|| format!("{}: PUT {path}", self.kind))?;
        let read = self.reader().get(&path).await.with_context(|| format!("{}: GET {path}", self.kind))?;
        ensure!(read == body.len(), "{}: GET {path} gave {read} of {} bytes", self.kind, body.len());
        Ok(())
    }
}
