//! Groups of voters within the test, by direct calls or over loopback gRPC.

use headwater_proto::grpc::{incoming, server_builder};
use headwater_types::{SeededRng, SystemClock};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{LIMIT, create_namespace};
use crate::{
    grpc::{GrpcPeers, MetaGrpcClient, meta_service, peer_service},
    raft::{LocalPeers, RaftMeta, RaftMetaConfig, VoterDeps},
    store::{Membership, MetaError, MetaStore},
};

/// Every start gets other random numbers: directories are told apart by them.
static SEEDS: AtomicU64 = AtomicU64::new(1);

/// How voters reach each other.
#[derive(Clone)]
pub(super) enum Wire {
    Local(LocalPeers),
    Grpc,
}

struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// A group, its directories and its addresses, which outlive a voter.
pub(super) struct Group {
    pub wire: Wire,
    pub dir: TempDir,
    pub voters: BTreeMap<u64, Arc<RaftMeta>>,
    pub addresses: BTreeMap<u64, String>,
    serving: BTreeMap<u64, Serving>,
    pub tune: fn(RaftMetaConfig) -> RaftMetaConfig,
}

impl Group {
    pub(super) fn new(wire: Wire) -> Self {
        Self {
            wire,
            dir: tempfile::tempdir().unwrap(),
            voters: BTreeMap::new(),
            addresses: BTreeMap::new(),
            serving: BTreeMap::new(),
            tune: |config| config,
        }
    }

    pub(super) fn local() -> Self {
        Self::new(Wire::Local(LocalPeers::new()))
    }

    /// A group of voters 1 to `count`.
    pub(super) async fn of(count: u64, mut group: Self) -> Self {
        group.start(1).await;
        group.voters[&1].ready(LIMIT).await.unwrap();
        for id in 2..=count {
            group.start(id).await;
            group.join(id).await.unwrap();
        }
        group
    }

    pub(super) fn peers(&self) -> &LocalPeers {
        match &self.wire {
            Wire::Local(peers) => peers,
            Wire::Grpc => panic!("not in this process"),
        }
    }

    /// Starts a voter in its directory, serving its address; 1 founds the group.
    pub(super) async fn start(&mut self, id: u64) {
        let (listener, address) = self.address(id).await;
        let config = RaftMetaConfig {
            address: address.clone(),
            bootstrap: id == 1,
            ..RaftMetaConfig::new(id, self.dir.path().join(id.to_string()))
        };
        let voter = RaftMeta::start_with((self.tune)(config), self.deps(id)).await.unwrap();
        match (&self.wire, listener) {
            (Wire::Grpc, Some(listener)) => drop(self.serving.insert(id, serve(&voter, listener))),
            (Wire::Local(peers), _) => peers.register(&address, voter.clone()),
            _ => unreachable!("a listener for gRPC"),
        }
        self.voters.insert(id, voter);
    }

    pub(super) fn deps(&self, id: u64) -> VoterDeps {
        VoterDeps {
            clock: Arc::new(SystemClock::new()),
            rng: Arc::new(SeededRng::new(SEEDS.fetch_add(1, Ordering::Relaxed) * 1_000 + id)),
            peers: match &self.wire {
                Wire::Local(peers) => Arc::new(peers.clone()),
                Wire::Grpc => Arc::new(GrpcPeers::new()),
            },
        }
    }

