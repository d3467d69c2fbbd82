//! A storage node.

use anyhow::{Context, Result, bail};
use headwater_admin::AdminState;
use headwater_meta::{MetaStore, grpc::MetaGrpcClient};
use headwater_node::{Identity, NodeConfig, NodeDeps, NodeMetrics, StorageNode, node, register};
use headwater_proto::{
    directory::GrpcDirectory,
    grpc::{self, replication_service, storage_service},
};
use headwater_store::{HotConfig, HotMetrics, HotTier, Tier};
use headwater_telemetry::{MetricsRegistry, Readiness};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpSocket;

use super::{META_WAIT, admin, follow, system};
use crate::{config::NodeReady, stop};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

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

    let mut identity = Identity::take(&config.data_dir, config.id, rng.as_ref())?;
    let listen = || format!("listen {}", config.listen);
    let socket = reserve(config.listen).with_context(listen)?;
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
    let state = AdminState { cache: Some(cache.clone()), metrics, readiness, data_url: None, api: None };
    let admin = admin::start(config.admin_listen, state, stop.clone()).await?;

    let registration =
        identity.registration(config.zone.clone(), config.advertise.clone(), tier.capacity_bytes());
    let registered = tokio::select! {
        registered = register(store.as_ref(), &cache, clock.as_ref(), vec![registration], META_WAIT) => registered?,
        () = stop.cancelled() => {
            following.abort();
            return admin.stopped().await;
        }
    };
    let member = *registered.members.first().context("the registration was answered without a process")?;
    identity.registered(member.incarnation)?;
    // From now on the others call this node: it listens as soon as it can answer.
    let listener = socket.listen(BACKLOG).with_context(listen)?;
    let node = StorageNode::start(
        NodeConfig { member, zone: config.zone.clone(), inflight_bytes_max: config.inflight_bytes_max },
        NodeDeps {
            tier: tier.clone(),
            cache: cache.clone(),
            directory: Arc::new(GrpcDirectory::new()),
            clock: clock.clone(),
            metrics: node_metrics,
        },
    );
    let expiry = tokio::spawn(tier.run_expiry());
    let service = Arc::new(node::NodeService(node.clone()));
    let server = grpc::server_builder()
        .add_service(storage_service(service.clone()))
        .add_service(replication_service(service))
        .serve_with_incoming_shutdown(grpc::incoming(listener), stop.clone().cancelled_owned());
    let server = tokio::spawn(server);

    let serve = async {
        cache.wait_for(registered.version).await;
        node.take_part(store.clone());
        in_map.ready();
        tracing::info!(%member, zone = %config.zone, listen = %config.listen, admin = %admin.address, "storage node is ready");
        node.replaced().await
    };
    let replaced = tokio::select! {
        newer = serve => Some(newer),
        () = stop.cancelled() => None,
    };

    if let Some(newer) = replaced {
        tracing::error!(%member, %newer, "another process has registered as this node: this one ends");
        stop.cancel();
    }
    if tokio::time::timeout(Duration::from_secs(1), server).await.is_err() {
        tracing::debug!("gRPC calls were cut");
    }
    node.stop(Duration::from_millis(500)).await;
    expiry.abort();
    following.abort();
    admin.stopped().await?;
    if let Some(newer) = replaced {
        bail!(
            "{member} was replaced by incarnation {newer}: another process of node {} has registered; this one ends",
            member.node
        );
    }
    Ok(())
}

/// Binds the address without listening there yet: until the node is registered, a caller is refused at once and asks
/// another member. It fails if another process listens there. Of several that only bind it, which `SO_REUSEADDR` permits
/// and a restart needs, all but the first fail when they listen.
fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
