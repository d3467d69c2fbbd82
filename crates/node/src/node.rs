//! The storage node: its parts, its start and its stop.

use headwater_meta::MetaCache;
use headwater_proto::{
    BodyPieces, DeleteReply, DeleteRequest, GetReply, GetRequest, HeadReply, HeadRequest, ListReply,
    ListRequest, PutReply, PutRequest, ReplicateBegin, Replication, ReplicationPieces, StopReads, Storage,
    StorageError, directory::Directory,
};
use headwater_store::Tier;
use headwater_telemetry::REQUEST_TARGET;
use headwater_types::{
    BodyBudget, Clock, Epoch, Incarnation, Member, NodeId, ObjectId, RequestId, ShardId, Ttl, Version,
    ZoneName, limits,
};
use parking_lot::Mutex;
use std::{fmt, hash::BuildHasher, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, Span};

use crate::{
    arrivals::Arrivals,
    beginnings::Beginnings,
    links::Links,
    metrics::NodeMetrics,
    no_room::NoRoom,
    resends::Resends,
    shard::{Refusal, ShardCore},
    shares::Shares,
};

/// How old a gauge may be.
const GAUGES_EVERY: Duration = Duration::from_secs(1);
/// Before a configuration that could not be installed is tried again.
const INSTALL_AGAIN: Duration = Duration::from_millis(2);
/// Locks over keys: enough that two keys rarely share one.
const KEY_LOCKS: usize = 1024;

/// A node's settings.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// This process, as it is registered ([`crate::register`]).
    pub member: Member,
    /// Where it stands.
    pub zone: ZoneName,
    /// Bytes of bodies that may be on their way into the store before new ones are refused, those of uploads and those
    /// from other members each by themselves. Default: 1 GiB.
    pub inflight_bytes_max: u64,
}

/// What a node is built from.
pub struct NodeDeps {
    /// Where records are kept.
    pub tier: Arc<dyn Tier>,
    /// The watched metadata.
    pub cache: Arc<MetaCache>,
    /// How other nodes are reached.
    pub directory: Arc<dyn Directory>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What it counts.
    pub metrics: NodeMetrics,
}

/// A storage node. Answers [`Storage`] and [`Replication`] directly; gRPC adaptors wrap it between processes.
pub struct StorageNode {
    config: NodeConfig,
    deps: NodeDeps,
    shards: Vec<Mutex<ShardCore>>,
    key_locks: Vec<tokio::sync::Mutex<()>>,
    hasher: std::hash::BuildHasherDefault<std::hash::DefaultHasher>,
    arrivals: Arc<Arrivals>,
    beginnings: Beginnings,
    /// Bodies of uploads.
    inflight: Arc<BodyBudget>,
    /// Bodies from other heads. Apart from the uploads, which wait for other members: nodes that wait for one another's
    /// memory would wait for ever.
    replicating: Arc<BodyBudget>,
    resends: Resends,
    no_room: NoRoom,
    links: Links,
    metrics: NodeMetrics,
    installed: watch::Sender<u64>,
    shares: Shares,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl StorageNode {
    /// Builds a node that is registered and starts its workers. It answers nothing until the watched map names it.
    pub fn start(config: NodeConfig, deps: NodeDeps) -> Arc<Self> {
        let member = config.member;
        let [inflight, replicating] = [(); 2].map(|()| BodyBudget::new(config.inflight_bytes_max, |_| {}));
        let node = Arc::new(Self {
            config,
            shards: ShardId::all().map(|shard| Mutex::new(ShardCore::new(shard, member))).collect(),
            key_locks: (0..KEY_LOCKS).map(|_| tokio::sync::Mutex::new(())).collect(),
            hasher: Default::default(),
            arrivals: Arc::default(),
            beginnings: Beginnings::default(),
            inflight,
            replicating,
            resends: Resends::default(),
            no_room: NoRoom::default(),
            links: Links::default(),
            metrics: deps.metrics.clone(),
            installed: watch::Sender::new(0),
            shares: Shares::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            deps,
        });
        node.install_map();
        node.worker(Self::run_map);
        node.worker(Self::run_beacons);
        node.worker(Self::run_gauges);
        node
    }

    /// Stops the workers and waits for them, at most `limit`.
    pub async fn stop(&self, limit: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            tracing::warn!("storage node stopped with work under way");
        }
    }

    /// This process.
    pub fn member(&self) -> Member {
        self.config.member
    }

