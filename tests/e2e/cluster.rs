//! A cluster of real processes: one metadata voter, a storage node in each zone, two frontends; and their deaths.

use crate::{
    encoder::{Encoder, Generation},
    stored::Stored,
};
use headwater_client::{Client, RetryPolicy};
use headwater_meta::{
    Command, MetaStore, Permission,
    bootstrap::{ensure_namespace, issue_key},
    grpc::MetaGrpcClient,
};
use headwater_testkit::{Cluster, RawConn, Stopwatch, logs, until};
use headwater_types::{ApiKey, NamespaceName, SystemClock, SystemRng};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// Arguments of `cargo xtask cluster`.
const LAYOUT: [&str; 6] = ["--meta", "1", "--nodes-per-zone", "1", "--frontends", "2"];

async fn start(dir: &Path) -> Cluster {
    Cluster::start(dir, &LAYOUT).await.unwrap()
}

/// The encoder's clients of both frontends.
fn clients(cluster: &Cluster) -> [Client; 2] {
    let info = &cluster.info;
    // Without retries: what the cluster does not absorb is a failure.
    let client = |at: usize| {
        let builder = Client::builder().retry(RetryPolicy::none());
        builder.client(&info.data_urls[at], &info.namespace, &info.encoder_api_key).unwrap()
    };
    [0, 1].map(client)
}