    async fn address(&mut self, id: u64) -> (Option<TcpListener>, String) {
        if let Wire::Local(_) = self.wire {
            return (None, self.addresses.entry(id).or_insert_with(|| format!("in-process:{id}")).clone());
        }
        let wanted = self.addresses.get(&id).map_or("127.0.0.1:0".to_owned(), Clone::clone);
        let listener = TcpListener::bind(wanted.parse::<SocketAddr>().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        self.addresses.insert(id, address.clone());
        (Some(listener), address)
    }

    /// Takes a voter in that was started.
    pub(super) async fn join(&self, id: u64) -> Result<(), MetaError> {
        let others: Vec<String> = self.addresses.values().cloned().collect();
        self.voters[&id].join(&others, LIMIT).await
    }

    /// Ends a voter as a crash would: the others are not told.
    pub(super) async fn kill(&mut self, id: u64) {
        let voter = self.voters.remove(&id).unwrap();
        if let Wire::Local(peers) = &self.wire {
            peers.forget(&self.addresses[&id]);
        }
        let serving = self.serving.remove(&id);
        let task = serving.map(|Serving { stop, task }| {
            drop(stop);
            task
        });
        voter.shutdown().await;
        // Connections end with it: none must go on to answer for a voter that is gone.
        if let Some(task) = task {
            timeout(LIMIT, task).await.unwrap().unwrap();
        }
    }

    /// Waits until all voters that run agree on a leader among them, and answers it.
    pub(super) async fn leader(&self) -> u64 {
        let agree = async {
            loop {
                let mut leaders = Vec::new();
                for voter in self.voters.values() {
                    leaders.push(voter.membership().await.unwrap().leader);
                }
                if let Some(Some(leader)) = leaders.first()
                    && self.voters.contains_key(leader)
                    && leaders.iter().all(|l| *l == Some(*leader))
                {
                    return *leader;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, agree).await.expect("a leader")
    }

    /// One that runs and does not lead.
    pub(super) async fn follower(&self) -> u64 {
        let leader = self.leader().await;
        *self.voters.keys().find(|id| **id != leader).unwrap()
    }

    pub(super) async fn membership(&self) -> Membership {
        let leader = self.leader().await;
        self.voters[&leader].membership().await.unwrap()
    }

    /// Makes a namespace through a voter. What a change of leaders left open is asked again, and is there then.
    pub(super) async fn make(&self, through: u64, name: &str) -> u64 {
        loop {
            match self.voters[&through].propose(create_namespace(name), LIMIT).await {
                Err(MetaError::Unknown(_)) => {}
                made => return made.unwrap().version,
            }
        }
    }

    /// Waits until a voter has applied `version`, and answers its namespaces' names.
    pub(super) async fn names(&self, of: u64, version: u64) -> Vec<String> {
        let hub = &self.voters[&of].hub;
        timeout(LIMIT, hub.progress().wait_for(|now| now.version >= version)).await.unwrap().unwrap();
        hub.state().names.keys().map(ToString::to_string).collect()
    }

    /// A client that was told of these voters only.
    pub(super) fn client(&self, of: &[u64]) -> Arc<MetaGrpcClient> {
        let addresses: Vec<String> = of.iter().map(|id| self.addresses[id].clone()).collect();
        let (clock, rng) = (Arc::new(SystemClock::new()), Arc::new(SeededRng::new(1)));
        Arc::new(MetaGrpcClient::new(&addresses, "test-1", clock, rng).unwrap())
    }

    pub(super) async fn stop(mut self) {
        for id in self.voters.keys().copied().collect::<Vec<_>>() {
            self.kill(id).await;
        }
    }
}

fn serve(voter: &Arc<RaftMeta>, listener: TcpListener) -> Serving {
    let (stop, stopped) = oneshot::channel::<()>();
    let server = server_builder()
        .add_service(meta_service(voter.clone(), voter.board().clone()))
        .add_service(peer_service(voter.clone()))
        .serve_with_incoming_shutdown(incoming(listener), async { drop(stopped.await) });
    let task = tokio::spawn(async move { server.await.unwrap() });
    Serving { stop, task }
}

/// That nothing holds on to a voter that has ended.
#[tokio::test]
async fn a_voter_that_ended_is_gone() {
    let group = Group::of(1, Group::local()).await;
    let weak: Weak<RaftMeta> = Arc::downgrade(&group.voters[&1]);
    group.stop().await;
    let gone = async {
        while weak.upgrade().is_some() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, gone).await.expect("nobody holds it");
}
