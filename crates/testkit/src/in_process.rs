//! A whole two-zone cluster inside the test: direct calls between the roles, or gRPC on loopback, and real sockets for
//! HTTP.

use anyhow::{Context, Result};
use headwater_frontend::{
    Frontend, FrontendConfig, FrontendParts,
    net::{self, NetConfig, NetMetrics},
};
use headwater_meta::{
    Command, MetaCache, MetaStore, NamespaceSettings, Outcome, Permission, RaftMeta, RaftMetaConfig,
    bootstrap, worker::WorkerParts,
};
use headwater_node::{Identity, NodeConfig, NodeDeps, NodeMetrics, StorageNode, node, register};
use headwater_proto::{
    directory::{Directory, GrpcDirectory, LocalDirectory},
    grpc::{self, replication_service, storage_service},
};
use headwater_store::{HotConfig, HotTier};
use headwater_telemetry::{AccessLog, Readiness};
use headwater_types::{
    ApiKey, Clock, KeyId, NamespaceId, NamespaceName, NodeId, Rng, SystemClock, SystemRng, ZoneName,
};
use prometheus_client::registry::Registry;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::slow_links::SlowLinks;

/// What a test chooses.
#[derive(Debug, Clone)]
pub struct InProcessConfig {
    /// Bytes of each node's hot tier.
    pub hot_capacity: u64,
    /// Whether the nodes are called over gRPC, as where each is a process of its own.
    pub grpc: bool,
    /// Settings of the frontends; their zones are `a` and `b`.
    pub frontend: FrontendConfig,
    /// Deadlines and bounds of connections.
    pub net: NetConfig,
    /// Where the first frontend's access log goes.
    pub access_log: Option<PathBuf>,
    /// Whether commits between the nodes are delayed: by less than this, each as the seed has it.
    pub slow_links: Option<(u64, Duration)>,
}

impl Default for InProcessConfig {
    fn default() -> Self {
        Self {
            hot_capacity: 256 << 20,
            grpc: false,
            frontend: FrontendConfig::default(),
            net: NetConfig::default(),
            access_log: None,
            slow_links: None,
        }
    }
}

/// A running cluster: one metadata voter, a node in each of zones `a` and `b`, a frontend in each.
pub struct InProcess {
    /// The metadata.
    pub store: Arc<dyn MetaStore>,
    /// `host:port` of the frontends' data planes.
    pub addresses: Vec<String>,
    /// The frontends' watched copy.
    pub cache: Arc<MetaCache>,
    /// The nodes.
    pub nodes: Vec<Arc<StorageNode>>,
    /// Their hot tiers.
    pub tiers: Vec<Arc<HotTier>>,
    /// What the frontends' `/readyz` tells. Without a condition they are ready.
    pub readiness: Readiness,
    raft: Arc<RaftMeta>,
    rng: Arc<dyn Rng>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    _identities: Vec<Identity>,
    _dir: tempfile::TempDir,
}

/// A namespace with its keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Its name.
    pub namespace: NamespaceName,
    /// Its id.
    pub id: NamespaceId,
    /// Reads and writes.
    pub encoder: String,
    /// Reads.
    pub player: String,
    /// The id of the player's key.
    pub player_id: KeyId,
}

impl InProcess {
    /// Starts one.
    pub async fn start(config: InProcessConfig) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let rng: Arc<dyn Rng> = Arc::new(SystemRng);
        let stop = CancellationToken::new();
        let raft_config =
            RaftMetaConfig { bootstrap: true, ..RaftMetaConfig::new(1, dir.path().join("meta")) };
        let raft = RaftMeta::start(raft_config, clock.clone()).await?;
        raft.ready(Duration::from_secs(10)).await?;
        let store: Arc<dyn MetaStore> = raft.clone();
        let (cache, following) = MetaCache::follow(store.clone(), clock.clone(), rng.clone());
        let mut tasks = vec![following];

