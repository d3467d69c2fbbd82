//! Moves of shards: nodes that ask, a metadata store that applies what they ask for, and a test that is the leader.

use headwater_meta::{
    Applied, Command, MemberChange, Membership, MetaCache, MetaError, MetaStore, NodeRecord, NodeState,
    Outcome, Presence, Report, Reported, ShardChange, ShardEntry, State, WatchEvent, WatchEvents, placement,
};
use headwater_node::{NodeConfig, NodeDeps, NodeMetrics, StorageNode, node::NodeService};
use headwater_proto::{
    DeleteRequest, Follow, GetReply, GetRequest, Preconditions, PutRequest, Storage, StorageError,
    directory::LocalDirectory,
};
use headwater_store::{HotConfig, HotTier};
use headwater_types::{
    Attributes, Clock, Epoch, Incarnation, KeyId, MediaClass, Member, NamespaceId, NodeId, ObjectId,
    ObjectKey, RequestId, ShardId, SystemClock, Ttl, ZoneName,
};
use prometheus_client::registry::Registry;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    gate::{Gate, GatedDirectory},
    pair::upload,
};

pub const LIMIT: Duration = Duration::from_secs(30);

pub fn shard(id: u16) -> ShardId {
    ShardId::new(id).unwrap()
}

pub fn member(node: u64) -> Member {
    Member { node: NodeId(node), incarnation: Incarnation(1) }
}

pub fn entry(head: u64, insync: &[u64], syncing: &[u64]) -> ShardEntry {
    let members = |ids: &[u64]| ids.iter().map(|id| member(*id)).collect();
    ShardEntry {
        epoch: Epoch(1),
        head: member(head),
        insync: members(insync),
        syncing: members(syncing),
        retiring: Vec::new(),
    }
}

/// Applies configurations with the guards that matter here.
#[derive(Debug)]
pub struct Meta {
    state: Mutex<State>,
    cache: Arc<MetaCache>,
    /// Proposals of nodes are lost on the way.
    deaf: AtomicBool,
}

impl Meta {
    /// What the leader does.
    pub fn lead(&self, id: ShardId, change: impl FnOnce(&mut ShardEntry)) {
        let mut state = self.state.lock().unwrap();
        let mut entry = ShardEntry::clone(&state.shards[&id]);
        entry.epoch = entry.epoch.next();
        change(&mut entry);
        state.shards.insert(id, Arc::new(entry));
        self.publish(&mut state);
    }

    fn publish(&self, state: &mut State) {
        state.version += 1;
        self.cache.apply(WatchEvent::Snapshot(Box::new(state.clone())));
    }

    pub fn entry(&self, id: ShardId) -> Arc<ShardEntry> {
        self.state.lock().unwrap().shards[&id].clone()
    }

    fn allows(old: &ShardEntry, change: &ShardChange) -> bool {
        let asked = change.asked_by == Some(old.head);
        let known = |m: &Member| old.insync.contains(m) || asked && old.syncing.contains(m);
        change.expect_epoch == old.epoch
            && old.insync.contains(&change.head)
            && change.insync.contains(&change.head)
            && change.insync.iter().all(known)
    }
}

#[async_trait::async_trait]
impl MetaStore for Meta {
    async fn propose(&self, command: Command, _: Duration) -> Result<Applied, MetaError> {
        if self.deaf.load(Ordering::SeqCst) {
            return Err(MetaError::Unavailable("deaf".into()));
        }
        let Command::Reconfigure { changes } = command else { panic!("{command:?}") };
        let mut state = self.state.lock().unwrap();
        if !changes.iter().all(|change| Self::allows(&state.shards[&change.shard], change)) {
            let outcome = Outcome::Refused { code: "invalid".into(), message: "not allowed".into() };
            return Ok(Applied { version: state.version, outcome });
        }
        for change in changes {
            let entry = ShardEntry {
                epoch: change.expect_epoch.next(),
                head: change.head,
                insync: change.insync,
                syncing: change.syncing,
                retiring: change.retiring,
            };
            state.shards.insert(change.shard, Arc::new(entry));
        }
        self.publish(&mut state);
        Ok(Applied { version: state.version, outcome: Outcome::Done })
    }

    async fn report(&self, report: Report) -> Result<Reported, MetaError> {
        assert!(report.node.is_some_and(|node| node.hot_capacity_bytes == 64 << 20));
        Ok(Reported { version: report.version, guidance: None })
    }

