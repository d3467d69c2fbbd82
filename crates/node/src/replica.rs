//! The other end of the chain: taking replicated writes in.

use futures_util::StreamExt;
use headwater_proto::{
    Arriving, Replicate, ReplicateBegin, ReplicateCommit, ReplicationPieces, StorageError,
};
use headwater_store::{Inserted, Record};
use headwater_types::{BodyShare, Chunks, ObjectMeta, Version, limits::CHUNK_BYTES};
use std::sync::Arc;

use crate::{
    arrivals::Arrival,
    budget::admit_body,
    commit::Applying,
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
        self.check_room(&begin, begin.size.unwrap_or(0))?;

        let about = begin.followable.then(|| Arriving {
            attributes: begin.attributes.clone(),
            class: begin.class,
            ttl: begin.ttl,
        });
        let mut arrival = self.arrivals().begin(begin.object.clone(), about, begin.began);
        let mut charge = self.charge(&begin)?;
        let mut checked = CHUNK_BYTES as u64;
        while let Some(piece) = pieces.next().await {
            match piece {
                Replicate::Chunk(bytes) => {
                    // However much: its head has let it in, and readers here may follow it already.
                    let size = arrival.body().len() + bytes.len() as u64;
                    charge.cover_anyway(size);
                    arrival.push(bytes);
                    if begin.size.is_none() && size > checked {
                        self.check_room(&begin, size)?;
                        checked = size + CHUNK_BYTES as u64;
                    }
                }
                Replicate::Commit(commit) => {
                    charge.settle(arrival.body().len());
                    return self.apply(begin, commit, &arrival).await;
                }
            }
        }
        Err(StorageError::BodyCut)
    }

    fn check_replicate(&self, begin: &ReplicateBegin) -> Result<(), StorageError> {
        let core = self.shard(begin.shard).lock();
        core.check_replicate(begin.epoch, begin.from)
            .map_err(|r: Refusal| refused(&core, r, self.map_version()))
    }

    /// Of what is staged a head sends only so much at a time. The rest is refused where there is no memory for now,
    /// which is not the same as a body for which there is no room: the head sends it again when it is staged.
    fn charge(&self, begin: &ReplicateBegin) -> Result<BodyShare, StorageError> {
        if begin.staged {
            return Ok(self.replicating().take(begin.size.unwrap_or(0)));
        }
        let charge = admit_body(self.replicating(), begin.size, u64::MAX);
        charge.map_err(|error| StorageError::Unavailable(error.to_string()))
    }

    /// What can never be held is refused, as long as the head can still refuse it.
    fn check_room(&self, begin: &ReplicateBegin, size: u64) -> Result<(), StorageError> {
        if begin.staged || self.tier().fits(begin.object.namespace, Record::cost_at_least(size)) {
            return Ok(());
        }
        Err(StorageError::Overloaded(format!("{size} bytes do not fit what a member of the shard has")))
    }

    /// Holds a version, then acknowledges. From here on this member may serve it. Under the key's lock, so that of two
    /// versions the one that comes second finds what became of the first.
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
        let _lock = self.key_lock(&begin.object).lock().await;
        {
            let mut core = self.shard(begin.shard).lock();
            // The epoch may have changed while the body arrived: a lower one is rejected to the last moment.
            core.check_replicate(begin.epoch, begin.from)
                .map_err(|r| refused(&core, r, self.map_version()))?;
            if core.is_late_duplicate(version) || core.is_superseded(&begin.object, version) {
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
        if begin.staged {
            self.keep(&record).await.map_err(|error| StorageError::Unavailable(error.to_string()))?;
        } else {
            self.keep_if_it_fits(&record).await?;
        }
        let may_show = {
            let mut core = self.shard(begin.shard).lock();
            core.remember(&record.object, version);
            core.check_read(begin.epoch).is_ok()
        };
        if may_show {
            arrival.committed();
        }
        // Else who follows the upload is cut: a member that has stopped reading shows nothing new.
        self.metrics().replicated.inc();
        Ok(version)
    }

    /// The head hears first that there is no room, and takes note of it, before it sends the version as one that must
    /// be taken.
    async fn keep_if_it_fits(&self, record: &Arc<Record>) -> Result<(), StorageError> {
        match self.tier().insert(record.clone()).await {
            Ok(Inserted::Applied(_) | Inserted::Stale) => Ok(()),
            Ok(Inserted::DoesNotFit) => {
                Err(StorageError::Overloaded("the object does not fit this member".into()))
            }
            Err(error) => Err(StorageError::Unavailable(error.to_string())),
        }
    }
}
