//! A storage node.

use anyhow::{Context, Result};
use headwater_admin::AdminState;
use headwater_meta::{MetaError, MetaStore, NodeRecord, grpc::MetaGrpcClient};
use headwater_node::{Identity, NodeConfig, NodeDeps, NodeMetrics, StartError, StorageNode, node};
use headwater_proto::{
    directory::GrpcDirectory,
    grpc::{self, replication_service, storage_service},
};
use headwater_store::{HotConfig, HotMetrics, HotTier};
use headwater_telemetry::{MetricsRegistry, Readiness};
use headwater_types::Clock;
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

use super::{META_WAIT, admin, follow, system};
use crate::{config::NodeReady, stop};

/// Runs one until it is told to stop.
pub async fn run(mut config: NodeReady) -> Result<()> {
    config.log.service.role = "node".into();
    config.log.service.node = Some(config.id);
    config.log.service.zone = Some(config.zone.clone());
    let _telemetry = headwater_telemetry::init(&config.log)?;
    let stop = stop::on_signal()?;
    let (clock, rng) = system();
    let metrics = Arc::new(MetricsRegistry::new());
    let readiness = Readiness::new();
    let in_map = readiness.condition("map");

    let identity = Identity::take(&config.data_dir, config.id)?;
    let listener =
        TcpListener::bind(config.listen).await.with_context(|| format!("listen {}", config.listen))?;
    let watcher = format!("node-{}", config.id);
    let store: Arc<dyn MetaStore> =
        Arc::new(MetaGrpcClient::new(&config.meta, &watcher, clock.clone(), rng.clone())?);
    let (cache, following) = follow(store.clone(), Some(&config.data_dir), clock.clone(), rng).await?;
    let tier = HotTier::new(HotConfig::with_capacity(config.hot_capacity_bytes), clock.clone());
    let tier = Arc::new(tier);
    let node_metrics = metrics.register(|registry| {
        HotMetrics::new(vec![(config.zone.clone(), tier.clone())]).register(registry);
        NodeMetrics::register(registry, &[config.zone.clone()]).remove(0)
    });
    let node = StorageNode::start(
        NodeConfig {
            member: identity.member(),
            zone: config.zone.clone(),
            address: config.advertise.clone(),
            inflight_bytes_max: config.inflight_bytes_max,
        },
        NodeDeps {
            tier: tier.clone(),
            cache: cache.clone(),
            directory: Arc::new(GrpcDirectory::new()),
            clock: clock.clone(),
            metrics: node_metrics,
        },
    );
    let expiry = tokio::spawn(tier.run_expiry());
    let state = AdminState { cache: Some(cache.clone()), metrics, readiness, data_url: None, api: None };
    let admin = admin::start(config.admin_listen, state, stop.clone()).await?;
    let service = Arc::new(node::NodeService(node.clone()));
    let server = grpc::server_builder()
        .add_service(storage_service(service.clone()))
        .add_service(replication_service(service))
        .serve_with_incoming_shutdown(grpc::incoming(listener), stop.clone().cancelled_owned());
    let server = tokio::spawn(server);

    tokio::select! {
        registered = register(store.as_ref(), clock.as_ref(), vec![node.record()]) => {
            cache.wait_for(registered?).await;
            node.take_part(store.clone());
            in_map.ready();
            let member = node.member();
            tracing::info!(%member, zone = %config.zone, listen = %config.listen, admin = %admin.address, "storage node is ready");
        }
        () = stop.cancelled() => {}
    }

    stop.cancelled().await;
    if tokio::time::timeout(Duration::from_secs(1), server).await.is_err() {
        tracing::debug!("gRPC calls were cut");
    }
    node.stop(Duration::from_millis(500)).await;
    expiry.abort();
    following.abort();
    admin.stopped().await
}

/// Registers nodes with the metadata; tries again while that cannot be reached, at most for [`META_WAIT`].
pub async fn register(
    store: &dyn MetaStore,
    clock: &dyn Clock,
    nodes: Vec<NodeRecord>,
) -> Result<u64, StartError> {
    let until = clock.monotonic() + META_WAIT;
    loop {
        match node::register(store, nodes.clone(), Duration::from_secs(5)).await {
            Err(StartError::Meta(MetaError::Unavailable(why) | MetaError::Unknown(why)))
                if clock.monotonic() < until =>
            {
                tracing::debug!(%why, "the metadata does not answer yet");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => return other,
        }
    }
}
