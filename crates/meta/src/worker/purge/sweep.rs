//! One step of a purge: some shards, listed and deleted.

use futures_util::{StreamExt, stream};
use headwater_proto::{DeleteRequest, ListRequest, Storage, StorageError};
use headwater_types::{
    Epoch, NodeId, ObjectId, ObjectKey, RequestId, ShardId, UnixMillis, limits::LIST_LIMIT_MAX,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{records::PurgeRecord, state::State, worker::WorkerParts};

/// Deletes under way at a time.
const DELETES_MAX: usize = 16;
/// For one call of a node.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// A purge of some shards, and how much it has removed.
#[derive(Debug)]
pub(super) struct Sweep<'a> {
    parts: &'a WorkerParts,
    state: &'a Arc<State>,
    purge: &'a PurgeRecord,
    older_than: Option<UnixMillis>,
    removed: AtomicU64,
}

/// A key that is to go.
struct Victim {
    shard: ShardId,
    epoch: Epoch,
    object: ObjectId,
}

impl<'a> Sweep<'a> {
    /// A sweep that takes what was stored before `older_than`; `None`: everything.
    pub fn new(
        parts: &'a WorkerParts,
        state: &'a Arc<State>,
        purge: &'a PurgeRecord,
        older_than: Option<UnixMillis>,
    ) -> Self {
        Self { parts, state, purge, older_than, removed: AtomicU64::new(0) }
    }

    /// Objects removed so far.
    pub fn removed(&self) -> u64 {
        self.removed.load(Ordering::Relaxed)
    }

    /// Removes what is there of `shards`, one head after the other. An error says who did not answer; what was removed
    /// by then is counted.
    pub async fn run(&self, shards: &[ShardId]) -> Result<(), String> {
        let mut heads: BTreeMap<NodeId, Vec<(ShardId, Epoch)>> = BTreeMap::new();
        for shard in shards {
            if let Some(entry) = self.state.shards.get(shard) {
                heads.entry(entry.head.node).or_default().push((*shard, entry.epoch));
            }
        }
        for (head, shards) in heads {
            let address = self.state.nodes.get(&head).map(|node| node.address.as_str()).unwrap_or_default();
            let storage = self.parts.directory.storage(head, address);
            let swept = self.sweep_head(storage.as_ref(), &shards).await;
            swept.map_err(|error| format!("node {head}: {error}"))?;
        }
        Ok(())
    }

    /// The head lists and deletes: of all members it alone knows every staged version.
    async fn sweep_head(&self, head: &dyn Storage, shards: &[(ShardId, Epoch)]) -> Result<(), StorageError> {
        let epochs: BTreeMap<ShardId, Epoch> = shards.iter().copied().collect();
        let mut after = None;
        loop {
            let page = head.list(self.list_request(shards, after.take())).await?;
            after = page.entries.last().map(|entry| entry.name.clone());
            let old = page.entries.iter().filter(|entry| {
                let stored = entry.meta.as_ref().map(|meta| meta.stored_at);
                stored.is_some_and(|at| self.older_than.is_none_or(|limit| at < limit))
            });
            let victims: Vec<Victim> = old.filter_map(|entry| self.victim(&epochs, &entry.name)).collect();
            let mut deletes = stream::iter(victims)
                .map(|victim| head.delete(self.delete_request(victim)))
                .buffer_unordered(DELETES_MAX);
            while let Some(deleted) = deletes.next().await {
                self.removed.fetch_add(u64::from(deleted?.existed), Ordering::Relaxed);
            }
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// `None` for a name that is no key of these shards: a node of another build may list what it should not.
    fn victim(&self, epochs: &BTreeMap<ShardId, Epoch>, name: &str) -> Option<Victim> {
        let object = ObjectId { namespace: self.purge.namespace, key: ObjectKey::parse(name).ok()? };
        let shard = headwater_ring::shard(object.namespace, &object.key);
        let epoch = *epochs.get(&shard)?;
        Some(Victim { shard, epoch, object })
    }

    fn list_request(&self, shards: &[(ShardId, Epoch)], after: Option<String>) -> ListRequest {
        ListRequest {
            namespace: self.purge.namespace,
            shards: shards.to_vec(),
            prefix: self.purge.prefix.clone(),
            fold: false,
            after,
            limit: LIST_LIMIT_MAX,
            request_id: self.request_id(),
            remaining: CALL_LIMIT,
        }
    }

    fn delete_request(&self, victim: Victim) -> DeleteRequest {
        DeleteRequest {
            shard: victim.shard,
            epoch: victim.epoch,
            object: victim.object,
            request_id: self.request_id(),
            remaining: CALL_LIMIT,
        }
    }

    fn request_id(&self) -> RequestId {
        let half = || u128::from(self.parts.rng.next_u64());
        RequestId(half() << 64 | half())
    }
}