    /// Waits until the watched map names a newer process of this node; returns its incarnation. This one is a member of
    /// nothing any more, and must end: it must not take the node back.
    pub async fn replaced(&self) -> Incarnation {
        let mut version = self.deps.cache.subscribe();
        loop {
            let newest = self.deps.cache.node(self.member().node).map(|record| record.incarnation);
            if let Some(newer) = newest.filter(|newest| *newest > self.member().incarnation) {
                return newer;
            }
            if version.changed().await.is_err() {
                // The map has ended with its process.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Its metrics; gauges are up to a second old, unless [`StorageNode::refresh_gauges`] is called.
    pub fn metrics(&self) -> &NodeMetrics {
        &self.metrics
    }

    /// Whether every shard's configuration is at least at `epoch`.
    pub fn is_at(&self, epoch: Epoch) -> bool {
        self.shards.iter().all(|core| core.lock().epoch() >= epoch)
    }

    /// Objects that are arriving with bytes that readers may see.
    pub fn arriving(&self) -> usize {
        self.arrivals.count()
    }

    /// Counts what gauges show.
    pub fn refresh_gauges(&self) {
        let me = self.member();
        let (mut head, mut tail, mut syncing, mut degraded, mut dirty) = (0, 0, 0, 0, 0);
        for core in &self.shards {
            let core = core.lock();
            dirty += core.staged_count() as i64;
            let Some(entry) = core.entry() else { continue };
            head += i64::from(entry.head == me);
            tail += i64::from(entry.head != me && entry.serves(me));
            syncing += i64::from(entry.syncing.contains(&me));
            degraded += i64::from(entry.serves(me) && entry.insync.len() == 1);
        }
        self.metrics.shards_head.set(head);
        self.metrics.shards_tail.set(tail);
        self.metrics.shards_syncing.set(syncing);
        self.metrics.shards_degraded.set(degraded);
        self.metrics.dirty.set(dirty);
        let inflight = self.inflight.used().saturating_add(self.replicating.used());
        self.metrics.inflight_bytes.set(i64::try_from(inflight).unwrap_or(i64::MAX));
        self.metrics.links_up.set(self.links.up(self.clock().monotonic()) as i64);
    }

    /// A span of one request on this node; nearly free where no traces are sent.
    fn span(&self, what: &'static str, request: RequestId) -> Span {
        let member = self.member();
        tracing::info_span!(target: REQUEST_TARGET, "node", otel.name = what, request_id = %request, node = %member)
    }

    pub(crate) fn worker<F: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        run: impl FnOnce(Arc<Self>) -> F,
    ) {
        let (work, stop) = (run(self.clone()), self.stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Keeps the gauges up to date for whoever scrapes.
    async fn run_gauges(self: Arc<Self>) {
        loop {
            self.refresh_gauges();
            tokio::time::sleep(GAUGES_EVERY).await;
        }
    }

    /// Installs every newer configuration that the watched map has.
    async fn run_map(self: Arc<Self>) {
        let mut version = self.deps.cache.subscribe();
        // Install after subscribing: a change in between would go unnoticed otherwise.
        loop {
            if !self.install_map() {
                // What is going into the store is there in a moment.
                tokio::time::sleep(INSTALL_AGAIN).await;
                continue;
            }
            if version.changed().await.is_err() {
                return;
            }
        }
    }

    /// Installs what the watched map has; false if a shard must wait for what is going into its store.
    fn install_map(&self) -> bool {
        let state = self.deps.cache.state();
        let version = state.version;
        let mut complete = true;
        for core in &self.shards {
            let mut core = core.lock();
            let Some(entry) = state.shards.get(&core.shard()) else { continue };
            if core.must_discard(entry) {
                if core.is_applying() {
                    complete = false;
                    continue;
                }
                self.tier().discard(core.shard());
            }
            core.install(entry.clone(), version);
        }
        if !complete {
            return false;
        }
        self.shares.install(&state, &self.config.zone, self.tier());
        self.installed.send_replace(version);
        true
    }

    /// Waits until the shard's configuration is at least at `epoch`, at most `limit`.
    pub(crate) async fn map_at_epoch(&self, shard: ShardId, epoch: Epoch, limit: Duration) {
        let mut installed = self.installed.subscribe();
        // Not `wait_for`: its condition would take the shard's lock under the channel's; others do so the other way round.
        let there =
            async { while self.shard(shard).lock().epoch() < epoch && installed.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(limit, there).await;
    }

    pub(crate) fn shard(&self, shard: ShardId) -> &Mutex<ShardCore> {
        &self.shards[shard.index()]
    }

    pub(crate) fn shards(&self) -> &[Mutex<ShardCore>] {
        &self.shards
    }

    pub(crate) fn key_lock(&self, object: &ObjectId) -> &tokio::sync::Mutex<()> {
        &self.key_locks[self.hasher.hash_one(object) as usize % KEY_LOCKS]
    }

    /// Follows the map version that is installed.
    pub(crate) fn installed(&self) -> watch::Receiver<u64> {
        self.installed.subscribe()
    }

    /// Where a node stands, as the watched map has it.
    pub(crate) fn zone_of(&self, node: NodeId) -> Option<ZoneName> {
        self.deps.cache.node(node).map(|record| record.zone)
    }

    pub(crate) fn peer(&self, member: Member) -> Arc<dyn Replication> {
        let address = self.deps.cache.node(member.node).map(|node| node.address).unwrap_or_default();
        self.deps.directory.replication(member.node, &address)
    }

    pub(crate) fn tier(&self) -> &dyn Tier {
        self.deps.tier.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.deps.clock.as_ref()
    }

    pub(crate) fn shares(&self) -> &Shares {
        &self.shares
    }

    pub(crate) fn arrivals(&self) -> &Arc<Arrivals> {
        &self.arrivals
    }

    pub(crate) fn beginnings(&self) -> &Beginnings {
        &self.beginnings
    }

    pub(crate) fn inflight(&self) -> &Arc<BodyBudget> {
        &self.inflight
    }

    pub(crate) fn replicating(&self) -> &Arc<BodyBudget> {
        &self.replicating
    }

    pub(crate) fn resends(&self) -> &Resends {
        &self.resends
    }

    pub(crate) fn no_room(&self) -> &NoRoom {
        &self.no_room
    }

    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// The map version that this node has installed.
    pub fn map_version(&self) -> u64 {
        *self.installed.borrow()
    }

    pub(crate) fn longest_ttl(&self) -> Ttl {
        Ttl::from_secs(limits::TTL_SECONDS_MAX).unwrap_or_else(|_| unreachable!("the limit is within itself"))
    }

    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

impl fmt::Debug for StorageNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageNode({} in zone {})", self.config.member, self.config.zone)
    }
}

/// What a refused caller is told.
pub(crate) fn refused(core: &ShardCore, refusal: Refusal, map_version: u64) -> StorageError {
    match refusal {
        Refusal::WrongEpoch(epoch) => StorageError::WrongEpoch { shard: core.shard(), epoch, map_version },
        Refusal::NotInSync => {
            StorageError::NotServing(format!("this member is not in sync for shard {}", core.shard()))
        }
        Refusal::HandingOver => {
            StorageError::Unavailable(format!("shard {} is getting another head", core.shard()))
        }
        Refusal::TooFarAhead => {
            StorageError::Unavailable(format!("too many writes of shard {} wait for one", core.shard()))
        }
    }
}

/// The service traits take `&self`; writes need the node's own `Arc` for what outlives the call.
#[derive(Debug, Clone)]
pub struct NodeService(pub Arc<StorageNode>);

#[async_trait::async_trait]
impl Storage for NodeService {
    async fn put(&self, request: PutRequest, body: BodyPieces) -> Result<PutReply, StorageError> {
        let span = self.0.span("node.put", request.request_id);
        self.0.do_put(request, body).instrument(span).await
    }

    async fn get(&self, request: GetRequest) -> Result<GetReply, StorageError> {
        let span = self.0.span("node.get", request.request_id);
        self.0.do_get(request).instrument(span).await
    }

    async fn head(&self, request: HeadRequest) -> Result<HeadReply, StorageError> {
        let span = self.0.span("node.head", request.request_id);
        self.0.do_head(request).instrument(span).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteReply, StorageError> {
        let span = self.0.span("node.delete", request.request_id);
        self.0.do_delete(request).instrument(span).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListReply, StorageError> {
        let span = self.0.span("node.list", request.request_id);
        self.0.do_list(request).instrument(span).await
    }
}

#[async_trait::async_trait]
impl Replication for NodeService {
    async fn replicate(
        &self,
        begin: ReplicateBegin,
        pieces: ReplicationPieces,
    ) -> Result<Version, StorageError> {
        let span = self.0.span("node.replicate", begin.request_id);
        self.0.do_replicate(begin, pieces).instrument(span).await
    }

    async fn beacon(&self, from: Member, _map_version: u64) -> Result<(Member, u64), StorageError> {
        tracing::trace!(%from, "beacon");
        Ok((self.0.member(), self.0.map_version()))
    }

    async fn stop_reads(&self, request: StopReads) -> Result<Vec<ShardId>, StorageError> {
        self.0.do_stop_reads(request).await
    }
}
