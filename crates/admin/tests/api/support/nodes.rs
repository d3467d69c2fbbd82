//! Storage nodes that share what they hold and only list it.

use headwater_proto::{
    BodyPieces, DeleteReply, DeleteRequest, Directory, GetReply, GetRequest, HeadReply, HeadRequest,
    ListEntry, ListReply, ListRequest, PutReply, PutRequest, Replication, Storage, StorageError,
};
use headwater_types::{
    Attributes, Digest, Epoch, MediaClass, NamespaceId, NodeId, ObjectMeta, ShardId, UnixMillis, Version,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the nodes hold, by namespace and key.
type Shared = Arc<Mutex<BTreeMap<(NamespaceId, String), Arc<ObjectMeta>>>>;

#[derive(Debug, Default)]
pub struct Nodes {
    objects: Shared,
    /// Nodes that do not answer.
    pub down: Arc<Mutex<BTreeSet<NodeId>>>,
}

#[derive(Debug)]
struct Node {
    id: NodeId,
    objects: Shared,
    down: Arc<Mutex<BTreeSet<NodeId>>>,
}

fn shard_of(name: &str) -> ShardId {
    ShardId::of_hash(name.bytes().fold(7, |hash: u64, b| hash.wrapping_mul(31).wrapping_add(u64::from(b))))
}

impl Nodes {
    pub fn put(&self, namespace: u64, name: &str, size: u64, stored_at: u64) {
        let is_playlist = [".m3u8", ".mpd"].iter().any(|end| name.ends_with(end));
        let meta = ObjectMeta {
            version: Version { epoch: Epoch(1), seq: 1 },
            digest: Digest::of(name.as_bytes()),
            size,
            class: if is_playlist { MediaClass::Playlist } else { MediaClass::Media },
            attributes: Attributes { content_type: "video/mp2t".into(), ..Attributes::default() },
            stored_at: UnixMillis(stored_at),
            expires_at: UnixMillis(stored_at + 60_000),
        };
        self.objects.lock().insert((NamespaceId(namespace), name.to_owned()), Arc::new(meta));
    }
}

impl Directory for Nodes {
    fn storage(&self, id: NodeId, _address: &str) -> Arc<dyn Storage> {
        Arc::new(Node { id, objects: self.objects.clone(), down: self.down.clone() })
    }

    fn replication(&self, _: NodeId, _: &str) -> Arc<dyn Replication> {
        unreachable!("the admin plane does not replicate")
    }
}

fn only_lists<T>() -> Result<T, StorageError> {
    Err(StorageError::NotServing("only lists".into()))
}

#[async_trait::async_trait]
impl Storage for Node {
    async fn put(&self, _: PutRequest, _: BodyPieces) -> Result<PutReply, StorageError> {
        only_lists()
    }

    async fn get(&self, _: GetRequest) -> Result<GetReply, StorageError> {
        only_lists()
    }

    async fn head(&self, _: HeadRequest) -> Result<HeadReply, StorageError> {
        only_lists()
    }

    async fn delete(&self, _: DeleteRequest) -> Result<DeleteReply, StorageError> {
        only_lists()
    }

    async fn list(&self, request: ListRequest) -> Result<ListReply, StorageError> {
        if self.down.lock().contains(&self.id) {
            return Err(StorageError::Unavailable("down".into()));
        }
        let shards: BTreeSet<ShardId> = request.shards.iter().map(|(shard, _)| *shard).collect();
        let mut entries: BTreeMap<String, ListEntry> = BTreeMap::new();
        for ((namespace, name), meta) in &*self.objects.lock() {
            let listed = *namespace == request.namespace
                && name.starts_with(&request.prefix)
                && shards.contains(&shard_of(name));
            if !listed {
                continue;
            }
            let rest = &name[request.prefix.len()..];
            let entry = match rest.find('/').filter(|_| request.fold) {
                Some(at) => ListEntry { name: format!("{}{}", request.prefix, &rest[..=at]), meta: None },
                None => ListEntry { name: name.clone(), meta: Some(meta.clone()) },
            };
            if request.after.as_ref().is_none_or(|after| entry.name > *after) {
                entries.insert(entry.name.clone(), entry);
            }
        }
        let more = entries.len() > request.limit;
        Ok(ListReply { entries: entries.into_values().take(request.limit).collect(), more })
    }
}
