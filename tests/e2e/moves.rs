//! A node joins over a slow link while the shards that move to it are written and read.

use crate::shard_map::ShardMap;
use headwater_meta::{MetaCache, bootstrap::ensure_namespace};
use headwater_testkit::{Cluster, Process, Relay, binary::binary, within};
use headwater_types::{NamespaceName, NodeId, ShardId};
use reqwest::{Client, StatusCode};
use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

const SOON: Duration = Duration::from_secs(60);
/// Longer than a proposal takes, shorter than the 450 ms that a node waits for the answer to a beacon.
const DELAY: Duration = Duration::from_millis(300);
const NEW: NodeId = NodeId(3);
/// How many moves are looked at, at least.
const MOVES: usize = 16;
/// Of these, how many must come about with objects that were read before.
const MOVED_MIN: usize = 3;
/// Of a shard's objects, how many of the newest are read again and again.
const NEWEST: usize = 16;

/// What became of a shard while it moved.
#[derive(Debug, Default)]
struct Watched {
    has_moved: bool,
    /// Objects that were read.
    seen: usize,
    /// Objects that were read and then said to be absent.
    gone: Vec<String>,
}

struct Watcher {
    map: Arc<MetaCache>,
    shard: ShardId,
    http: Client,
    /// Where the folder is written, and where it is read: in the zone of the node that joins.
    write: String,
    read: String,
    api_key: String,
    /// Shards that moved with objects that were read before.
    moved: Arc<AtomicUsize>,
}

impl Watcher {
    async fn run(self, after: Duration) -> Watched {
        // Time for the head to find its shard empty: one that holds something does not move.
        tokio::time::sleep(after).await;
        let mut watched = Watched::default();
        let mut seen: Vec<bool> = Vec::new();
        let mut rounds_left = 12;
        while rounds_left > 0 {
            let entry = self.map.shard(self.shard).unwrap();
            watched.has_moved = entry.insync.iter().any(|member| member.node == NEW);
            if watched.has_moved || entry.syncing.is_empty() {
                rounds_left -= 1;
            } else {
                let put = self.http.put(format!("{}_{}.m3u8", self.write, seen.len()));
                tokio::spawn(put.bearer_auth(&self.api_key).body("body").send());
                seen.push(false);
            }
            let newest = seen.len().saturating_sub(NEWEST)..seen.len();
            let reads = newest.map(|at| {
                let read =
                    self.http.get(format!("{}_{at}.m3u8", self.read)).bearer_auth(&self.api_key).send();
                async move { (at, read.await.map(|answer| answer.status())) }
            });
            // Bounded, as some wait for the joining node.
            let reads = futures_util::future::join_all(reads);
            for (at, status) in reads.await {
                match status.unwrap() {
                    StatusCode::OK => seen[at] = true,
                    StatusCode::NOT_FOUND if seen[at] => watched.gone.push(format!("{}_{at}", self.read)),
                    _ => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        watched.seen = seen.iter().filter(|seen| **seen).count();
        self.moved.fetch_add(usize::from(watched.has_moved && watched.seen > 0), SeqCst);
        watched
    }
}

/// A free address. Nobody else is told of it until the node listens there.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// One more node, in zone b.
fn start_node(dir: &Path, listen: SocketAddr, advertise: SocketAddr) -> Process {
    let mut config: toml::Table = fs::read_to_string(dir.join("node-2.toml")).unwrap().parse().unwrap();
    config.insert("id".into(), 3.into());
    config.insert("data_dir".into(), dir.join("node-3").display().to_string().into());
    for (name, address) in [("listen", listen), ("advertise", advertise), ("admin_listen", free())] {
        config.insert(name.into(), address.to_string().into());
    }
    let file = dir.join("node-3.toml");
    fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    let mut command = Command::new(binary("headwater"));
    Process::start(command.arg("node").arg("--config").arg(&file), &dir.join("node-3.log")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_while_a_shard_moves_stays() {
    let dir = tempfile::tempdir().unwrap();
    let layout = ["--meta", "1", "--nodes-per-zone", "1", "--frontends", "2"];
    let cluster = Cluster::start(dir.path(), &layout).await.unwrap();
    let (info, map) = (&cluster.info, ShardMap::follow(&cluster));
    let name = NamespaceName::parse(&info.namespace).unwrap();
    // It is there already: asking for it again finds it.
    let namespace = ensure_namespace(&*map.store, name, Default::default()).await.unwrap();

    let listen = free();
    let nodes = [1, 2].map(|id| cluster.process("node", id).unwrap().pid);
    let relay = Relay::start(listen, DELAY, nodes.to_vec()).await.unwrap();
    let mut node = start_node(cluster.dir(), listen, relay.address());
    let (mut watchers, moved) = (BTreeMap::new(), Arc::new(AtomicUsize::new(0)));
    let begin = async {
        while watchers.len() < MOVES || moved.load(SeqCst) < MOVED_MIN {
            for (shard, entry) in map.cache.state().shards.clone() {
                let moves = entry.insync.len() == 2 && entry.syncing.iter().any(|member| member.node == NEW);
                if !moves || watchers.contains_key(&shard) {
                    continue;
                }
                let folder = ShardMap::folder(namespace, |found| found == shard);
                let url = |frontend: usize| {
                    format!("{}/cache/{}/{folder}/live", info.data_urls[frontend], info.namespace)
                };
                let watcher = Watcher {
                    map: map.cache.clone(),
                    shard,
                    http: Client::new(),
                    write: url(0),
                    read: url(1),
                    api_key: info.encoder_api_key.clone(),
                    moved: moved.clone(),
                };
                let after = Duration::from_millis(100 * (watchers.len() as u64 % 4));
                watchers.insert(shard, tokio::spawn(watcher.run(after)));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(SOON * 2, begin).await.expect("shards move to the new node while they are read");
    let (watched, mut gone) = (watchers.len(), Vec::new());
    for watcher in watchers.into_values() {
        gone.extend(watcher.await.unwrap().gone);
    }
    let moved = moved.load(SeqCst);
    assert!(relay.slow() >= 2, "the nodes have {} connections to the new one", relay.slow());
    println!("{moved} of {watched} shards moved with objects that were read; gone: {}", gone.len());
    assert!(gone.is_empty(), "answered 200 and then 404: {gone:#?}");
    node.interrupt().unwrap();
    let stopped = node.wait(Duration::from_secs(30)).await.unwrap();
    assert!(stopped.success(), "{}", node.output());
    cluster.stop().await.unwrap();
}
