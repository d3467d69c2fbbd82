//! One fake node, reached directly or over gRPC, and requests to ask it.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headwater_proto::{
    Began, BodyEnd, BodyPiece, BodyPieces, DeleteRequest, Follow, GetRequest, HeadRequest, ListRequest,
    ObjectBody, Preconditions, PutRequest, Replicate, ReplicateBegin, ReplicateCommit, Replication,
    ReplicationPieces, Storage, StorageError,
    grpc::{
        ReplicationClient, StorageClient, incoming, replication_service, server_builder, storage_service,
    },
};
use headwater_types::{
    Attributes, Digest, DigestHasher, Epoch, Incarnation, MediaClass, Member, NamespaceId, NodeId, ObjectId,
    ObjectKey, RequestId, ShardId, Ttl, UnixMillis, Version,
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{fake::Fake, relay::relay};

pub struct Harness {
    pub fake: Arc<Fake>,
    pub storage: Arc<dyn Storage>,
    pub replication: Arc<dyn Replication>,
    /// `host:port`, empty for direct calls.
    pub address: String,
    servers: Vec<JoinHandle<()>>,
}

impl Harness {
    pub fn direct() -> Self {
        let fake = Fake::new();
        let (storage, replication) = (fake.clone(), fake.clone());
        Self { fake, storage, replication, address: String::new(), servers: Vec::new() }
    }

    pub async fn grpc() -> Self {
        let fake = Fake::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(serve(fake.clone(), listener));
        Self {
            fake,
            storage: Arc::new(StorageClient::new(&address).unwrap()),
            replication: Arc::new(ReplicationClient::new(&address).unwrap()),
            address,
            servers: vec![server],
        }
    }

    /// Storage calls go through a node that is nothing but the generated server and the generated client.
    pub async fn relayed() -> Self {
        let mut harness = Self::grpc().await;
        let (address, server) = relay(&harness.address).await;
        harness.storage = Arc::new(StorageClient::new(&address).unwrap());
        harness.servers.push(server);
        harness
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

pub async fn serve(fake: Arc<Fake>, listener: TcpListener) {
    server_builder()
        .add_service(storage_service(fake.clone()))
        .add_service(replication_service(fake))
        .serve_with_incoming(incoming(listener))
        .await
        .unwrap();
}

pub fn object(key: &str) -> ObjectId {
    ObjectId { namespace: NamespaceId(7), key: ObjectKey::parse(key).unwrap() }
}

fn shard() -> ShardId {
    ShardId::new(1023).unwrap()
}

fn attributes() -> Attributes {
    Attributes {
        content_type: "video/mp2t".into(),
        content_encoding: None,
        cache_control: Some("max-age=1".into()),
        user_meta: vec![("x-headwater-meta-a".into(), "1".into()), ("x-headwater-meta-a".into(), "2".into())],
    }
}

pub fn put(key: &str) -> PutRequest {
    PutRequest {
        shard: shard(),
        epoch: Epoch(5),
        object: object(key),
        request_id: RequestId(u128::MAX - 1),
        class: MediaClass::Media,
        attributes: attributes(),
        ttl: Ttl::from_secs(60).unwrap(),
        preconditions: Preconditions::default(),
        followable: true,
        size: None,
        size_max: 64 * 1024 * 1024,
        remaining: Duration::from_secs(10),
        began: Some(Began { frontend: u64::MAX, order: 7 }),
    }
}

pub fn get(key: &str) -> GetRequest {
    GetRequest {
        shard: shard(),
        epoch: Epoch(5),
        object: object(key),
        request_id: RequestId(1),
        range: None,
        if_range: None,
        if_none_match: Vec::new(),
        follow: Follow::Body,
        remaining: Duration::from_secs(10),
    }
}

pub fn head(key: &str) -> HeadRequest {
    HeadRequest {
        shard: shard(),
        epoch: Epoch(5),
        object: object(key),
        request_id: RequestId(1),
        follow: Follow::Body,
        remaining: Duration::from_secs(10),
    }
}

pub fn delete(key: &str) -> DeleteRequest {
    DeleteRequest {
        shard: shard(),
        epoch: Epoch(5),
        object: object(key),
        request_id: RequestId(1),
        remaining: Duration::from_secs(10),
    }
}

pub fn list(prefix: &str) -> ListRequest {
    ListRequest {
        namespace: NamespaceId(7),
        shards: vec![(shard(), Epoch(5))],
        prefix: prefix.into(),
        fold: false,
        after: None,
        limit: 1000,
        request_id: RequestId(1),
        remaining: Duration::from_secs(10),
    }
}

pub fn begin(key: &str) -> ReplicateBegin {
    let member = |node| Member { node: NodeId(node), incarnation: Incarnation(2) };
    ReplicateBegin {
        shard: shard(),
        epoch: Epoch(5),
        from: member(1),
        to: member(9),
        object: object(key),
        request_id: RequestId(1),
        class: MediaClass::Playlist,
        attributes: attributes(),
        ttl: Ttl::from_secs(60).unwrap(),
        followable: false,
        remaining: Duration::from_secs(10),
        size: None,
        staged: false,
        began: Some(Began { frontend: 1, order: u64::MAX }),
    }
}

pub fn commit(body: &[u8]) -> ReplicateCommit {
    ReplicateCommit {
        version: Version { epoch: Epoch(5), seq: 17 },
        tombstone: false,
        digest: Digest::of(body),
        size: body.len() as u64,
        stored_at: UnixMillis(1),
        expires_at: UnixMillis(2),
        request_ids: (0..8).map(RequestId).collect(),
        clean_seq: 16,
    }
}

/// A whole body in the given pieces.
pub fn body(pieces: &[Bytes]) -> BodyPieces {
    let mut hasher = DigestHasher::new();
    pieces.iter().for_each(|piece| hasher.update(piece));
    let size = pieces.iter().map(|piece| piece.len() as u64).sum();
    let end = BodyPiece::End(BodyEnd { digest: hasher.digest(), size });
    let chunks = pieces.iter().cloned().map(BodyPiece::Chunk);
    stream::iter(chunks.chain([end]).collect::<Vec<_>>()).boxed()
}

pub fn text(body_text: &str) -> BodyPieces {
    body(&[Bytes::copy_from_slice(body_text.as_bytes())])
}

pub fn replicated(pieces: Vec<Replicate>) -> ReplicationPieces {
    stream::iter(pieces).boxed()
}

/// All bytes of a body, or the error that cut it.
pub async fn read(body: ObjectBody) -> Result<Vec<u8>, StorageError> {
    match body {
        ObjectBody::Memory(chunks) => Ok(chunks.to_bytes().to_vec()),
        ObjectBody::Stream(mut pieces) => {
            let mut bytes = Vec::new();
            while let Some(piece) = pieces.next().await {
                bytes.extend_from_slice(&piece?);
            }
            Ok(bytes)
        }
    }
}
