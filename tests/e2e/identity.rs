//! A storage node that comes back with another data directory: emptied, or replaced by an old copy.

use headwater_client::{Client, RetryPolicy};
use headwater_meta::{
    MetaCache, MetaStore, ShardEntry, State, bootstrap::ensure_namespace, grpc::MetaGrpcClient,
};
use headwater_ring::shard;
use headwater_testkit::{Cluster, Process, binary::binary, logs, until};
use headwater_types::{NamespaceId, NamespaceName, NodeId, ObjectKey, SystemClock, SystemRng};
use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

/// Arguments of `cargo xtask cluster`: one node and one frontend in each zone.
const LAYOUT: [&str; 6] = ["--meta", "1", "--nodes-per-zone", "1", "--frontends", "2"];
const OBJECTS: usize = 100;
/// Times that each object was written before its node was lost: a wiped head counts its versions from the start again.
const WRITES: usize = 3;
const LIMIT: Duration = Duration::from_secs(60);
/// The node that loses its directory. It is the only one in zone b.
const LOST: u64 = 2;

struct Run {
    cluster: Cluster,
    /// Of the frontends in zones a and b.
    clients: [Client; 2],
    store: Arc<MetaGrpcClient>,
    namespace: NamespaceId,
}

impl Run {
    async fn start(dir: &Path) -> Self {
        let cluster = Cluster::start(dir, &LAYOUT).await.unwrap();
        let info = &cluster.info;
        let client = |at: usize| {
            let builder = Client::builder().retry(RetryPolicy::none());
            builder.client(&info.data_urls[at], &info.namespace, &info.encoder_api_key).unwrap()
        };
        let clients = [0, 1].map(client);
        let meta = cluster.process("meta", 1).unwrap().addresses.listen;
        let (clock, rng) = (Arc::new(SystemClock::new()), Arc::new(SystemRng));
        let store = Arc::new(MetaGrpcClient::new(&[meta], "test", clock, rng).unwrap());
        let name = NamespaceName::parse(&info.namespace).unwrap();
        let namespace = ensure_namespace(store.as_ref(), name, Default::default()).await.unwrap();
        Self { cluster, clients, store, namespace }
    }

    /// The metadata as of now.
    async fn state(&self) -> Arc<State> {
        let store: Arc<dyn MetaStore> = self.store.clone();
        let (cache, following) =
            MetaCache::follow(store.clone(), Arc::new(SystemClock::new()), Arc::new(SystemRng));
        let state = cache.linearizable(store.as_ref(), LIMIT).await.unwrap();
        following.abort();
        state
    }

    /// The configuration of an object's shard.
    fn entry<'a>(&self, state: &'a State, key: &str) -> &'a ShardEntry {
        &state.shards[&shard(self.namespace, &ObjectKey::parse(key).unwrap())]
    }

    /// Writes every object; each is acknowledged.
    async fn write(&self, round: usize) {
        for i in 0..OBJECTS {
            let put = self.clients[i % 2].put(&key(i), body(i, round)).send().await;
            put.unwrap_or_else(|e| panic!("{}, round {round}: {e}", key(i)));
        }
    }

    /// Reads every object through both zones' frontends.
    async fn check(&self, round: usize) {
        for (client, zone) in self.clients.iter().zip(["a", "b"]) {
            for i in 0..OBJECTS {
                let object = client.get(&key(i)).await;
                let object = object.unwrap_or_else(|e| panic!("{} through zone {zone}: {e}", key(i)));
                let bytes = object.bytes().await.unwrap_or_else(|e| panic!("{} was cut: {e}", key(i)));
                assert!(bytes == body(i, round), "{} through zone {zone}: another version", key(i));
            }
        }
    }

    /// Starts the node again as a supervisor does, until one of its processes is ready; returns how often that was.
    async fn start_lost_node(&mut self) -> usize {
        let ready = format!("http://{}/readyz", self.cluster.process("node", LOST).unwrap().addresses.admin);
        let client = reqwest::Client::new();
        for starts in 1..10 {
            self.cluster.restart("node", LOST).unwrap();
            let is_ready = until("the node is ready or has ended", LIMIT, || {
                let ended = self.cluster.has_ended("node", LOST).unwrap();
                let asked = client.get(&ready).send();
                async move {
                    let is_ready = asked.await.is_ok_and(|answer| answer.status() == 200);
                    (ended || is_ready).then_some(is_ready)
                }
            });
            if is_ready.await {
                return starts;
            }
        }
        panic!("the node is never ready: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.cluster.dir().join(format!("node-{LOST}.again.log"))).unwrap_or_default()
    }

    /// The node is in sync where nothing is held only.
    async fn check_not_in_sync(&self) {
        let state = self.state().await;
        let process = state.nodes[&NodeId(LOST)].incarnation;
        for i in 0..OBJECTS {
            let entry = self.entry(&state, &key(i));
            assert!(entry.insync.iter().all(|member| member.node != NodeId(LOST)), "{}: {entry:?}", key(i));
            let mut writers = entry.writers();
            assert!(
                writers.any(|member| (member.node, member.incarnation) == (NodeId(LOST), process)),
                "{}: {entry:?}",
                key(i)
            );
        }
    }

    /// Acknowledges overwrites only that both zones show.
    async fn check_overwrites(&self) {
        for i in 0..OBJECTS {
            let (writer, reader) = (&self.clients[i % 2], &self.clients[(i + 1) % 2]);
            if writer.put(&key(i), body(i, WRITES)).send().await.is_err() {
                continue;
            }
            for client in [reader, writer] {
                let read = client.get(&key(i)).await;
                let object = read.unwrap_or_else(|e| panic!("{} is acknowledged: {e}", key(i)));
                let bytes = object.bytes().await.unwrap();
                assert!(
                    bytes == body(i, WRITES),
                    "{}: acknowledged, and a zone shows an older version",
                    key(i)
                );
            }
        }
        // All of them are acknowledged now: the node takes part as a syncing member.
        self.write(WRITES + 1).await;
        self.check(WRITES + 1).await;
    }

    async fn stop(self, expected: &[&str]) {
        let loud = logs::unexpected(&self.log(), expected);
        assert!(loud.is_empty(), "{loud:#?}");
        self.cluster.stop().await.unwrap();
    }
}

