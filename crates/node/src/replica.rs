//! The other end of the chain: taking replicated writes in.

use futures_util::StreamExt;
use headwater_proto::{
    Arriving, Replicate, ReplicateBegin, ReplicateCommit, ReplicationPieces, StorageError,
};
use headwater_store::{Inserted, Record};
use headwater_types::{Chunks, ObjectMeta, ShardId, Version};
use std::sync::Arc;

use crate::{
    arrivals::Arrival,
    node::{StorageNode, refused},
    shard::Refusal,
};

impl StorageNode {
    pub(crate) async fn do_replicate(
        &self,
        begin: ReplicateBegin,
        mut pieces: ReplicationPieces,
    ) -> Result<Version, StorageError> {
        if begin.to != self.member() {
            let me = self.member();
            return Err(StorageError::NotServing(format!("{} was called, this is {me}", begin.to)));
        }
        // A higher epoch: install that configuration first. It is on its way by the watch.
        self.map_at_epoch(begin.shard, begin.epoch, begin.remaining).await;
        self.check_replicate(&begin)?;

        let about = begin.followable.then(|| Arriving {
            attributes: begin.attributes.clone(),
            class: begin.class,
            ttl: begin.ttl,
        });
        let mut arrival = self.arrivals().begin(begin.object.clone(), about);
        let mut charge = self.inflight().admit(0)?;
        while let Some(piece) = pieces.next().await {
            match piece {
                Replicate::Chunk(bytes) => {
                    charge.add(bytes.len() as u64);
                    arrival.push(bytes);
                }
                Replicate::Commit(commit) => return self.apply(begin, commit, &arrival).await,
            }
        }
        Err(StorageError::BodyCut)
    }

    fn check_replicate(&self, begin: &ReplicateBegin) -> Result<(), StorageError> {
        let core = self.shard(begin.shard).lock();
        core.check_replicate(begin.epoch, begin.from)
            .map_err(|r: Refusal| refused(&core, r, self.map_version()))
    }

    /// Holds a version, then acknowledges. From here on this member may serve it.
    async fn apply(
        &self,
        begin: ReplicateBegin,
        commit: ReplicateCommit,
        arrival: &Arrival,
    ) -> Result<Version, StorageError> {
        if arrival.body().len() != commit.size {
            return Err(StorageError::DigestMismatch);
        }
        let version = commit.version;
        {
            let mut core = self.shard(begin.shard).lock();
            // The epoch may have changed while the body arrived: a lower one is rejected to the last moment.
            core.check_replicate(begin.epoch, begin.from)
                .map_err(|r| refused(&core, r, self.map_version()))?;
            if core.is_late_duplicate(version) {
                return Ok(version);
            }
            core.hear_clean(begin.epoch, commit.clean_seq);
            core.apply();
        }
        // From here to the store it counts as applying, however this ends.
        let _applying = Applying { node: self, shard: begin.shard };
        let record = Arc::new(Record {
            object: begin.object,
            shard: begin.shard,
            meta: Arc::new(ObjectMeta {
                version,
                digest: commit.digest,
                size: commit.size,
                class: begin.class,
                attributes: begin.attributes,
                stored_at: commit.stored_at,
                expires_at: commit.expires_at,
            }),
            body: Chunks::compact(arrival.body().pieces()),
            tombstone: commit.tombstone,
            request_ids: commit.request_ids.into(),
        });
        if commit.tombstone {
            self.arrivals().cut_followers(&record.object);
        }
        match self.tier().insert(record).await {
            Ok(Inserted::Applied(_) | Inserted::Stale) => {
                arrival.committed();
                self.metrics().replicated.inc();
                Ok(version)
            }
            Ok(Inserted::DoesNotFit) => {
                Err(StorageError::Overloaded("the object does not fit this member".into()))
            }
            Err(error) => Err(StorageError::Unavailable(error.to_string())),
        }
    }
}

/// A replicated version on its way into the store.
struct Applying<'a> {
    node: &'a StorageNode,
    shard: ShardId,
}

impl Drop for Applying<'_> {
    fn drop(&mut self) {
        self.node.shard(self.shard).lock().applied();
    }
}
