//! The admin listener that every process has.

use anyhow::{Context, Result};
use headwater_admin::{AdminApi, AdminState, AuditLog, serve, serve::Limits};
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
    task: JoinHandle<()>,
}

/// The admin API over a role's parts. `name`: role and id, as the voters know it.
pub fn api(
    name: String,
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
    Ok(AdminApi {
        name,
        store,
        cache,
        directory: Some(directory),
        clock,
        rng,
        audit,
        bootstrap_token: config.bootstrap_token,
        auth_max_staleness: None,
        trusted_proxies: Vec::new(),
        key_uses: Arc::default(),
    })
}

/// Binds and serves until `stop`.
pub async fn start(listen: SocketAddr, state: AdminState, stop: CancellationToken) -> Result<Admin> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("admin_listen {listen}"))?;
    let address = listener.local_addr()?;
    let router = headwater_admin::router(state);
    let task = tokio::spawn(serve(listener, router, Limits::default(), stop.cancelled_owned()));
    Ok(Admin { address, task })
}

impl Admin {
    /// Waits for its end.
    pub async fn stopped(self) -> Result<()> {
        self.task.await.context("the admin listener")
    }
}
