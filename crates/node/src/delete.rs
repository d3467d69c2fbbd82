//! DELETE at the head: a versioned write of a tombstone.

use headwater_proto::{DeleteReply, DeleteRequest, StorageError};
use headwater_store::Record;
use headwater_types::{Attributes, Chunks, Digest, MediaClass, ObjectMeta, Version};
use std::{sync::Arc, time::Duration};

use crate::{
    commit::Staged,
    node::{StorageNode, refused},
};

/// How long a tombstone is kept: far longer than any repeated call of the write that it deleted can be under way.
const TOMBSTONE_KEPT: Duration = Duration::from_secs(600);

impl StorageNode {
    pub(crate) async fn do_delete(
        self: &Arc<Self>,
        request: DeleteRequest,
    ) -> Result<DeleteReply, StorageError> {
        {
            let core = self.shard(request.shard).lock();
            core.check_head(request.epoch).map_err(|r| refused(&core, r, self.map_version()))?;
        }
        let deadline = self.clock().monotonic() + request.remaining;
        let decided = self.in_time(request.remaining, self.decide_delete(&request)).await?;
        let left = deadline.saturating_sub(self.clock().monotonic());
        match decided {
            Decided::Nothing(version) => Ok(DeleteReply { version, existed: false }),
            Decided::Repeat(version) => {
                let staged =
                    self.shard(request.shard).lock().staged_by(&request.object, request.request_id).cloned();
                if let Some(staged) = staged {
                    self.until_clean(&staged, left).await?;
                }
                Ok(DeleteReply { version, existed: true })
            }
            Decided::Staged { tombstone, existed } => {
                self.drive(tombstone.clone(), Vec::new(), None);
                self.until_clean(&tombstone, left).await?;
                self.metrics().deletes.inc();
                Ok(DeleteReply { version: tombstone.record.meta.version, existed })
            }
        }
    }

    /// Under the key's lock. Staging is the last step, as in a PUT.
    async fn decide_delete(&self, request: &DeleteRequest) -> Result<Decided, StorageError> {
        self.links_up(request.shard, request.epoch).await?;
        let _lock = self.key_lock(&request.object).lock().await;
        let newest = self.newest(&request.object, request.shard).await?;
        let repeat = newest.record().filter(|record| record.request_ids.contains(&request.request_id));
        if let Some(record) = repeat {
            return Ok(Decided::Repeat(record.meta.version));
        }
        let existed = newest.live().is_some();
        let is_dirty = self.shard(request.shard).lock().is_dirty(&request.object);
        if !existed && !is_dirty && !self.arrivals().is_arriving(&request.object) {
            // Nothing to hide: what is not there needs no tombstone.
            let version = newest.record().map_or(Version::default(), |record| record.meta.version);
            return Ok(Decided::Nothing(version));
        }
        let now = self.clock().unix_millis();
        let tombstone = Record {
            object: request.object.clone(),
            shard: request.shard,
            meta: Arc::new(ObjectMeta {
                version: Version::default(),
                digest: Digest::of(b""),
                size: 0,
                class: newest.record().map_or(MediaClass::Other, |record| record.meta.class),
                attributes: Attributes::default(),
                stored_at: now,
                expires_at: now.plus(TOMBSTONE_KEPT),
            }),
            body: Chunks::default(),
            tombstone: true,
            request_ids: newest.request_ids(request.request_id),
        };
        let tombstone = self.stage(request.shard, request.epoch, tombstone)?;
        Ok(Decided::Staged { tombstone, existed })
    }
}

/// What was decided under the key's lock.
enum Decided {
    /// There is nothing to delete; the version that says so.
    Nothing(Version),
    /// An earlier attempt at the same request was staged.
    Repeat(Version),
    /// A tombstone is staged.
    Staged { tombstone: Arc<Staged>, existed: bool },
}
