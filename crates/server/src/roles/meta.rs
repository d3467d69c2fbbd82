//! A metadata voter.

use anyhow::{Context, Result, bail};
use headwater_admin::AdminState;
use headwater_meta::{
    MetaStore, RaftMeta, RaftMetaConfig,
    grpc::{Heartbeats, meta_service},
};
use headwater_proto::grpc;
use headwater_telemetry::{MetricsRegistry, Readiness};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

use super::{META_WAIT, admin, system};
use crate::{config::MetaReady, credentials::Credentials, stop};

/// Runs one until it is told to stop.
pub async fn run(mut config: MetaReady) -> Result<()> {
    config.log.service.role = "meta".into();
    let _telemetry = headwater_telemetry::init(&config.log)?;
    let stop = stop::on_signal()?;
    let (clock, rng) = system();
    let metrics = Arc::new(MetricsRegistry::new());
    let readiness = Readiness::new();
    let raft_ready = readiness.condition("raft");

    let listener =
        TcpListener::bind(config.listen).await.with_context(|| format!("listen {}", config.listen))?;
    let raft_config = RaftMetaConfig {
        address: listener.local_addr()?.to_string(),
        bootstrap: config.bootstrap,
        ..RaftMetaConfig::new(config.id, &config.data_dir)
    };
    let raft = RaftMeta::start(raft_config, clock.clone()).await?;
    metrics.register(|registry| raft.metrics().register(registry));
    let state = AdminState { cache: None, metrics, readiness, data_url: None };
    let admin = admin::start(config.admin_listen, state, stop.clone()).await?;
    let store: Arc<dyn MetaStore> = raft.clone();
    let server = grpc::server_builder()
        .add_service(meta_service(store.clone(), Heartbeats::new(clock)))
        .serve_with_incoming_shutdown(grpc::incoming(listener), stop.clone().cancelled_owned());
    let server = tokio::spawn(server);

    tokio::select! {
        ready = raft.ready(META_WAIT) => ready?,
        () = stop.cancelled() => {}
    }
    if let Some(first) = config.first_start.filter(|_| !stop.is_cancelled()) {
        Credentials::load_or_make(&first.credentials_file, store.as_ref(), rng.as_ref(), &first.namespace)
            .await?;
    }
    raft_ready.ready();
    tracing::info!(id = config.id, listen = %config.listen, admin = %admin.address, "metadata voter is ready");

    let failed = tokio::select! {
        () = stop.cancelled() => None,
        reason = raft.failed() => Some(reason),
    };
    stop.cancel();
    // Watches are open for ever: the server ends when they are cut, which the shutdown of Raft does.
    raft.shutdown().await;
    if tokio::time::timeout(Duration::from_secs(1), server).await.is_err() {
        tracing::debug!("gRPC calls were cut");
    }
    admin.stopped().await?;
    match failed {
        Some(reason) => bail!("the metadata voter failed: {reason}"),
        None => Ok(()),
    }
}
