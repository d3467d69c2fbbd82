//! The same scenario over every [`MetaStore`], and what only the wire has.

use headwater_proto::grpc::{incoming, server_builder};
use headwater_types::{
    Incarnation, KeyId, Member, NamespaceName, NodeId, SeededRng, ShardId, SystemClock, UnixMillis,
};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use super::{MetaGrpcClient, meta_service};
use crate::{
    MetaCache, RaftMeta,
    bootstrap::{BootstrapError, ensure_namespace, issue_key},
    command::{Command, Outcome},
    limits::REPORT_KEYS_MAX,
    raft::tests::{LIMIT, create_namespace, map, single},
    records::{NamespaceSettings, Permission},
    state::tests::{new_node, registered},
    store::{MetaError, MetaStore, NodeReport, Report},
};

struct Served {
    meta: Arc<RaftMeta>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Served {
    /// A voter with its service at `address`, where nobody listens yet.
    async fn start(dir: &Path, address: SocketAddr) -> Self {
        let meta = single(dir).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = meta_service(meta.clone(), meta.board().clone());
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap() };
        let server =
            server_builder().add_service(service).serve_with_incoming_shutdown(incoming(listener), stopped);
        let server = tokio::spawn(async move { server.await.unwrap() });
        Self { meta, address, stop, server }
    }

    /// Ends the watches, then the connections.
    async fn stop(self) {
        self.meta.shutdown().await;
        self.stop.send(()).unwrap();
        timeout(LIMIT, self.server).await.unwrap().unwrap();
    }
}

async fn serve(dir: &Path) -> Served {
    Served::start(dir, "127.0.0.1:0".parse().unwrap()).await
}

fn client(addresses: &[SocketAddr]) -> Arc<MetaGrpcClient> {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let (clock, rng) = (Arc::new(SystemClock::new()), Arc::new(SeededRng::new(1)));
    Arc::new(MetaGrpcClient::new(&addresses, "test-1", clock, rng).unwrap())
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// What every store does, on a new cluster.
async fn conformance(store: Arc<dyn MetaStore>) {
    let rng = Arc::new(SeededRng::new(2));
    let (cache, task) = MetaCache::follow(store.clone(), Arc::new(SystemClock::new()), rng.clone());
    let name = || NamespaceName::parse("live").unwrap();
    let namespace = ensure_namespace(&*store, name(), NamespaceSettings::default()).await.unwrap();
    assert_eq!(ensure_namespace(&*store, name(), NamespaceSettings::default()).await.unwrap(), namespace);
    let taken = store.propose(create_namespace("live"), LIMIT).await.unwrap();
    assert!(matches!(taken.outcome, Outcome::Refused { code, .. } if code == "exists"));

    let nodes = vec![new_node(1, 1, "a"), new_node(2, 2, "b")];
    let command = Command::Register { nodes };
    let members = registered(store.propose(command.clone(), LIMIT).await.unwrap().outcome);
    assert_eq!(registered(store.propose(command, LIMIT).await.unwrap().outcome), members, "a repetition");
    map(store.clone(), LIMIT).await;
    let refused = issue_key(&*store, &*rng, None, Permission::ReadOnly, None, None).await;
    assert!(matches!(refused, Err(BootstrapError::Refused { code, .. }) if code == "invalid"));
    let key = issue_key(&*store, &*rng, Some(namespace), Permission::ReadOnly, None, None).await.unwrap();

    let membership = store.membership().await.unwrap();
    assert_eq!(
        (membership.id, membership.leader, membership.voters().collect::<Vec<_>>()),
        (1, Some(1), vec![1])
    );
    timeout(LIMIT, cache.wait_for(membership.applied)).await.unwrap();
    assert!(cache.verify(&key, UnixMillis(0)).is_some());
    assert_eq!(cache.shard(ShardId::new(1023).unwrap()).unwrap().insync.len(), 2);
    assert_eq!(cache.nodes().len(), 2);

    let revoked = store.propose(Command::RevokeKey { id: key.id.clone() }, LIMIT).await.unwrap();
    timeout(LIMIT, cache.wait_for(revoked.version)).await.unwrap();
    assert!(cache.verify(&key, UnixMillis(0)).is_none());
    task.abort();
}

#[tokio::test]
async fn conformance_direct() {
    let dir = tempfile::tempdir().unwrap();
    let meta = single(dir.path()).await;
    conformance(meta.clone()).await;
    meta.shutdown().await;
}

#[tokio::test]
async fn conformance_over_grpc_past_a_dead_voter() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path()).await;
    let client = client(&[nobody().await, served.address]);
    conformance(client.clone()).await;
    let made = client.propose(create_namespace("read"), LIMIT).await.unwrap().version;
    assert!(client.linearizable_read(LIMIT).await.unwrap() >= made);
    served.stop().await;
}

#[tokio::test]
async fn a_dead_cluster_is_unavailable_and_a_cache_comes_back_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path()).await;
    let store = client(&[served.address]);
    let (cache, task) =
        MetaCache::follow(store.clone(), Arc::new(SystemClock::new()), Arc::new(SeededRng::new(5)));
    let made = store.propose(create_namespace("live"), LIMIT).await.unwrap();
    timeout(LIMIT, cache.wait_for(made.version)).await.unwrap();
    let address = served.address;
    served.stop().await;
    let dead = client(&[nobody().await]).propose(create_namespace("vod"), Duration::from_millis(300)).await;
    assert!(matches!(dead, Err(MetaError::Unavailable(_))), "nothing was done: {dead:?}");
    assert!(cache.namespace("live").is_some(), "the copy outlives its source");

    let served = Served::start(dir.path(), address).await;
    let made = served.meta.propose(create_namespace("vod"), LIMIT).await.unwrap();
    timeout(LIMIT, cache.wait_for(made.version)).await.unwrap();
    assert!(cache.namespace("vod").is_some());
    task.abort();
    served.stop().await;
}

#[tokio::test]
async fn reports_reach_the_voter_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path()).await;
    let client = client(&[nobody().await, served.address]);
    let report = Report {
        reporter: "node-7".to_owned(),
        version: 3,
        node: Some(NodeReport {
            member: Member { node: NodeId(7), incarnation: Incarnation(2) },
            hot_bytes: 10,
            hot_capacity_bytes: 100,
        }),
        keys_used: vec![(KeyId("k".into()), UnixMillis(5))],
        seq: 1,
        spaces: Vec::new(),
    };
    let applied = served.meta.membership().await.unwrap().applied;
    let reported = timeout(LIMIT, client.report(report.clone())).await.unwrap().unwrap();
    assert_eq!(reported.version, applied);
    assert!(reported.guidance.is_some_and(|guidance| guidance.term > 0), "the only voter leads");
    let presence = client.presence(&[KeyId("k".into()), KeyId("unused".into())]).await.unwrap();
    let seen: Vec<_> = presence.reporters.iter().map(|r| (r.name.as_str(), r.version, r.node)).collect();
    assert_eq!(seen, [("node-7", 3, report.node)]);
    assert_eq!(presence.keys_used.into_iter().collect::<Vec<_>>(), report.keys_used);
    let many: Vec<_> = (0..=REPORT_KEYS_MAX).map(|n| KeyId(n.to_string().into())).collect();
    client.presence(&many[1..]).await.unwrap();
    client.presence(&many).await.unwrap_err();
    served.stop().await;
}
