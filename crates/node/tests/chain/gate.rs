//! Links between nodes of one process that a test holds up.

use futures_util::StreamExt;
use headwater_proto::{
    Replicate, ReplicateBegin, Replication, ReplicationPieces, StopReads, Storage, StorageError,
    directory::{Directory, LocalDirectory},
};
use headwater_types::{Member, NodeId, ShardId, Version};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::watch;

/// Holds up calls to node 3, and calls that ask a member to stop reading. At first it holds up nothing.
#[derive(Debug)]
pub struct Gate {
    /// Commits for node 3 with this sequence number or a larger one wait.
    commits_from: watch::Sender<u64>,
    stops_held: watch::Sender<bool>,
    stops: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            commits_from: watch::Sender::new(u64::MAX),
            stops_held: watch::Sender::new(false),
            stops: AtomicU64::new(0),
        }
    }
}

impl Gate {
    pub fn hold_commits_from(&self, seq: u64) {
        self.commits_from.send_replace(seq);
    }

    pub fn hold_stops(&self, held: bool) {
        self.stops_held.send_replace(held);
    }

    /// How often a head has asked a member to stop reading.
    pub fn stops(&self) -> u64 {
        self.stops.load(Ordering::SeqCst)
    }
}

/// The nodes, each behind the gate.
#[derive(Debug)]
pub struct GatedDirectory {
    pub nodes: Arc<LocalDirectory>,
    pub gate: Arc<Gate>,
}

impl Directory for GatedDirectory {
    fn storage(&self, node: NodeId, address: &str) -> Arc<dyn Storage> {
        self.nodes.storage(node, address)
    }

    fn replication(&self, node: NodeId, address: &str) -> Arc<dyn Replication> {
        let (to, gate) = (self.nodes.replication(node, address), self.gate.clone());
        Arc::new(Wire { to, is_slow: node == NodeId(3), gate })
    }
}

#[derive(Debug)]
struct Wire {
    to: Arc<dyn Replication>,
    is_slow: bool,
    gate: Arc<Gate>,
}

#[async_trait::async_trait]
impl Replication for Wire {
    async fn replicate(
        &self,
        begin: ReplicateBegin,
        pieces: ReplicationPieces,
    ) -> Result<Version, StorageError> {
        let (is_slow, gate) = (self.is_slow, self.gate.clone());
        let gated = pieces.then(move |piece| {
            let mut from = gate.commits_from.subscribe();
            async move {
                if let Replicate::Commit(commit) = &piece
                    && is_slow
                {
                    let seq = commit.version.seq;
                    from.wait_for(|from| seq < *from).await.unwrap();
                }
                piece
            }
        });
        self.to.replicate(begin, gated.boxed()).await
    }

    async fn beacon(&self, from: Member, map_version: u64) -> Result<(Member, u64), StorageError> {
        self.to.beacon(from, map_version).await
    }

    async fn stop_reads(&self, request: StopReads) -> Result<Vec<ShardId>, StorageError> {
        let mut held = self.gate.stops_held.subscribe();
        self.gate.stops.fetch_add(1, Ordering::SeqCst);
        held.wait_for(|held| !held).await.unwrap();
        self.to.stop_reads(request).await
    }
}