/// Names without a common group, so that both nodes are heads of some.
fn key(i: usize) -> String {
    format!("channel{i}x/s.ts")
}

fn body(i: usize, round: usize) -> Vec<u8> {
    format!("{i} {round} ").repeat(2_000).into_bytes()
}

fn empty(dir: &Path) {
    fs::remove_dir_all(dir).unwrap();
    fs::create_dir(dir).unwrap();
}

/// The files of a data directory, which has no folders.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// What a node with an emptied directory logs.
const WIPED: &str = "is not the one that the node had";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_is_not_taken_for_its_old_self() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(dir.path()).await;
    for round in 0..WRITES {
        run.write(round).await;
    }
    run.cluster.kill("node", LOST).unwrap();
    empty(&dir.path().join(format!("node-{LOST}")));
    assert_eq!(run.start_lost_node().await, 1);
    for _ in 0..3 {
        run.check(WRITES - 1).await;
    }
    run.check_not_in_sync().await;
    run.stop(&[WIPED]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_head_acknowledges_nothing_that_the_other_zone_does_not_show() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(dir.path()).await;
    for round in 0..WRITES {
        run.write(round).await;
    }
    run.cluster.kill("node", LOST).unwrap();
    empty(&dir.path().join(format!("node-{LOST}")));
    run.start_lost_node().await;
    run.check_overwrites().await;
    run.stop(&[WIPED]).await;
}

/// The node has restarted a few times when it gets an old directory, and is in sync for what is written after.
async fn an_old_directory(replace: impl FnOnce(&Path, &Path)) {
    const RESTARTS: usize = 3;
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(dir.path()).await;
    let (data, old) = (dir.path().join(format!("node-{LOST}")), dir.path().join("old"));
    copy(&data, &old);
    for _ in 0..RESTARTS {
        run.cluster.kill("node", LOST).unwrap();
        assert_eq!(run.start_lost_node().await, 1);
    }
    let run_ref = &run;
    until("the node is in sync for its empty shards", LIMIT, || async {
        let state = run_ref.state().await;
        state.shards.values().all(|entry| entry.insync.len() == 2).then_some(())
    })
    .await;
    for round in 0..WRITES {
        run.write(round).await;
    }
    run.cluster.kill("node", LOST).unwrap();
    replace(&data, &old);
    run.start_lost_node().await;
    run.check(WRITES - 1).await;
    run.check_not_in_sync().await;
    run.check_overwrites().await;
    run.stop(&[WIPED]).await;
}

/// An address where nobody listens.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_ends_when_another_one_registers_as_its_node() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(dir.path()).await;
    run.write(0).await;
    // The node is started once more, somewhere else: with a directory and addresses of its own.
    let config = fs::read_to_string(dir.path().join(format!("node-{LOST}.toml"))).unwrap();
    let mut config: toml::Table = config.parse().unwrap();
    let (listen, admin, data) = (free_address(), free_address(), dir.path().join("elsewhere"));
    for (name, value) in [
        ("listen", listen.as_str()),
        ("advertise", listen.as_str()),
        ("admin_listen", admin.as_str()),
        ("data_dir", data.to_str().unwrap()),
    ] {
        config.insert(name.to_owned(), value.into());
    }
    let path = dir.path().join("elsewhere.toml");
    fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    let mut command = Command::new(binary("headwater"));
    command.arg("node").arg("--config").arg(&path);
    let second = Process::start(&mut command, &dir.path().join("elsewhere.log")).unwrap();

    until("the first process has ended by itself", LIMIT, || async {
        run.cluster.log("node", LOST).contains("was replaced by incarnation").then_some(())
    })
    .await;
    let ready = format!("http://{admin}/readyz");
    until("the second process is ready", LIMIT, || async {
        reqwest::get(&ready).await.is_ok_and(|answer| answer.status() == 200).then_some(())
    })
    .await;
    run.check(0).await;
    run.check_not_in_sync().await;
    run.write(1).await;
    run.check(1).await;
    second.interrupt().unwrap();
    // The first one was not told to stop, which the cluster takes for a failure: it is not stopped as a whole.
    drop(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_a_directory_takes_no_place_however_often_its_node_is_started() {
    an_old_directory(|data, old| {
        empty(data);
        copy(old, data);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_directory_takes_no_place_however_often_its_node_is_started() {
    an_old_directory(|data, _| empty(data)).await;
}
