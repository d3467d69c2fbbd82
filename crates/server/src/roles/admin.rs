//! The admin listener that every process has.

use anyhow::{Context, Result};
use headwater_admin::AdminState;
use std::net::SocketAddr;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A running admin plane.
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
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