    async fn linearizable_read(&self, _: Duration) -> Result<u64, MetaError> {
        unreachable!()
    }
    async fn watch(&self, _: u64) -> Result<WatchEvents, MetaError> {
        unreachable!()
    }
    async fn membership(&self) -> Result<Membership, MetaError> {
        unreachable!()
    }
    async fn change_membership(&self, _: MemberChange, _: Duration) -> Result<Membership, MetaError> {
        unreachable!()
    }
    async fn presence(&self, _: &[KeyId]) -> Result<Presence, MetaError> {
        unreachable!()
    }
}

/// Some nodes, and every shard in one configuration.
pub struct Cluster {
    pub meta: Arc<Meta>,
    pub gate: Arc<Gate>,
    nodes: BTreeMap<u64, (Arc<StorageNode>, Arc<HotTier>)>,
    requests: AtomicU64,
}

impl Cluster {
    /// Nodes by id and zone.
    pub fn start(nodes: &[(u64, &str)], first: ShardEntry) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let cache = MetaCache::new();
        let (gate, local) = (Arc::new(Gate::default()), Arc::new(LocalDirectory::new()));
        let directory = Arc::new(GatedDirectory { nodes: local.clone(), gate: gate.clone() });
        let record = |(id, zone): &(u64, &str)| NodeRecord {
            id: NodeId(*id),
            incarnation: Incarnation(1),
            zone: ZoneName::parse(zone).unwrap(),
            address: format!("node-{id}:1"),
            hot_capacity_bytes: 0,
            state: NodeState::Active,
            process: None,
        };
        let records: BTreeMap<NodeId, NodeRecord> = nodes.iter().map(record).map(|r| (r.id, r)).collect();
        let first = Arc::new(first);
        let mut state = State {
            nodes: records.clone(),
            shards: ShardId::all().map(|shard| (shard, first.clone())).collect(),
            ..State::default()
        };
        let meta = Arc::new(Meta { state: Mutex::default(), cache: cache.clone(), deaf: false.into() });
        meta.publish(&mut state);
        *meta.state.lock().unwrap() = state;

        let start = |record: &NodeRecord| {
            let tier = Arc::new(HotTier::new(HotConfig::with_capacity(64 << 20), clock.clone()));
            tokio::spawn(tier.clone().run_expiry());
            let zone = record.zone.clone();
            let deps = NodeDeps {
                tier: tier.clone(),
                cache: cache.clone(),
                directory: directory.clone(),
                clock: clock.clone(),
                metrics: NodeMetrics::register(&mut Registry::default(), std::slice::from_ref(&zone))
                    .remove(0),
            };
            let config = NodeConfig { member: member(record.id.0), zone, inflight_bytes_max: 64 << 20 };
            let node = StorageNode::start(config, deps);
            let service = Arc::new(NodeService(node.clone()));
            local.register(record.id, service.clone(), service);
            node.take_part(meta.clone());
            (record.id.0, (node, tier))
        };
        Self { nodes: records.values().map(start).collect(), meta, gate, requests: AtomicU64::new(1) }
    }

    pub fn service(&self, node: u64) -> NodeService {
        NodeService(self.nodes[&node].0.clone())
    }

    /// Waits until a shard's configuration is so, and every node has installed it.
    pub async fn until(&self, id: ShardId, is: impl Fn(&ShardEntry) -> bool) {
        let wait = async {
            while !is(&self.meta.entry(id)) || !self.is_installed() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, wait).await;
        in_time.unwrap_or_else(|_| panic!("it stays {:?}", self.meta.entry(id)));
    }

    fn is_installed(&self) -> bool {
        let version = self.meta.cache.version();
        self.nodes.values().all(|(node, _)| node.map_version() >= version)
    }

    fn object(key: &str) -> ObjectId {
        ObjectId { namespace: NamespaceId(1), key: ObjectKey::parse(key).unwrap() }
    }

    fn request_id(&self) -> RequestId {
        RequestId(self.requests.fetch_add(1, Ordering::SeqCst).into())
    }

    pub fn put_request(&self, id: ShardId, key: &str, ttl: u64) -> PutRequest {
        PutRequest {
            shard: id,
            epoch: self.meta.entry(id).epoch,
            object: Self::object(key),
            request_id: self.request_id(),
            class: MediaClass::Media,
            attributes: Attributes::default(),
            ttl: Ttl::from_secs(ttl).unwrap(),
            preconditions: Preconditions::default(),
            followable: true,
            size: None,
            size_max: 1 << 20,
            remaining: LIMIT,
            began: None,
        }
    }

    pub async fn put(&self, id: ShardId, key: &str, ttl: u64) {
        let request = self.put_request(id, key, ttl);
        let head = self.meta.entry(id).head.node.0;
        let put = async {
            loop {
                match self.service(head).put(request.clone(), upload(&[b"body"], true)).await {
                    // A head that is handing its role over: a frontend tries again, too.
                    Err(StorageError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                    other => break other.unwrap(),
                }
            }
        };
        tokio::time::timeout(LIMIT, put).await.expect("a put within the limit");
    }

    async fn delete(&self, id: ShardId, key: &str) {
        let entry = self.meta.entry(id);
        let request = DeleteRequest {
            shard: id,
            epoch: entry.epoch,
            object: Self::object(key),
            request_id: self.request_id(),
            remaining: LIMIT,
        };
        assert!(self.service(entry.head.node.0).delete(request).await.unwrap().existed);
    }

    fn get_request(&self, id: ShardId, key: &str, follow: Follow) -> GetRequest {
        GetRequest {
            shard: id,
            epoch: self.meta.entry(id).epoch,
            object: Self::object(key),
            request_id: RequestId(0),
            range: None,
            if_range: None,
            if_none_match: Vec::new(),
            follow,
            remaining: LIMIT,
        }
    }

    pub async fn get(&self, node: u64, id: ShardId, key: &str) -> Result<(), StorageError> {
        self.service(node).get(self.get_request(id, key, Follow::No)).await.map(|_| ())
    }

    /// What a node has of an object, which may still be arriving.
    pub async fn follow(&self, node: u64, id: ShardId, key: &str) -> Result<GetReply, StorageError> {
        self.service(node).get(self.get_request(id, key, Follow::Body)).await
    }

    fn records(&self, node: u64) -> u64 {
        self.nodes[&node].1.stats().records()
    }

    /// Versions that a node has staged.
    pub fn staged(&self, node: u64) -> i64 {
        let node = &self.nodes[&node].0;
        node.refresh_gauges();
        node.metrics().dirty.get()
    }

    pub async fn stop(&self) {
        for (node, _) in self.nodes.values() {
            node.stop(Duration::from_secs(1)).await;
        }
    }
}

