//! A metadata voter.

use anyhow::{Context, Result, bail};
use headwater_admin::AdminState;
use headwater_meta::{
    GrpcPeers, MetaCache, MetaError, MetaStore, RaftMeta, RaftMetaConfig, VoterDeps,
    backup::{self, BackupMetrics, Leading},
    grpc::{meta_service, peer_service},
    worker::WorkerParts,
};
use headwater_proto::{directory::GrpcDirectory, grpc};
use headwater_telemetry::{MetricsRegistry, Readiness};
use headwater_types::Clock;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{META_WAIT, admin, system};
use crate::{
    config::{BackupReady, MetaReady},
    credentials::Credentials,
    stop,
};

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
        address: config.advertise.clone(),
        bootstrap: config.bootstrap,
        founders_checked: config.join.clone(),
        ..RaftMetaConfig::new(config.id, &config.data_dir)
    };
    let deps = VoterDeps { clock: clock.clone(), rng: rng.clone(), peers: Arc::new(GrpcPeers::new()) };
    let raft = RaftMeta::start_with(raft_config, deps).await?;
    let backup_metrics = BackupMetrics::default();
    metrics.register(|registry| {
        raft.metrics().register(registry);
        backup_metrics.register(registry);
    });
    let store: Arc<dyn MetaStore> = raft.clone();
    let (cache, following) = MetaCache::follow(store.clone(), clock.clone(), rng.clone());
    let directory = Arc::new(GrpcDirectory::new());
    let api = admin::api(
        format!("meta-{}", config.id),
        std::mem::take(&mut config.admin),
        (store.clone(), cache.clone()),
        directory.clone(),
        (clock.clone(), rng.clone()),
    )?;
    let state = AdminState { cache: Some(cache), metrics, readiness, data_url: None, api: Some(api) };
    let admin = admin::start(config.admin_listen, state, stop.clone()).await?;
    let worker_clock = clock.clone();
    let server = grpc::server_builder()
        .add_service(meta_service(store.clone(), raft.board().clone()))
        .add_service(peer_service(raft.clone()))
        .serve_with_incoming_shutdown(grpc::incoming(listener), stop.clone().cancelled_owned());
    let server = tokio::spawn(server);

    tokio::select! {
        ready = take_part(&raft, &config.join) => ready?,
        () = stop.cancelled() => {}
    }
    // The founder alone: the others find what it made.
    if let Some(first) = config.first_start.filter(|_| config.bootstrap && !stop.is_cancelled()) {
        Credentials::load_or_make(&first.credentials_file, store.as_ref(), rng.as_ref(), &first.namespace)
            .await?;
    }
    raft.start_workers(WorkerParts { directory, clock: worker_clock, rng });
    raft_ready.ready();
    let backing_up = match config.backup.filter(|_| !stop.is_cancelled()) {
        Some(config) => Some(back_up(&raft, config, clock, backup_metrics).await?),
        None => None,
    };
    tracing::info!(id = config.id, listen = %config.listen, advertise = %config.advertise, admin = %admin.address, "metadata voter is ready");

    let failed = tokio::select! {
        () = stop.cancelled() => None,
        reason = raft.failed() => Some(reason),
    };
    stop.cancel();
    if let Some(worker) = backing_up {
        worker.abort();
    }
    following.abort();
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

/// A quorum must have answered the leader within this for its state to be backed up.
const LEAD_CONFIRMED: Duration = Duration::from_secs(2);

/// Starts the worker that backs the metadata up while this voter leads.
async fn back_up(
    raft: &Arc<RaftMeta>,
    config: BackupReady,
    clock: Arc<dyn Clock>,
    metrics: BackupMetrics,
) -> Result<JoinHandle<()>> {
    let cluster = raft.membership().await?.cluster;
    let raft = raft.clone();
    let leads = move || {
        let state = raft.leading(LEAD_CONFIRMED)?;
        Some(Leading { state, cluster: cluster.clone() })
    };
    Ok(tokio::spawn(backup::run(config.target, config.every, config.keep, leads, clock, metrics)))
}

/// Becomes a member, or tells the others a new address, and waits for a leader. The voter must be served by then, as
/// the others call it back.
async fn take_part(raft: &RaftMeta, join: &[String]) -> Result<()> {
    if !raft.is_member() && !join.is_empty() {
        raft.join(join, META_WAIT).await.context("joining the metadata group")?;
    }
    raft.ready(META_WAIT).await?;
    match raft.is_still_member(META_WAIT).await {
        Err(MetaError::Invalid(why)) => bail!("the metadata voter failed: {why}"),
        other => other?,
    }
    match raft.join(join, META_WAIT).await {
        Err(MetaError::Invalid(why)) => bail!("this voter cannot take part: {why}"),
        Err(error) => tracing::warn!(%error, "the members do not know this voter's address yet"),
        Ok(()) => {}
    }
    Ok(())
}
