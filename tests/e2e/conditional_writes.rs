//! A refused conditional write is a read: it tells of nothing that the other zone may not show yet.

use crate::shard_map::ShardMap;
use headwater_meta::bootstrap::{ensure_namespace, issue_key};
use headwater_testkit::{Cluster, HistoryLoad, Relay, history::Outcome, process::signal, until};
use headwater_types::{NamespaceId, NamespaceName, NamespaceSettings, NodeId, Permission, SystemRng};
use reqwest::{Method, Response, StatusCode, header};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::task::JoinHandle;

const LAYOUT: [&str; 6] = ["--meta", "1", "--nodes-per-zone", "1", "--frontends", "2"];
const SOON: Duration = Duration::from_secs(60);
/// How long writes may take in the namespace of the second half.
const DEADLINE: Duration = Duration::from_secs(3);

/// A process that stands still until this is dropped.
struct Paused(u32);

impl Paused {
    fn new(pid: u32) -> Self {
        signal(pid, "STOP").unwrap();
        Self(pid)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        // It is stopped with the cluster in any case.
        let _ = signal(self.0, "CONT");
    }
}

/// A namespace, and a folder of it in a shard whose head is node 1.
struct Folder<'a> {
    cluster: &'a Cluster,
    namespace: String,
    api_key: String,
    folder: String,
    written: AtomicU64,
}

impl<'a> Folder<'a> {
    async fn find(cluster: &'a Cluster, map: &ShardMap, name: &str, settings: NamespaceSettings) -> Self {
        let namespace = NamespaceName::parse(name).unwrap();
        let id: NamespaceId = ensure_namespace(&*map.store, namespace, settings).await.unwrap();
        let key =
            issue_key(&*map.store, &SystemRng, Some(id), Permission::ReadWrite, None, None).await.unwrap();
        let headed_by_1 = |shard| map.cache.shard(shard).is_some_and(|entry| entry.head.node == NodeId(1));
        until("the map is known", SOON, || async { (!map.cache.state().shards.is_empty()).then_some(()) })
            .await;
        let folder = ShardMap::folder(id, headed_by_1);
        let namespace = name.to_owned();
        let this = Self { cluster, namespace, api_key: key.reveal(), folder, written: AtomicU64::new(0) };
        until("both frontends know the key", SOON, || async {
            for frontend in [0, 1] {
                let status = this.request(frontend, Method::GET, "nothing", "").await.status();
                (status == StatusCode::NOT_FOUND).then_some(())?;
            }
            Some(())
        })
        .await;
        this
    }

