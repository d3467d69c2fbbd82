//! DELETE at the head: a versioned write of a tombstone.

use headwater_proto::{DeleteReply, DeleteRequest, StorageError};
use headwater_store::Record;
use headwater_types::{Attributes, Chunks, Digest, MediaClass, ObjectMeta, ShardId, Version};
use std::{sync::Arc, time::Duration};

use crate::{
    budget::admit_body,
    commit::Staged,
    node::{StorageNode, refused},
    put::Newest,
};

/// How long a tombstone is kept: far longer than any repeated call of the write that it deleted can be under way.
const TOMBSTONE_KEPT: Duration = Duration::from_secs(600);
/// How far the clocks of two members may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(1);

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
            Decided::Nothing(newest) => {
                self.may_tell(request.shard, request.epoch, &newest, left).await?;
                let version = newest.record().map_or(Version::default(), |record| record.meta.version);
                Ok(DeleteReply { version, existed: false })
            }
            Decided::Repeat(newest) => {
                let DeleteRequest { shard, epoch, ref object, request_id, .. } = request;
                let done = self.first_attempt(shard, epoch, object, request_id, newest, left).await?;
                let version = done.map_or(Version::default(), |record| record.meta.version);
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
        if newest.record().is_some_and(|record| record.request_ids.contains(&request.request_id)) {
            return Ok(Decided::Repeat(newest));
        }
        let existed = newest.live().is_some();
        let is_dirty = self.shard(request.shard).lock().is_dirty(&request.object);
        let is_deleted = newest.record().is_some_and(|record| record.tombstone);
        let is_absent = !existed && (is_deleted || !self.may_be_elsewhere(request.shard));
        if is_absent && !is_dirty && !self.arrivals().is_arriving(&request.object) {
            // Nothing to hide: what is not there needs no tombstone.
            return Ok(Decided::Nothing(newest));
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
        let charge = admit_body(self.inflight(), Some(tombstone.cost()), u64::MAX)?;
        let tombstone = self.stage(request.shard, request.epoch, tombstone, Some(charge))?;
        Ok(Decided::Staged { tombstone, existed })
    }

    /// Whether another member may hold what this one has not: each evicts by itself.
    fn may_be_elsewhere(&self, shard: ShardId) -> bool {
        self.tier().lost_until(shard).plus(CLOCKS_APART) > self.clock().unix_millis()
    }
}

/// What was decided under the key's lock.
enum Decided {
    /// There is nothing to delete, by the key's newest version.
    Nothing(Newest),
    /// An earlier attempt at the same request was staged; the key's newest version.
    Repeat(Newest),
    /// A tombstone is staged.
    Staged { tombstone: Arc<Staged>, existed: bool },
}
