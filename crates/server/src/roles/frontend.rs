//! An HTTP frontend.

use anyhow::{Context, Result};
use headwater_admin::{AdminApi, AdminState};
use headwater_frontend::{
    Frontend, FrontendConfig, FrontendParts,
    net::{self, NetMetrics},
};
use headwater_meta::{Guidance, MetaCache, MetaStore, grpc::MetaGrpcClient, reporter};
use headwater_proto::directory::{Directory, GrpcDirectory};
use headwater_telemetry::{AccessLog, MetricsRegistry, Readiness};
use headwater_types::{Clock, KeyId, Rng, UnixMillis, ZoneName};
use ipnet::IpNet;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{admin, follow, system};
use crate::{
    config::{AccessLogTarget, FrontendReady, HttpReady},
    stop,
};

/// Runs one until it is told to stop.
pub async fn run(mut config: FrontendReady) -> Result<()> {
    config.log.service.role = "frontend".into();
    config.log.service.zone = Some(config.zone.clone());
    let _telemetry = headwater_telemetry::init(&config.log)?;
    let stop = stop::on_signal()?;
    let (clock, rng) = system();
    let metrics = Arc::new(MetricsRegistry::new());
    let readiness = Readiness::new();
    let has_map = readiness.condition("map");

    let watcher = format!("frontend-{}", config.id);
    let store: Arc<dyn MetaStore> =
        Arc::new(MetaGrpcClient::new(&config.meta, &watcher, clock.clone(), rng.clone())?);
    let (cache, following) =
        follow(store.clone(), config.data_dir.as_deref(), clock.clone(), rng.clone()).await?;
    let directory: Arc<dyn Directory> = Arc::new(GrpcDirectory::new());
    let api = admin::api(
        watcher.clone(),
        std::mem::take(&mut config.admin),
        (store.clone(), cache.clone()),
        directory.clone(),
        (clock.clone(), rng.clone()),
    )?;
    let api = AdminApi {
        auth_max_staleness: config.auth_max_staleness,
        trusted_proxies: config.trusted_proxies.clone(),
        ..api
    };
    let access_log = access_log(&config.access_log, &metrics)?;
    let plane = DataPlane {
        listen: config.listen,
        zone: Some(config.zone.clone()),
        ingest_budget_bytes: config.ingest_budget_bytes,
        near_cache_bytes: config.near_cache_bytes,
        http: std::mem::take(&mut config.http),
        trusted_proxies: std::mem::take(&mut config.trusted_proxies),
        auth_max_staleness: config.auth_max_staleness,
        name: watcher,
        store,
        cache: cache.clone(),
        directory,
        clock,
        rng,
        access_log: access_log.clone(),
        readiness: readiness.clone(),
    };
    // Cancelled once `/readyz` says so: no balancer reads there that a frontend which closes its connections is ready.
    let plane_stop = CancellationToken::new();
    let RunningPlane { address, serving, reporting } = plane.start(&metrics, plane_stop.clone()).await?;
    let data_url = Some(format!("http://{address}"));
    let state = AdminState { cache: Some(cache.clone()), metrics, readiness, data_url, api: Some(api) };
    // It goes on while the data plane drains, so that `/readyz` tells of that.
    let admin_stop = CancellationToken::new();
    let admin = admin::start(config.admin_listen, state, admin_stop.clone()).await?;

    tokio::select! {
        () = map(&cache) => {
            has_map.ready();
            let auth_max_staleness = config.auth_max_staleness;
            tracing::info!(id = config.id, listen = %address, admin = %admin.address, ?auth_max_staleness, "frontend is ready");
        }
        () = stop.cancelled() => {}
    }
    stop.cancelled().await;
    has_map.not_ready("stopping");
    plane_stop.cancel();
    serving.await??;
    reporting.abort();
    following.abort();
    access_log.shutdown();
    admin_stop.cancel();
    admin.stopped().await
}

