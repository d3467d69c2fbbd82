//! What only the wire adds: checks of what arrives, limits, deadlines, lost connections.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headwater_proto::{
    BodyEnd, BodyPiece, BodyPieces, Directory, GetRequest, GrpcDirectory, LocalDirectory, PutRequest,
    Replicate, ReplicateCommit, StorageError,
    grpc::{StorageClient, channel},
    v1::{self, put_message::Message, storage_client::StorageClient as Raw},
};
use headwater_proto::{DeleteRequest, Storage};
use headwater_types::{Digest, NodeId, limits::GRPC_MESSAGE_BYTES_MAX};
use prost::Message as _;
use std::{
    sync::mpsc,
    time::{Duration, Instant},
};
use tokio::net::{TcpListener, TcpStream};
use tonic::{Code, Status};

use crate::{
    fake::Fake,
    harness::{Harness, begin, commit, delete, get, head, list, put, replicated, serve, text},
};

fn ending(bytes: &'static str, end: BodyEnd) -> BodyPieces {
    stream::iter([BodyPiece::Chunk(bytes.into()), BodyPiece::End(end)]).boxed()
}

#[tokio::test]
async fn a_body_must_be_what_its_end_says() {
    let h = Harness::grpc().await;
    let (digest, size) = (Digest::of(b"body"), 4);
    for end in [BodyEnd { digest: Digest(digest.0 ^ 1), size }, BodyEnd { digest, size: 5 }] {
        let outcome = h.storage.put(put("a"), ending("body", end)).await;
        assert_eq!(outcome.unwrap_err(), StorageError::DigestMismatch);
        let commit = ReplicateCommit { digest: end.digest, size: end.size, ..commit(b"body") };
        let pieces = replicated(vec![Replicate::Chunk("body".into()), Replicate::Commit(commit)]);
        assert_eq!(
            h.replication.replicate(begin("a"), pieces).await.unwrap_err(),
            StorageError::DigestMismatch
        );
    }
    let tombstone = ReplicateCommit { tombstone: true, ..commit(b"body") };
    let pieces = replicated(vec![Replicate::Chunk("body".into()), Replicate::Commit(tombstone)]);
    assert_eq!(h.replication.replicate(begin("a"), pieces).await.unwrap_err(), StorageError::DigestMismatch);
    assert!(h.fake.state().objects.is_empty() && h.fake.state().replicated.is_empty());
}

async fn raw_put(h: &Harness, messages: Vec<Message>) -> Result<v1::PutReply, Status> {
    let messages = messages.into_iter().map(|message| v1::PutMessage { message: Some(message) });
    let mut client = Raw::new(channel(&h.address).unwrap());
    client.put(stream::iter(messages.collect::<Vec<_>>())).await.map(tonic::Response::into_inner)
}

fn end_of(bytes: &[u8]) -> Message {
    let digest = Bytes::copy_from_slice(&Digest::of(bytes).0.to_be_bytes());
    Message::End(v1::BodyEnd { digest, size: bytes.len() as u64 })
}

