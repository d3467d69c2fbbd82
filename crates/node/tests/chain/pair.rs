//! Two nodes and the link between them.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headwater_meta::{MetaCache, NodeRecord, NodeState, ShardEntry, State, WatchEvent};
use headwater_node::{NodeConfig, NodeDeps, NodeMetrics, StorageNode, node::NodeService};
use headwater_proto::{
    BodyEnd, BodyPiece, BodyPieces, DeleteReply, DeleteRequest, Follow, GetRequest, ListRequest,
    Preconditions, PutReply, PutRequest, Replicate, ReplicateBegin, Replication, ReplicationPieces,
    StopReads, Storage, StorageError, directory::Directory,
};
use headwater_store::{Faulty, HotConfig, HotTier, faulty::Call};
use headwater_types::{
    Attributes, Clock, Digest, DigestHasher, Epoch, Incarnation, MediaClass, Member, NamespaceId, NodeId,
    ObjectId, ObjectKey, RequestId, ShardId, SystemClock, Ttl, Version, ZoneName,
};
use prometheus_client::registry::Registry;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

pub type PutTask = JoinHandle<Result<PutReply, StorageError>>;

/// Head (node 1, zone a) and tail (node 2, zone b) of every shard.
pub struct Pair {
    link: Arc<Link>,
    cache: Arc<MetaCache>,
    clock: Arc<dyn Clock>,
    nodes: [Arc<StorageNode>; 2],
    tiers: [Arc<HotTier>; 2],
    faults: [Arc<Faults>; 2],
    inflight_bytes_max: u64,
    epoch: Epoch,
    next_request: Mutex<u128>,
}

/// What fails in a node's store.
#[derive(Debug, Default)]
pub struct Faults {
    pub insert: AtomicBool,
    pub get: AtomicBool,
}

/// The directory that both nodes use, and what is wrong with the link.
#[derive(Debug)]
struct Link {
    nodes: Mutex<HashMap<NodeId, Arc<StorageNode>>>,
    cut: watch::Sender<bool>,
    commits_held: watch::Sender<bool>,
    /// Commits of this sequence number are held.
    seq_held: watch::Sender<Option<u64>>,
}

#[derive(Debug)]
struct Wire {
    to: NodeId,
    link: Arc<Link>,
}

#[derive(Debug)]
struct LinkDirectory(Arc<Link>);

impl Directory for LinkDirectory {
    fn storage(&self, node: NodeId, _address: &str) -> Arc<dyn Storage> {
        Arc::new(NodeService(self.0.nodes.lock().unwrap()[&node].clone()))
    }
    fn replication(&self, node: NodeId, _address: &str) -> Arc<dyn Replication> {
        Arc::new(Wire { to: node, link: self.0.clone() })
    }
}

impl Wire {
    fn target(&self) -> Result<NodeService, StorageError> {
        if *self.link.cut.borrow() {
            return Err(StorageError::Unavailable("the link is cut".into()));
        }
        Ok(NodeService(self.link.nodes.lock().unwrap()[&self.to].clone()))
    }
}

#[async_trait::async_trait]
impl Replication for Wire {
    async fn replicate(
        &self,
        begin: ReplicateBegin,
        pieces: ReplicationPieces,
    ) -> Result<Version, StorageError> {
        let (held, seq_held) = (self.link.commits_held.clone(), self.link.seq_held.clone());
        let gated = pieces.then(move |piece| {
            let (mut held, mut seq_held) = (held.subscribe(), seq_held.subscribe());
            async move {
                if let Replicate::Commit(commit) = &piece {
                    held.wait_for(|held| !held).await.unwrap();
                    let seq = Some(commit.version.seq);
                    seq_held.wait_for(|held| *held != seq).await.unwrap();
                }
                piece
            }
        });
        self.target()?.replicate(begin, gated.boxed()).await
    }
    async fn beacon(&self, from: Member, map_version: u64) -> Result<(Member, u64), StorageError> {
        self.target()?.beacon(from, map_version).await
    }
    async fn stop_reads(&self, request: StopReads) -> Result<Vec<ShardId>, StorageError> {
        self.target()?.stop_reads(request).await
    }
}