async fn read(client: &Client, key: &str) -> Vec<u8> {
    let object = client.get(key).await.unwrap_or_else(|e| panic!("{key}: {e}"));
    object.bytes().await.unwrap_or_else(|e| panic!("{key} was cut: {e}")).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_while_the_metadata_is_dead_and_keys_are_revoked_after() {
    const SECONDS: u32 = 12;
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = start(dir.path()).await;
    let clients = clients(&cluster);
    for (writer, reader) in [(0, 1), (1, 0)] {
        let key = format!("across/s_{writer}.ts");
        clients[writer].put(&key, vec![writer as u8; 300_000]).send().await.unwrap();
        assert_eq!(read(&clients[reader], &key).await, vec![writer as u8; 300_000]);
    }

    let header = format!("Authorization: Bearer {}\r\n", cluster.info.encoder_api_key);
    let url = cluster.url(0, "live/s.m3u8");
    let output =
        ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-method", "PUT", "-headers", &header, &url];
    let encoder = Encoder::start(dir.path(), "live", Generation::Five, SECONDS, &output);
    until("the stream is there", Duration::from_secs(60), || async {
        clients[1].head("live/s.m3u8").await.unwrap().map(drop)
    })
    .await;
    cluster.kill("meta", 1).unwrap();
    // Four more segments with nobody there to ask.
    until("the stream goes on without the metadata", Duration::from_secs(60), || async {
        clients[1].head("live/s5.ts").await.unwrap().map(drop)
    })
    .await;
    cluster.restart("meta", 1).unwrap();
    encoder.finish().await;
    let info = &cluster.info;
    let playlist =
        Stored::new(&info.data_urls[1], &info.namespace, &info.player_api_key).check_hls("live/", 0).await;
    assert_eq!((playlist.segments.len() as u32, playlist.seconds), (SECONDS, f64::from(SECONDS)));

    let meta = cluster.process("meta", 1).unwrap().addresses.listen;
    let (clock, rng) = (Arc::new(SystemClock::new()), Arc::new(SystemRng));
    let store = MetaGrpcClient::new(&[meta], "test", clock, rng.clone()).unwrap();
    until("the voter is back", Duration::from_secs(60), || async { store.membership().await.ok()?.leader })
        .await;
    let name = NamespaceName::parse(&info.namespace).unwrap();
    // It is there already: asking for it again finds it.
    let namespace = ensure_namespace(&store, name, Default::default()).await.unwrap();
    let fresh =
        issue_key(&store, rng.as_ref(), Some(namespace), Permission::ReadOnly, None, None).await.unwrap();
    // A key from before, revoked as soon as the voter is back: frontends may have to connect again first.
    let old = ApiKey::parse(&info.player_api_key).unwrap();
    for (key, limit) in [(old, Duration::from_secs(5)), (fresh, Duration::from_secs(1))] {
        let mut viewers = Vec::new();
        for at in 0..info.data_urls.len() {
            viewers.push(Viewer::accepted(&cluster, at, &key).await);
        }
        let revoke = Command::RevokeKey { id: key.id.clone() };
        store.propose(revoke, Duration::from_secs(5)).await.unwrap();
        let revoked = Stopwatch::start();
        for viewer in &mut viewers {
            while viewer.status().await != 401 {
                assert!(revoked.elapsed() < limit, "a revoked key still reads after {limit:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    check_logs(&cluster, &[]);
    cluster.stop().await.unwrap();
}

/// Nothing unexpected was logged by the frontends and nodes.
fn check_logs(cluster: &Cluster, expected: &[&str]) {
    for process in cluster.info.processes.iter().filter(|process| process.role != "meta") {
        let loud = logs::unexpected(&cluster.log(&process.role, process.id), expected);
        assert!(loud.is_empty(), "{} {}: {loud:#?}", process.role, process.id);
    }
}

/// A player on one connection that stays open.
struct Viewer {
    conn: RawConn,
    request: String,
}

impl Viewer {
    /// Connects to a frontend and waits until that knows the key.
    async fn accepted(cluster: &Cluster, frontend: usize, key: &ApiKey) -> Self {
        let url = cluster.url(frontend, "live/s.m3u8");
        let (address, path) = url.trim_start_matches("http://").split_once('/').unwrap();
        let request =
            format!("GET /{path} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {}\r\n\r\n", key.reveal());
        let limit = Instant::now() + Duration::from_secs(10);
        loop {
            let mut viewer =
                Self { conn: RawConn::connect(address).await.unwrap(), request: request.clone() };
            match viewer.status().await {
                200 => return viewer,
                // Refused before its body was read: there is none, so the connection would do; a new one is simpler.
                401 if Instant::now() < limit => tokio::time::sleep(Duration::from_millis(20)).await,
                status => panic!("{status} for a valid key at frontend {frontend}"),
            }
        }
    }

    async fn status(&mut self) -> u16 {
        self.conn.exchange(&self.request).await.expect("the connection stays open").status
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_and_comes_back_costs_no_acknowledged_object() {
    const OBJECTS: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = start(dir.path()).await;
    let clients = clients(&cluster);
    // Names without a common group, so that both nodes are heads of some.
    let key = |i: usize| format!("channel{i}x/s.ts");
    let body = |i: usize| format!("{i} ").repeat(5000).into_bytes();
    for i in 0..OBJECTS {
        clients[i % 2].put(&key(i), body(i)).send().await.unwrap();
    }

    cluster.kill("node", 2).unwrap();
    let admin = cluster.process("node", 2).unwrap().addresses.admin;
    until("the node is dead", Duration::from_secs(30), || async {
        TcpStream::connect(&admin).await.is_err().then_some(())
    })
    .await;
    // Writes wait for the node, at the frontends, and are not refused.
    let waiting: Vec<_> = (0..20)
        .map(|i| {
            let (client, key) = (clients[i % 2].clone(), format!("meanwhile{i}x/s.ts"));
            tokio::spawn(async move { client.put(&key, vec![b'm'; 100_000]).send().await.map(drop) })
        })
        .collect();
    // The survivor has everything, whichever of the two was its head.
    for i in 0..OBJECTS {
        assert!(read(&clients[i % 2], &key(i)).await == body(i), "{}: other bytes", key(i));
    }
    assert!(waiting.iter().all(|write| !write.is_finished()), "acknowledged with one copy, or refused");
    cluster.restart("node", 2).unwrap();
    for write in waiting {
        write.await.unwrap().expect("a write waits for a node that comes back within its deadline");
    }
    for client in &clients {
        for i in 0..20 {
            assert_eq!(read(client, &format!("meanwhile{i}x/s.ts")).await.len(), 100_000);
        }
        for i in 0..OBJECTS {
            assert!(read(client, &key(i)).await == body(i), "{}: other bytes", key(i));
        }
    }
    for i in 0..OBJECTS {
        clients[i % 2].put(&key(i), body(i + 1)).send().await.unwrap();
        assert!(read(&clients[(i + 1) % 2], &key(i)).await == body(i + 1), "{}: an older version", key(i));
    }
    check_logs(&cluster, &[]);
    cluster.stop().await.unwrap();
}
