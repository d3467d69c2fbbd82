//! Listings of objects: asked of a member of every shard and merged.

use futures_util::{StreamExt, stream::FuturesUnordered};
use headwater_proto::{
    Directory, ListReply, ListRequest, StorageError,
    listing::{ListPage, merge},
};
use headwater_types::{Epoch, ErrorCode, NamespaceId, NodeId, RequestId, ShardId};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{sleep, timeout};

use super::{
    AdminApi,
    error::{ApiError, ApiResult},
};

/// For a whole listing.
const LIMIT: Duration = Duration::from_secs(5);
/// For the answer of one node, so that there is time to ask another.
const NODE_LIMIT: Duration = Duration::from_secs(1);
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(50);

/// What a listing asks for.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Names that begin so.
    pub prefix: String,
    /// Fold what goes on with a `/` behind the prefix.
    pub fold: bool,
    /// Only names after this one.
    pub after: Option<String>,
    /// At most so many names.
    pub limit: usize,
}

type Shards = Vec<(ShardId, Epoch)>;

impl AdminApi {
    /// One page of a namespace's names. A page that lacked a shard would say that its objects are gone, so all of them
    /// must answer.
    pub(crate) async fn objects(&self, namespace: NamespaceId, listing: &Listing) -> ApiResult<ListPage> {
        let missing = || {
            ApiError::new(
                ErrorCode::Unavailable,
                "this process does not reach the storage nodes: ask a frontend",
            )
        };
        let directory = self.directory.as_deref().ok_or_else(missing)?;
        let replies = timeout(LIMIT, self.ask_all(directory, namespace, listing)).await.map_err(|_| {
            ApiError::new(ErrorCode::Unavailable, format!("not every shard answered within {LIMIT:?}"))
        })?;
        Ok(merge(replies, listing.limit))
    }

    async fn ask_all(
        &self,
        directory: &dyn Directory,
        namespace: NamespaceId,
        listing: &Listing,
    ) -> Vec<ListReply> {
        let mut open: Vec<ShardId> = ShardId::all().collect();
        let mut replies = Vec::new();
        for round in 0.. {
            let (parts, mut left) = self.plan(&open, round);
            let mut calls: FuturesUnordered<_> = parts
                .into_iter()
                .map(|(node, shards)| self.ask(directory, namespace, listing, node, shards))
                .collect();
            while let Some((shards, outcome)) = calls.next().await {
                match outcome {
                    Ok(reply) => replies.push(reply),
                    Err(error) => {
                        tracing::debug!(%error, shards = shards.len(), "a node did not list its shards");
                        left.extend(shards.iter().map(|(shard, _)| *shard));
                    }
                }
            }
            if left.is_empty() {
                break;
            }
            open = left;
            sleep(PAUSE).await;
        }
        replies
    }

    /// Which node is asked about which shards, another one in each round; and the shards that are not in the map.
    fn plan(&self, open: &[ShardId], round: usize) -> (BTreeMap<NodeId, Shards>, Vec<ShardId>) {
        let mut parts: BTreeMap<NodeId, Shards> = BTreeMap::new();
        let mut unknown = Vec::new();
        for shard in open {
            match self.cache.shard(*shard).filter(|entry| !entry.insync.is_empty()) {
                None => unknown.push(*shard),
                Some(entry) => {
                    let member = entry.insync[round % entry.insync.len()];
                    parts.entry(member.node).or_default().push((*shard, entry.epoch));
                }
            }
        }
        (parts, unknown)
    }

    async fn ask(
        &self,
        directory: &dyn Directory,
        namespace: NamespaceId,
        listing: &Listing,
        node: NodeId,
        shards: Shards,
    ) -> (Shards, Result<ListReply, StorageError>) {
        let Some(record) = self.cache.node(node) else {
            return (shards, Err(StorageError::Unavailable(format!("node {node} is not registered"))));
        };
        let request = ListRequest {
            namespace,
            shards: shards.clone(),
            prefix: listing.prefix.clone(),
            fold: listing.fold,
            after: listing.after.clone(),
            limit: listing.limit,
            request_id: RequestId::new(&*self.clock, &*self.rng),
            remaining: NODE_LIMIT,
        };
        let storage = directory.storage(node, &record.address);
        let outcome = timeout(NODE_LIMIT, storage.list(request)).await;
        (shards, outcome.unwrap_or_else(|_| Err(StorageError::Unavailable("no answer in time".into()))))
    }
}