pub fn begin(entry: &mut ShardEntry, joins: u64) {
    entry.syncing = vec![member(joins)];
}

#[tokio::test]
async fn a_new_node_gets_a_shard_while_it_is_empty() {
    let cluster = Cluster::start(&[(1, "a"), (2, "b"), (3, "b")], entry(1, &[1, 2], &[]));
    let id = shard(5);
    cluster.meta.lead(id, |entry| begin(entry, 3));
    cluster.until(id, |entry| entry.insync == [member(1), member(3)]).await;
    let moved = cluster.meta.entry(id);
    assert_eq!((moved.epoch, &moved.retiring[..]), (Epoch(3), &[member(2)][..]));
    cluster.meta.lead(id, |entry| entry.retiring.clear());
    cluster.until(id, |entry| entry.retiring.is_empty()).await;
    cluster.put(id, "a/1.ts", 60).await;
    for node in [1, 3] {
        cluster.get(node, id, "a/1.ts").await.unwrap();
    }
    assert!(matches!(cluster.get(2, id, "a/1.ts").await, Err(StorageError::NotServing(_))));
    assert_eq!(cluster.records(2), 0);
    cluster.stop().await;
}

#[tokio::test]
async fn a_shard_with_an_object_waits_visibly_until_that_has_expired() {
    let cluster = Cluster::start(&[(1, "a"), (2, "b"), (3, "b")], entry(1, &[1, 2], &[]));
    let (full, empty) = (shard(5), shard(6));
    cluster.put(full, "a/1.ts", 8).await;
    for id in [full, empty] {
        cluster.meta.lead(id, |entry| begin(entry, 3));
    }
    cluster.until(empty, |entry| entry.insync.contains(&member(3))).await;
    let waiting = cluster.meta.entry(full);
    assert_eq!((&waiting.insync[..], &waiting.syncing[..]), (&[member(1), member(2)][..], &[member(3)][..]));
    let counts = placement::moves(&cluster.meta.state.lock().unwrap());
    assert!(counts.nodes[&NodeId(3)].under_way >= 1 && counts.planned > 400, "{counts:?}");
    cluster.put(full, "a/2.ts", 8).await;
    assert_eq!(cluster.records(3), 1, "a write needs the syncing member");
    cluster.get(2, full, "a/1.ts").await.expect("the member that is to leave reads until then");
    assert!(cluster.get(3, full, "a/2.ts").await.is_err(), "a syncing member does not");
    cluster.until(full, |entry| entry.insync == [member(1), member(3)]).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_head_that_leaves_hands_its_role_over_first() {
    let cluster = Cluster::start(&[(1, "a"), (2, "b"), (3, "a")], entry(1, &[1, 2], &[]));
    let id = shard(7);
    cluster.meta.lead(id, |entry| begin(entry, 3));
    cluster.until(id, |entry| entry.insync == [member(2), member(3)]).await;
    let moved = cluster.meta.entry(id);
    assert_eq!((moved.head, moved.epoch, &moved.retiring[..]), (member(2), Epoch(4), &[member(1)][..]));
    cluster.put(id, "a/1.ts", 60).await;
    cluster.get(3, id, "a/1.ts").await.unwrap();
    cluster.stop().await;
}

#[tokio::test]
async fn a_hand_over_that_comes_to_nothing_leaves_a_head_that_writes() {
    let cluster = Cluster::start(&[(1, "a"), (2, "b"), (3, "a")], entry(1, &[1, 2], &[]));
    let id = shard(7);
    cluster.meta.deaf.store(true, Ordering::SeqCst);
    cluster.meta.lead(id, |entry| begin(entry, 3));
    cluster.until(id, |entry| entry.epoch == Epoch(2)).await;
    cluster.put(id, "a/1.ts", 60).await;
    cluster.meta.deaf.store(false, Ordering::SeqCst);
    cluster.meta.lead(id, |entry| entry.syncing.clear());
    cluster.until(id, |entry| entry.epoch >= Epoch(3)).await;
    cluster.put(id, "a/2.ts", 60).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_restarted_member_of_an_empty_shard_is_in_sync_again() {
    let cluster = Cluster::start(&[(1, "a"), (2, "b")], entry(1, &[1], &[2]));
    for id in ShardId::all() {
        cluster.until(id, |entry| entry.insync == [member(1), member(2)]).await;
    }
    cluster.put(shard(9), "a/1.ts", 60).await;
    cluster.get(2, shard(9), "a/1.ts").await.unwrap();
    cluster.stop().await;
}

#[tokio::test]
async fn who_leaves_reads_no_more_until_a_later_configuration() {
    let cluster = Cluster::start(&[(1, "a"), (2, "b"), (3, "b")], entry(1, &[1, 2], &[]));
    let id = shard(5);
    cluster.meta.deaf.store(true, Ordering::SeqCst);
    cluster.meta.lead(id, |entry| begin(entry, 3));
    let stopped = async {
        while !matches!(cluster.get(2, id, "a").await, Err(StorageError::NotServing(_))) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, stopped).await.expect("it stops reading");
    assert_eq!(cluster.get(1, id, "a").await, Err(StorageError::NotFound), "the head goes on");
    cluster.meta.lead(id, |entry| entry.syncing.clear());
    cluster.until(id, |entry| entry.epoch == Epoch(3)).await;
    assert_eq!(cluster.get(2, id, "a").await, Err(StorageError::NotFound));
    cluster.stop().await;
}

#[tokio::test]
async fn a_member_that_comes_back_brings_nothing_old() {
    let cluster = Cluster::start(&[(1, "a"), (2, "b")], entry(1, &[1, 2], &[]));
    let (id, other) = (shard(5), shard(6));
    cluster.put(id, "a/1.ts", 60).await;
    cluster.put(other, "b/1.ts", 60).await;
    cluster.meta.lead(id, |entry| entry.insync = vec![member(1)]);
    cluster.until(id, |entry| entry.epoch == Epoch(2)).await;
    cluster.delete(id, "a/1.ts").await;
    assert_eq!(cluster.records(2), 2, "nobody told it");
    cluster.meta.lead(id, |entry| begin(entry, 2));
    cluster.until(id, |entry| entry.epoch == Epoch(3)).await;
    assert_eq!(cluster.records(2), 1, "the other shard's stays");
    // Going on under the same head, it keeps what it got.
    cluster.put(id, "a/2.ts", 60).await;
    cluster.meta.lead(id, |_| {});
    cluster.until(id, |entry| entry.epoch == Epoch(4)).await;
    assert_eq!(cluster.records(2), 2);
    cluster.stop().await;
}
