//! DELETE at the head: a versioned write of a tombstone.

use headwater_proto::{DeleteReply, DeleteRequest, StorageError};
use headwater_store::Record;
use headwater_types::{Attributes, Chunks, Digest, MediaClass, ObjectMeta, Version};
use std::{sync::Arc, time::Duration};

use crate::node::{StorageNode, refused};

/// How long a tombstone is kept: far longer than any repeated call of the write that it deleted can be under way.
const TOMBSTONE_KEPT: Duration = Duration::from_secs(600);

impl StorageNode {
    pub(crate) async fn do_delete(
        self: &Arc<Self>,
        request: DeleteRequest,
    ) -> Result<DeleteReply, StorageError> {
        match tokio::time::timeout(request.remaining, self.delete_now(&request)).await {
            Ok(result) => result,
            Err(_) => {
                let core = self.shard(request.shard).lock();
                Err(match core.staged_by(&request.object, request.request_id) {
                    Some(_) => {
                        StorageError::OutcomeUnknown("not every member has acknowledged in time".into())
                    }
                    None => StorageError::Unavailable("a member of the shard is out of reach".into()),
                })
            }
        }
    }

    async fn delete_now(self: &Arc<Self>, request: &DeleteRequest) -> Result<DeleteReply, StorageError> {
        {
            let core = self.shard(request.shard).lock();
            core.check_head(request.epoch).map_err(|r| refused(&core, r, self.map_version()))?;
        }
        self.links_up(request.shard, request.epoch).await?;
        let lock = self.key_lock(&request.object).lock().await;
        let newest = self.newest(&request.object, request.shard).await?;
        let repeat = newest.record().filter(|record| record.request_ids.contains(&request.request_id));
        if let Some(record) = repeat {
            let version = record.meta.version;
            let staged =
                self.shard(request.shard).lock().staged_by(&request.object, request.request_id).cloned();
            drop(lock);
            if let Some(staged) = staged {
                self.until_clean(&staged, request.remaining).await?;
            }
            return Ok(DeleteReply { version, existed: true });
        }
        let existed = newest.live().is_some();
        let staged_before = self.shard(request.shard).lock().is_dirty(&request.object);
        if !existed && !staged_before && !self.arrivals().is_arriving(&request.object) {
            // Nothing to hide: what is not there needs no tombstone.
            let version = newest.record().map_or(Version::default(), |record| record.meta.version);
            return Ok(DeleteReply { version, existed: false });
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
        let staged = self.stage(request.shard, request.epoch, tombstone)?;
        drop(lock);
        self.drive(staged.clone(), Vec::new(), None);
        self.until_clean(&staged, request.remaining).await?;
        self.metrics().deletes.inc();
        Ok(DeleteReply { version: staged.record.meta.version, existed })
    }
}