#[tokio::test]
async fn a_message_at_the_limit_and_one_past() {
    let h = Harness::grpc().await;
    // The tag and the length of the field take 5 bytes.
    let at = Bytes::from(vec![3; GRPC_MESSAGE_BYTES_MAX - 5]);
    let past = Bytes::from(vec![3; GRPC_MESSAGE_BYTES_MAX - 4]);
    let header = || Message::Header(put("a").into());
    let stored = raw_put(&h, vec![header(), Message::Chunk(at.clone()), end_of(&at)]).await;
    assert_eq!(stored.unwrap().meta.unwrap().size, at.len() as u64);
    let refused = raw_put(&h, vec![header(), Message::Chunk(past.clone()), end_of(&past)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
}

#[tokio::test]
async fn a_malformed_get_is_refused() {
    let h = Harness::grpc().await;
    let mut client = Raw::new(channel(&h.address).unwrap());
    let request = v1::GetRequest::from(get("a"));
    let padded = |len| v1::GetRequest { if_range: Bytes::from(vec![3; len]), ..request.clone() };
    // The tag and the length of the field take 5 bytes. What is not too long for a message is too long for a digest.
    let at = GRPC_MESSAGE_BYTES_MAX - request.encoded_len() - 5;
    for (malformed, code) in [
        (v1::GetRequest { shard: 1024, ..request.clone() }, Code::InvalidArgument),
        (v1::GetRequest::default(), Code::InvalidArgument),
        (padded(at), Code::InvalidArgument),
        (padded(at + 1), Code::OutOfRange),
    ] {
        assert_eq!(client.get(malformed).await.unwrap_err().code(), code);
    }
    let mut compressed = tonic::Request::new(request);
    compressed.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    assert_eq!(client.get(compressed).await.unwrap_err().code(), Code::Unimplemented);
    assert!(h.fake.state().traces.is_empty(), "a refused call reached the node");
}

#[tokio::test]
async fn what_does_not_follow_the_protocol_is_refused_and_leaves_nothing() {
    let h = Harness::grpc().await;
    let header = v1::PutHeader::from(put("a"));
    let chunk = || Message::Chunk("body".into());
    let short_digest = Message::End(v1::BodyEnd { digest: Bytes::from_static(b"short"), size: 4 });
    let bad_shard = v1::PutHeader { shard: 1024, ..header.clone() };
    for messages in [
        vec![chunk(), end_of(b"body")],
        vec![Message::Header(bad_shard), chunk(), end_of(b"body")],
        vec![Message::Header(header.clone()), Message::Header(header.clone()), end_of(b"")],
        vec![Message::Header(header), chunk(), short_digest],
    ] {
        let refused = raw_put(&h, messages).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    }
    assert_eq!(raw_put(&h, vec![]).await.unwrap_err().code(), Code::Aborted);
    assert!(h.fake.state().objects.is_empty());
}

#[tokio::test]
async fn a_node_that_does_not_answer_meets_the_deadline() {
    let h = Harness::grpc().await;
    let remaining = Duration::from_millis(50);
    // There is a connection: without one, nothing would be unknown.
    h.storage.get(get("a")).await.unwrap_err();
    h.fake.state().hang = true;
    let start = Instant::now();
    let read = h.storage.get(GetRequest { remaining, ..get("a") }).await.unwrap_err();
    assert!(matches!(read, StorageError::Unavailable(_)), "{read:?}");
    let written = h.storage.delete(DeleteRequest { remaining, ..delete("a") }).await.unwrap_err();
    assert!(matches!(written, StorageError::OutcomeUnknown(_)), "{written:?}");
    assert!(start.elapsed() < Duration::from_secs(60));
    let written = h.storage.put(PutRequest { remaining, ..put("a") }, text("a")).await.unwrap_err();
    assert!(matches!(written, StorageError::OutcomeUnknown(_)), "{written:?}");
}

#[tokio::test]
async fn without_a_connection_nothing_was_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let directory = GrpcDirectory::new();
    let storage = directory.storage(NodeId(1), &address);
    let replication = directory.replication(NodeId(1), &address);
    let pieces = || replicated(vec![Replicate::Commit(commit(b""))]);
    for error in [
        storage.put(put("a"), text("a")).await.unwrap_err(),
        storage.get(get("a")).await.unwrap_err(),
        storage.head(head("a")).await.unwrap_err(),
        storage.delete(delete("a")).await.unwrap_err(),
        storage.list(list("")).await.unwrap_err(),
        replication.replicate(begin("a"), pieces()).await.unwrap_err(),
        replication.beacon(begin("a").from, 1).await.unwrap_err(),
        directory.storage(NodeId(2), "nowhere").get(get("a")).await.unwrap_err(),
        LocalDirectory::new().replication(NodeId(3), "").replicate(begin("a"), pieces()).await.unwrap_err(),
    ] {
        assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_node_that_dies_after_the_end_of_a_body_leaves_it_unknown() {
    let fake = Fake::new();
    fake.state().hang = true;
    let (send, receive) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let served = fake.clone();
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        send.send(listener.local_addr().unwrap().to_string()).unwrap();
        serve(served, listener).await;
    });
    let address = receive.recv().unwrap();
    let storage = StorageClient::new(&address).unwrap();

    let mut call = Box::pin(storage.put(put("a"), text("a")));
    let has_ended = async {
        while fake.state().hang {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = &mut call => panic!("answered early: {outcome:?}"),
        () = has_ended => runtime.shutdown_background(),
    }
    let outcome = call.await.unwrap_err();
    assert!(matches!(outcome, StorageError::OutcomeUnknown(_)), "{outcome:?}");

    // Once nobody listens any more, the next call finds no connection, and fails before it is sent.
    while TcpStream::connect(&address).await.is_ok() {}
    let outcome = storage.put(put("a"), text("a")).await.unwrap_err();
    assert!(matches!(outcome, StorageError::Unavailable(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_local_directory_forgets() {
    let h = Harness::direct();
    let directory = LocalDirectory::new();
    directory.register(NodeId(1), h.storage.clone(), h.replication.clone());
    assert!(directory.storage(NodeId(1), "").put(put("a"), text("a")).await.is_ok());
    directory.unregister(NodeId(1));
    let outcome = directory.storage(NodeId(1), "").get(get("a")).await.unwrap_err();
    assert!(matches!(outcome, StorageError::Unavailable(_)), "{outcome:?}");
}
