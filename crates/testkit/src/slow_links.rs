//! Slow links between the nodes of one process.

use futures_util::StreamExt;
use headwater_proto::{
    Replicate, ReplicateBegin, Replication, ReplicationPieces, StopReads, Storage, StorageError,
    directory::Directory,
};
use headwater_types::{Member, NodeId, Rng, SeededRng, ShardId, Version};
use std::{sync::Arc, time::Duration};

/// A directory of nodes between which each commit takes its time.
#[derive(Debug)]
pub struct SlowLinks {
    directory: Arc<dyn Directory>,
    delays: Arc<Delays>,
}

#[derive(Debug)]
struct Delays {
    rng: SeededRng,
    max: Duration,
}

impl SlowLinks {
    /// Each commit is delayed by less than `max`; the delays follow from the seed and the order of the calls.
    pub fn new(directory: Arc<dyn Directory>, seed: u64, max: Duration) -> Self {
        Self { directory, delays: Arc::new(Delays { rng: SeededRng::new(seed), max }) }
    }
}

impl Directory for SlowLinks {
    fn storage(&self, node: NodeId, address: &str) -> Arc<dyn Storage> {
        self.directory.storage(node, address)
    }

    fn replication(&self, node: NodeId, address: &str) -> Arc<dyn Replication> {
        let to = self.directory.replication(node, address);
        Arc::new(SlowLink { to, delays: self.delays.clone() })
    }
}

#[derive(Debug)]
struct SlowLink {
    to: Arc<dyn Replication>,
    delays: Arc<Delays>,
}

#[async_trait::async_trait]
impl Replication for SlowLink {
    async fn replicate(
        &self,
        begin: ReplicateBegin,
        pieces: ReplicationPieces,
    ) -> Result<Version, StorageError> {
        let max = u64::try_from(self.delays.max.as_micros()).unwrap_or(u64::MAX).max(1);
        let delay = Duration::from_micros(self.delays.rng.next_u64() % max);
        let slow = pieces.then(move |piece| async move {
            if matches!(piece, Replicate::Commit(_)) {
                tokio::time::sleep(delay).await;
            }
            piece
        });
        self.to.replicate(begin, slow.boxed()).await
    }

    async fn beacon(&self, from: Member, map_version: u64) -> Result<(Member, u64), StorageError> {
        self.to.beacon(from, map_version).await
    }

    async fn stop_reads(&self, request: StopReads) -> Result<Vec<ShardId>, StorageError> {
        self.to.stop_reads(request).await
    }
}