/// Waits until the watched copy has a shard map.
pub async fn map(cache: &MetaCache) {
    let mut version = cache.subscribe();
    while cache.state().shards.is_empty() {
        if version.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Connections that the kernel holds until they are accepted. Encoders and players come in bursts, and one too many is
/// reset.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As `TcpListener::bind` does, so that a restart need not wait for old connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Opens the access log.
pub fn access_log(target: &AccessLogTarget, metrics: &MetricsRegistry) -> Result<AccessLog> {
    let log = match target {
        AccessLogTarget::Off => AccessLog::disabled(),
        AccessLogTarget::Stdout => AccessLog::stdout()?,
        AccessLogTarget::File(path) => {
            AccessLog::file(path).with_context(|| format!("access_log.path {}", path.display()))?
        }
    };
    log.register(metrics);
    Ok(log)
}

/// What a data plane is started from, here and in `headwater dev`.
pub struct DataPlane {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it stands.
    pub zone: Option<ZoneName>,
    /// Memory for bodies of writes that are not answered yet.
    pub ingest_budget_bytes: u64,
    /// Memory for bodies of other processes' nodes that are kept for the next readers; 0: none.
    pub near_cache_bytes: u64,
    /// What bounds connections and bodies.
    pub http: HttpReady,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Keys are refused once the metadata has not been heard for so long.
    pub auth_max_staleness: Option<Duration>,
    /// Role and id, as the metadata voters know it.
    pub name: String,
    /// The metadata voters.
    pub store: Arc<dyn MetaStore>,
    /// The watched metadata.
    pub cache: Arc<MetaCache>,
    /// How nodes are reached.
    pub directory: Arc<dyn Directory>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Access log.
    pub access_log: AccessLog,
    /// What `/readyz` tells.
    pub readiness: Readiness,
}

/// A data plane that serves.
pub struct RunningPlane {
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends when every connection is closed.
    pub serving: JoinHandle<Result<()>>,
    /// Tells the voters how far the copy of the metadata is and which keys are in use; to be aborted.
    pub reporting: JoinHandle<()>,
}

/// The frontend's part of a report.
#[derive(Debug)]
struct Reporting(Arc<Frontend>);

impl reporter::ReportExtras for Reporting {
    fn take_keys_used(&self, _max: usize) -> Vec<(KeyId, UnixMillis)> {
        self.0.keys_used()
    }

    fn guided(&self, guidance: Guidance) {
        self.0.follow(&guidance);
    }
}

impl DataPlane {
    /// Binds and serves until `stop`.
    pub async fn start(self, metrics: &MetricsRegistry, stop: CancellationToken) -> Result<RunningPlane> {
        let listener = listen(self.listen).with_context(|| format!("listen {}", self.listen))?;
        let address = listener.local_addr()?;
        let frontend = Frontend::new(FrontendParts {
            config: FrontendConfig {
                zone: self.zone,
                ingest_budget_bytes: self.ingest_budget_bytes,
                near_cache_bytes: self.near_cache_bytes,
                trusted_proxies: self.trusted_proxies,
                auth_max_staleness: self.auth_max_staleness,
                body_idle: self.http.body_idle,
                ..FrontendConfig::default()
            },
            cache: self.cache.clone(),
            directory: self.directory,
            clock: self.clock.clone(),
            rng: self.rng,
            access_log: self.access_log,
            readiness: self.readiness,
        });
        let net_metrics = NetMetrics::default();
        metrics.register(|registry| {
            frontend.metrics().register(registry);
            net_metrics.register(registry);
        });
        let net_config = self.http.net;
        let clock = self.clock;
        let extras = Arc::new(Reporting(frontend.clone()));
        let reporting = tokio::spawn(reporter::run(self.store, self.cache, self.name, extras));
        let serving = tokio::spawn(async move {
            let drained = net::serve(listener, frontend, net_config, net_metrics, clock, stop).await?;
            tracing::info!(?drained, "data plane closed");
            Ok(())
        });
        Ok(RunningPlane { address, serving, reporting })
    }
}