        let local = Arc::new(LocalDirectory::new());
        let directory: Arc<dyn Directory> =
            if config.grpc { Arc::new(GrpcDirectory::new()) } else { local.clone() };
        let directory: Arc<dyn Directory> = match config.slow_links {
            Some((seed, max)) => Arc::new(SlowLinks::new(directory, seed, max)),
            None => directory,
        };
        let (mut nodes, mut tiers, mut identities) = (Vec::new(), Vec::new(), Vec::new());
        let zones = [ZoneName::parse("a")?, ZoneName::parse("b")?];
        let mut metrics = NodeMetrics::register(&mut Registry::default(), &zones);
        let (mut listeners, mut registrations) = (Vec::new(), Vec::new());
        for (id, zone) in [NodeId(1), NodeId(2)].into_iter().zip(&zones) {
            let identity = Identity::take(&dir.path().join(format!("node-{id}")), id, rng.as_ref())?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?.to_string();
            registrations.push(identity.registration(zone.clone(), address, config.hot_capacity));
            listeners.push(listener);
            identities.push(identity);
        }
        let limit = Duration::from_secs(10);
        let registered = register(store.as_ref(), &cache, clock.as_ref(), registrations, limit).await?;
        for (identity, member) in identities.iter_mut().zip(&registered.members) {
            identity.registered(member.incarnation)?;
        }
        for ((member, zone), listener) in registered.members.into_iter().zip(zones).zip(listeners) {
            let id = member.node;
            let tier = Arc::new(HotTier::new(HotConfig::with_capacity(config.hot_capacity), clock.clone()));
            let inflight_bytes_max = config.frontend.ingest_budget_bytes * 2;
            let node_config = NodeConfig { member, zone, inflight_bytes_max };
            let deps = NodeDeps {
                tier: tier.clone(),
                cache: cache.clone(),
                directory: directory.clone(),
                clock: clock.clone(),
                metrics: metrics.remove(0),
            };
            let node = StorageNode::start(node_config, deps);
            let service = Arc::new(node::NodeService(node.clone()));
            if config.grpc {
                let server = grpc::server_builder()
                    .add_service(storage_service(service.clone()))
                    .add_service(replication_service(service))
                    .serve_with_incoming_shutdown(grpc::incoming(listener), stop.clone().cancelled_owned());
                tasks.push(tokio::spawn(async move { server.await.expect("the node serves") }));
            } else {
                local.register(id, service.clone(), service);
            }
            tasks.push(tokio::spawn(tier.clone().run_expiry()));
            nodes.push(node);
            tiers.push(tier);
        }
        cache.wait_for(registered.version).await;
        nodes.iter().for_each(|node| node.take_part(store.clone()));
        let parts = WorkerParts { directory: directory.clone(), clock: clock.clone(), rng: rng.clone() };
        raft.start_workers(parts);
        let mut seen = cache.subscribe();
        while cache.state().shards.is_empty() {
            seen.changed().await?;
        }

        let readiness = Readiness::new();
        let mut addresses = Vec::new();
        for zone in ["a", "b"] {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            addresses.push(listener.local_addr()?.to_string());
            let access_log = match config.access_log.as_ref().filter(|_| zone == "a") {
                Some(path) => AccessLog::file(path)?,
                None => AccessLog::disabled(),
            };
            let frontend = Frontend::new(FrontendParts {
                config: FrontendConfig { zone: Some(ZoneName::parse(zone)?), ..config.frontend.clone() },
                cache: cache.clone(),
                directory: directory.clone(),
                clock: clock.clone(),
                rng: rng.clone(),
                access_log,
                readiness: readiness.clone(),
            });
            let (net, clock, stopped) = (config.net.clone(), clock.clone(), stop.clone());
            tasks.push(tokio::spawn(async move {
                let served = net::serve(listener, frontend, net, NetMetrics::default(), clock, stopped).await;
                served.expect("the data plane serves");
            }));
        }
        Ok(Self {
            store,
            addresses,
            cache,
            nodes,
            tiers,
            raft,
            rng,
            readiness,
            stop,
            tasks,
            _identities: identities,
            _dir: dir,
        })
    }

    /// Makes a namespace with an encoder's and a player's key, known to the frontends when this returns.
    pub async fn namespace(&self, name: &str, settings: NamespaceSettings) -> Result<Keys> {
        let namespace = NamespaceName::parse(name)?;
        let id = bootstrap::ensure_namespace(self.store.as_ref(), namespace.clone(), settings).await?;
        let encoder = self.key(Some(id), Permission::ReadWrite, None).await?;
        let player = self.key(Some(id), Permission::ReadOnly, None).await?;
        Ok(Keys { namespace, id, encoder: encoder.reveal(), player: player.reveal(), player_id: player.id })
    }

    /// Makes one more key, known to the frontends when this returns.
    pub async fn key(
        &self,
        namespace: Option<NamespaceId>,
        permission: Permission,
        prefix: Option<&str>,
    ) -> Result<ApiKey> {
        let prefix = prefix.map(str::to_owned);
        let key =
            bootstrap::issue_key(self.store.as_ref(), self.rng.as_ref(), namespace, permission, prefix, None)
                .await?;
        self.settle().await?;
        Ok(key)
    }

    /// Changes the metadata; the frontends know of it when this returns.
    pub async fn propose(&self, command: Command) -> Result<Outcome> {
        let applied = self.store.propose(command, Duration::from_secs(30)).await?;
        self.settle().await?;
        Ok(applied.outcome)
    }

    /// Waits until the frontends know everything that was proposed.
    pub async fn settle(&self) -> Result<()> {
        let applied = self.store.membership().await?.applied;
        let seen = tokio::time::timeout(Duration::from_secs(30), self.cache.wait_for(applied)).await;
        seen.context("the watch did not catch up in 30 s")
    }

    /// Stops it.
    pub async fn stop(self) {
        self.stop.cancel();
        for node in &self.nodes {
            node.stop(Duration::from_secs(1)).await;
        }
        self.raft.shutdown().await;
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
