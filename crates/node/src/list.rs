//! LIST: this member's part of a listing.

use headwater_proto::{ListEntry, ListReply, ListRequest, StorageError};
use headwater_store::tier::ListRecords;
use headwater_types::{ShardId, limits::SHARD_COUNT};
use std::{sync::Arc, time::Duration};

use crate::{
    commit::Staged,
    node::{StorageNode, refused},
};

impl StorageNode {
    /// As a read of each key: check, wait for what was staged then, read, check again. What is staged later is
    /// concurrent with the listing, which may show it or not.
    pub(crate) async fn do_list(&self, request: ListRequest) -> Result<ListReply, StorageError> {
        let mut wanted = [false; SHARD_COUNT as usize];
        for (shard, _) in &request.shards {
            wanted[shard.index()] = true;
        }
        let staged = self.check_list(&request)?;
        self.settled(&request, staged).await?;
        let shards = move |shard: ShardId| wanted[shard.index()];
        let list = ListRecords {
            namespace: request.namespace,
            shards: &shards,
            prefix: &request.prefix,
            fold: request.fold,
            after: request.after.as_deref(),
            limit: request.limit,
        };
        let listed = self.tier().list(list).await.map_err(|e| StorageError::NotServing(e.to_string()))?;
        self.check_list(&request)?;
        let more = listed.len() == request.limit;
        let entry = |listed: headwater_store::ListedRecord| ListEntry {
            name: listed.name,
            meta: listed.record.map(|record| record.meta.clone()),
        };
        Ok(ListReply { entries: listed.into_iter().map(entry).collect(), more })
    }

    /// Whether this member may answer for every shard; what is staged there of the listed names.
    fn check_list(&self, request: &ListRequest) -> Result<Vec<Arc<Staged>>, StorageError> {
        let ListRequest { namespace, prefix, after, .. } = request;
        let mut staged = Vec::new();
        for (shard, epoch) in &request.shards {
            let core = self.shard(*shard).lock();
            core.check_read(*epoch).map_err(|r| refused(&core, r, self.map_version()))?;
            staged.extend(core.staged_in(*namespace, prefix, after.as_deref()).cloned());
        }
        Ok(staged)
    }

    /// Waits for staged versions: the tail may show them already, and this member must not list the ones before. Where
    /// there is a tail it is left half of the time.
    async fn settled(&self, request: &ListRequest, staged: Vec<Arc<Staged>>) -> Result<(), StorageError> {
        let has_tail = staged.iter().all(|staged| self.has_tail(staged.record.shard));
        let limit = if has_tail { request.remaining / 2 } else { request.remaining };
        let deadline = self.clock().monotonic() + limit;
        for staged in staged {
            let left: Duration = deadline.saturating_sub(self.clock().monotonic());
            if !staged.is_settled_within(left).await {
                return Err(match has_tail {
                    true => StorageError::AskTail,
                    false => StorageError::Unavailable("a write of a listed key is in flight".into()),
                });
            }
        }
        Ok(())
    }
}