    fn request(
        &self,
        frontend: usize,
        method: Method,
        name: &str,
        condition: &'static str,
    ) -> impl Future<Output = Response> + Send + 'static {
        let base = &self.cluster.info.data_urls[frontend];
        let url = format!("{base}/cache/{}/{}/{name}", self.namespace, self.folder);
        let mut request = reqwest::Client::new().request(method.clone(), url).bearer_auth(&self.api_key);
        if method == Method::PUT {
            request = request.body("body");
        }
        if !condition.is_empty() {
            request = request.header(header::IF_NONE_MATCH, condition);
        }
        async move { request.send().await.unwrap() }
    }

    /// An object that node 1 has staged and node 2, which stands still, has not: its name, and the request that wrote it.
    async fn staged(&self) -> (Paused, String, JoinHandle<Response>) {
        let admin = self.cluster.process("node", 1).unwrap().addresses.admin;
        let pid = self.cluster.process("node", 2).unwrap().pid;
        for _ in 0..20 {
            let name = format!("live_{}.m3u8", self.written.fetch_add(1, Ordering::Relaxed));
            let paused = Paused::new(pid);
            let put = tokio::spawn(self.request(0, Method::PUT, &name, ""));
            // The gauge is up to a second old.
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let metrics = reqwest::get(format!("http://{admin}/metrics")).await.unwrap();
                let metrics = metrics.text().await.unwrap();
                let dirty = metrics.lines().find(|line| line.starts_with("headwater_node_dirty_versions"));
                if dirty.is_some_and(|line| line.ends_with(" 1")) {
                    return (paused, name, put);
                }
            }
            // The head knew too early that the link is down, and waited instead of staging.
            drop(paused);
            put.await.unwrap();
        }
        panic!("nothing was staged in 20 attempts");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_waits_for_the_other_zone_or_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), &LAYOUT).await.unwrap();
    let map = ShardMap::follow(&cluster);

    let folder = Folder::find(&cluster, &map, "patient", NamespaceSettings::default()).await;
    let (paused, name, put) = folder.staged().await;
    let refused = tokio::spawn(folder.request(0, Method::PUT, &name, "*"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(
        !refused.is_finished(),
        "answered {} from what only one node has",
        refused.await.unwrap().status()
    );
    drop(paused);
    assert_eq!(refused.await.unwrap().status(), StatusCode::PRECONDITION_FAILED);
    let seen = folder.request(1, Method::GET, &name, "").await;
    assert_eq!(seen.status(), StatusCode::OK, "the other zone shows what the refusal told of");
    assert_eq!(put.await.unwrap().status(), StatusCode::CREATED);

    let settings = NamespaceSettings {
        write_deadline_ms: u64::try_from(DEADLINE.as_millis()).unwrap(),
        ..NamespaceSettings::default()
    };
    let folder = Folder::find(&cluster, &map, "impatient", settings).await;
    let (paused, name, put) = folder.staged().await;
    let late = folder.request(0, Method::PUT, &name, "*").await;
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(paused);
    put.await.unwrap();
    until("it is refused once both have it", SOON, || async {
        let again = folder.request(0, Method::PUT, &name, "*").await;
        (again.status() == StatusCode::PRECONDITION_FAILED).then_some(())
    })
    .await;
    assert_eq!(folder.request(1, Method::GET, &name, "").await.status(), StatusCode::OK);
    cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditional_writes_over_a_slow_link_are_linearizable() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), &LAYOUT).await.unwrap();
    let map = ShardMap::follow(&cluster);
    let listen = cluster.process("node", 2).unwrap().addresses.listen.parse().unwrap();
    // What the other node sends is slow. What frontends send is not: a read must not arrive as late as what it reads.
    let other = cluster.process("node", 1).unwrap().pid;
    let relay = Relay::start(listen, Duration::from_millis(80), vec![other]).await.unwrap();
    let address = relay.address().to_string();
    cluster.kill("node", 2).unwrap();
    cluster.restart_with("node", 2, &[("HEADWATER_NODE__ADVERTISE", &address)]).unwrap();
    until("node 2 is in sync at its new address", SOON, || async {
        let state = map.cache.state();
        let node = state.nodes.get(&NodeId(2)).filter(|node| node.address == address)?;
        let is_in_sync = |incarnation| {
            state
                .shards
                .values()
                .all(|entry| entry.insync.iter().any(|m| m.node == node.id && m.incarnation == incarnation))
        };
        (is_in_sync(node.incarnation) && relay.slow() > 0).then_some(())
    })
    .await;
    let info = &cluster.info;
    let load = HistoryLoad {
        urls: [0, 1].map(|at| format!("{}/cache/{}", info.data_urls[at], info.namespace)),
        api_key: info.encoder_api_key.clone(),
        seed: 1,
        keys: 16,
    };
    let history = load.run().await.unwrap();
    assert!(relay.slow() >= 1, "the other node has no connection through the relay");
    let refused = history.count(|_, outcome| outcome == Outcome::Refused);
    let done = history.count(|_, outcome| outcome == Outcome::Done);
    assert!(refused >= 50 && done >= 100, "{refused} refused, {done} done: too few to tell");
    history.check().unwrap_or_else(|why| panic!("{why}"));
    cluster.stop().await.unwrap();
}
