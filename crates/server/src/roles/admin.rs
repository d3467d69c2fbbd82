//! The admin listener that every process has.

use anyhow::{Context, Result};
use headwater_admin::{AdminApi, AdminState, AuditLog};
use headwater_meta::{MetaCache, MetaStore};
use headwater_proto::Directory;
use headwater_types::{Clock, Rng};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::config::AdminReady;

/// A running admin plane.
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
}

/// The admin API over a role's parts.
pub fn api(
    config: AdminReady,
    (store, cache): (Arc<dyn MetaStore>, Arc<MetaCache>),
    directory: Arc<dyn Directory>,
    (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
) -> Result<AdminApi> {
    let audit = match config.audit_file {
        None => AuditLog::memory(),
        Some(path) => {
            AuditLog::file(&path).with_context(|| format!("admin.audit_file {}", path.display()))?
        }
    };
    let bootstrap_token = config.bootstrap_token;
    Ok(AdminApi { store, cache, directory: Some(directory), clock, rng, audit, bootstrap_token })
}

/// Binds and serves until `stop`.
pub async fn start(listen: SocketAddr, state: AdminState, stop: CancellationToken) -> Result<Admin> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("admin_listen {listen}"))?;
    let address = listener.local_addr()?;
    let router = headwater_admin::router(state);
    let task = tokio::spawn(headwater_admin::serve(listener, router, stop.cancelled_owned()));
    Ok(Admin { address, task })
}

impl Admin {
    /// Waits for its end.
    pub async fn stopped(self) -> Result<()> {
        self.task.await?.context("the admin listener")
    }
}