/// The writing end of a PUT that a test feeds by hand.
pub struct Sender {
    pieces: tokio::sync::mpsc::Sender<BodyPiece>,
    hasher: Mutex<(DigestHasher, u64)>,
}

impl Sender {
    /// With the body that it sends.
    pub fn new() -> (Self, BodyPieces) {
        let (pieces, receiver) = tokio::sync::mpsc::channel(1);
        let body =
            stream::unfold(receiver, |mut r| async move { r.recv().await.map(|piece| (piece, r)) }).boxed();
        (Self { pieces, hasher: Mutex::new((DigestHasher::new(), 0)) }, body)
    }

    pub async fn chunk(&self, bytes: &'static [u8]) {
        {
            let mut state = self.hasher.lock().unwrap();
            state.0.update(bytes);
            state.1 += bytes.len() as u64;
        }
        self.pieces.send(BodyPiece::Chunk(Bytes::from_static(bytes))).await.unwrap();
    }
    pub async fn end(&self) {
        let (digest, size) = {
            let state = self.hasher.lock().unwrap();
            (state.0.digest(), state.1)
        };
        self.pieces.send(BodyPiece::End(BodyEnd { digest, size })).await.unwrap();
    }
}

/// A body of these chunks, with or without its end.
pub fn upload(chunks: &[&'static [u8]], whole: bool) -> BodyPieces {
    let all = chunks.concat();
    let end = BodyEnd { digest: Digest::of(&all), size: all.len() as u64 };
    let pieces = chunks.iter().map(|c| BodyPiece::Chunk(Bytes::from_static(c)));
    stream::iter(pieces.chain(whole.then_some(BodyPiece::End(end))).collect::<Vec<_>>()).boxed()
}

fn member(node: u64, incarnation: u64) -> Member {
    Member { node: NodeId(node), incarnation: Incarnation(incarnation) }
}

fn zone(node: u64) -> ZoneName {
    ZoneName::parse(if node == 1 { "a" } else { "b" }).unwrap()
}

fn snapshot(version: u64, entry: ShardEntry, incarnations: [u64; 2]) -> WatchEvent {
    let entry = Arc::new(entry);
    let nodes = [1, 2].map(|id| NodeRecord {
        id: NodeId(id),
        incarnation: Incarnation(incarnations[id as usize - 1]),
        zone: zone(id),
        address: format!("node-{id}"),
        hot_capacity_bytes: 0,
        state: NodeState::Active,
        process: None,
    });
    WatchEvent::Snapshot(Box::new(State {
        version,
        nodes: nodes.into_iter().map(|n| (n.id, n)).collect(),
        shards: ShardId::all().map(|shard| (shard, entry.clone())).collect(),
        ..State::default()
    }))
}

impl Pair {
    pub async fn start() -> Self {
        Self::with([64 << 20; 2], 64 << 20).await
    }

    /// With these hot capacities and this much memory for bodies.
    pub async fn with(capacities: [u64; 2], inflight_bytes_max: u64) -> Self {
        let link = Arc::new(Link {
            nodes: Mutex::default(),
            cut: watch::Sender::new(false),
            commits_held: watch::Sender::new(false),
            seq_held: watch::Sender::new(None),
        });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let cache = MetaCache::new();
        let entry = ShardEntry {
            epoch: Epoch(1),
            head: member(1, 1),
            insync: vec![member(1, 1), member(2, 1)],
            syncing: vec![],
            retiring: vec![],
        };
        cache.apply(snapshot(1, entry, [1, 1]));
        let faults: [Arc<Faults>; 2] = Default::default();
        let tier =
            |of: usize| Arc::new(HotTier::new(HotConfig::with_capacity(capacities[of]), clock.clone()));
        let tiers = [tier(0), tier(1)];
        let start = |of: usize| {
            let store = (&tiers[of], &faults[of]);
            Self::start_node(&link, &cache, &clock, member(of as u64 + 1, 1), store, inflight_bytes_max)
        };
        let nodes = [start(0), start(1)];
        let pair = Self {
            link,
            cache,
            clock,
            nodes,
            tiers,
            faults,
            inflight_bytes_max,
            epoch: Epoch(1),
            next_request: Mutex::new(1 << 64),
        };
        pair.until(|| pair.link_is_up()).await;
        pair
    }

    fn start_node(
        link: &Arc<Link>,
        cache: &Arc<MetaCache>,
        clock: &Arc<dyn Clock>,
        member: Member,
        (tier, faults): (&Arc<HotTier>, &Arc<Faults>),
        inflight_bytes_max: u64,
    ) -> Arc<StorageNode> {
        let faults = faults.clone();
        let tier = Faulty::new(tier.clone(), move |call| match call {
            Call::Insert(_) => faults.insert.load(Ordering::SeqCst),
            Call::Get(_) => faults.get.load(Ordering::SeqCst),
            Call::List(_) | Call::Remove(..) => false,
        });
        let config = NodeConfig { member, zone: zone(member.node.0), inflight_bytes_max };
        let deps = NodeDeps {
            tier: Arc::new(tier),
            cache: cache.clone(),
            directory: Arc::new(LinkDirectory(link.clone())),
            clock: clock.clone(),
            metrics: NodeMetrics::register(&mut Registry::default(), &[zone(member.node.0)]).remove(0),
        };
        let node = StorageNode::start(config, deps);
        link.nodes.lock().unwrap().insert(member.node, node.clone());
        node
    }

    /// The tail's process is replaced by a new one with empty memory; the map takes it in as syncing.
    pub async fn restart_tail(&mut self) {
        self.nodes[1].stop(Duration::from_secs(1)).await;
        self.tiers[1] = Arc::new(HotTier::new(HotConfig::with_capacity(64 << 20), self.clock.clone()));
        let store = (&self.tiers[1], &self.faults[1]);
        let node = Self::start_node(
            &self.link,
            &self.cache,
            &self.clock,
            member(2, 2),
            store,
            self.inflight_bytes_max,
        );
        self.nodes[1] = node;
        self.reconfigure([1, 2], 1, &[1], &[2]).await;
    }

    /// The next configuration of every shard, installed by both nodes.
    pub async fn reconfigure(&mut self, incarnations: [u64; 2], head: u64, insync: &[u64], syncing: &[u64]) {
        let of = |id: &u64| member(*id, incarnations[*id as usize - 1]);
        self.epoch = self.epoch.next();
        let entry = ShardEntry {
            epoch: self.epoch,
            head: of(&head),
            insync: insync.iter().map(of).collect(),
            syncing: syncing.iter().map(of).collect(),
            retiring: vec![],
        };
        self.cache.apply(snapshot(self.epoch.0, entry, incarnations));
        self.until(|| self.nodes.iter().all(|node| node.is_at(self.epoch))).await;
    }

    pub fn head(&self) -> NodeService {
        NodeService(self.nodes[0].clone())
    }
    pub fn tail(&self) -> NodeService {
        NodeService(self.nodes[1].clone())
    }
    /// Head and tail.
    pub fn services(&self) -> [NodeService; 2] {
        [self.head(), self.tail()]
    }
    pub fn tiers(&self) -> &[Arc<HotTier>; 2] {
        &self.tiers
    }
    /// What fails in the stores of head and tail.
    pub fn faults(&self) -> &[Arc<Faults>; 2] {
        &self.faults
    }
    pub fn tail_records(&self) -> u64 {
        self.tiers[1].stats().records()
    }

    pub fn hold_commits(&self, held: bool) {
        self.link.commits_held.send_replace(held);
    }
    pub fn hold_seq(&self, seq: Option<u64>) {
        self.link.seq_held.send_replace(seq);
    }
    pub fn cut_link(&self, cut: bool) {
        self.link.cut.send_replace(cut);
    }
    pub fn link_is_up(&self) -> bool {
        self.nodes[0].refresh_gauges();
        self.nodes[0].metrics().links_up.get() == 1
    }
    pub fn staged(&self) -> i64 {
        self.nodes[0].refresh_gauges();
        self.nodes[0].metrics().dirty.get()
    }
    pub fn inflight(&self) -> i64 {
        self.nodes[0].refresh_gauges();
        self.nodes[0].metrics().inflight_bytes.get()
    }
    pub fn is_idle(&self) -> bool {
        self.nodes.iter().all(|node| {
            node.refresh_gauges();
            node.metrics().dirty.get() == 0
                && node.metrics().inflight_bytes.get() == 0
                && node.arriving() == 0
        })
    }
    pub fn assert_idle(&self) {
        assert!(self.is_idle(), "something of a finished write is left behind");
    }

    /// Waits for a condition, at most 5 s.
    pub async fn until(&self, mut condition: impl FnMut() -> bool) {
        let wait = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .expect("the condition did not come true in 30 s");
    }

    /// Repeats a call until it succeeds, at most 5 s.
    pub async fn until_some<T, F: Future<Output = Result<T, StorageError>>>(
        &self,
        mut call: impl FnMut() -> F,
    ) {
        let wait = async {
            while call().await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the call did not succeed in 30 s");
    }

    pub fn shard(&self) -> ShardId {
        ShardId::new(5).unwrap()
    }
    pub fn object(&self, key: &str) -> ObjectId {
        ObjectId { namespace: NamespaceId(1), key: ObjectKey::parse(key).unwrap() }
    }
    pub fn request_id(&self) -> RequestId {
        let mut next = self.next_request.lock().unwrap();
        *next += 1;
        RequestId(*next)
    }

    pub fn put_request(&self, key: &str, request_id: RequestId) -> PutRequest {
        PutRequest {
            shard: self.shard(),
            epoch: self.epoch,
            object: self.object(key),
            request_id,
            class: MediaClass::Media,
            attributes: Attributes { content_type: "video/mp2t".into(), ..Attributes::default() },
            ttl: Ttl::from_secs(60).unwrap(),
            preconditions: Preconditions::default(),
            followable: true,
            size: None,
            size_max: 10 << 20,
            remaining: Duration::from_secs(30),
            began: None,
        }
    }

    pub async fn put(&self, key: &str, body: &'static [u8]) -> Result<PutReply, StorageError> {
        self.put_as(self.put_request(key, self.request_id()), body).await
    }

    pub async fn put_as(&self, request: PutRequest, body: &'static [u8]) -> Result<PutReply, StorageError> {
        self.head().put(request, upload(&[body], true)).await
    }

    pub fn spawn_put(&self, key: &str, body: &'static [u8], id: RequestId, remaining: Duration) -> PutTask {
        let mut request = self.put_request(key, id);
        request.remaining = remaining;
        let head = self.head();
        tokio::spawn(async move { head.put(request, upload(&[body], true)).await })
    }

    pub fn open_put(&self, key: &str, id: RequestId) -> (Sender, PutTask) {
        self.open(self.put_request(key, id))
    }

    pub fn open(&self, request: PutRequest) -> (Sender, PutTask) {
        let (sender, body) = Sender::new();
        let head = self.head();
        let task = tokio::spawn(async move { head.put(request, body).await });
        (sender, task)
    }

    pub async fn delete(&self, key: &str) -> Result<DeleteReply, StorageError> {
        let request = DeleteRequest {
            shard: self.shard(),
            epoch: self.epoch,
            object: self.object(key),
            request_id: self.request_id(),
            remaining: Duration::from_secs(30),
        };
        self.head().delete(request).await
    }

    pub fn get_request(&self, key: &str) -> GetRequest {
        GetRequest {
            shard: self.shard(),
            epoch: self.epoch,
            object: self.object(key),
            request_id: RequestId(0),
            range: None,
            if_range: None,
            if_none_match: Vec::new(),
            follow: Follow::No,
            remaining: Duration::from_secs(30),
        }
    }

    pub fn follow_request(&self, key: &str) -> GetRequest {
        GetRequest { follow: Follow::Body, ..self.get_request(key) }
    }

    pub fn list_request(&self, prefix: &str, fold: bool) -> ListRequest {
        ListRequest {
            namespace: NamespaceId(1),
            shards: vec![(self.shard(), self.epoch)],
            prefix: prefix.into(),
            fold,
            after: None,
            limit: 100,
            request_id: RequestId(0),
            remaining: Duration::from_secs(30),
        }
    }
}
