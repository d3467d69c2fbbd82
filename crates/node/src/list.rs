//! LIST: this member's part of a listing.

use headwater_proto::{ListEntry, ListReply, ListRequest, StorageError};
use headwater_store::tier::ListRecords;
use headwater_types::{ShardId, limits::SHARD_COUNT};

use crate::node::{StorageNode, refused};

impl StorageNode {
    pub(crate) async fn do_list(&self, request: ListRequest) -> Result<ListReply, StorageError> {
        let mut wanted = [false; SHARD_COUNT as usize];
        for (shard, epoch) in &request.shards {
            let core = self.shard(*shard).lock();
            core.check_read(*epoch).map_err(|r| refused(&core, r, self.map_version()))?;
            wanted[shard.index()] = true;
        }
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
        let more = listed.len() == request.limit;
        let entry = |listed: headwater_store::ListedRecord| ListEntry {
            name: listed.name,
            meta: listed.record.map(|record| record.meta.clone()),
        };
        Ok(ListReply { entries: listed.into_iter().map(entry).collect(), more })
    }
}
