//! What holds for direct calls, for calls over gRPC, and for calls through any other implementation of gRPC alike.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headwater_proto::{
    BodyEnd, BodyPiece, BodyPieces, Follow, GetReply, GetRequest, HeadReply, ListReply, ListRequest,
    ObjectBody, Preconditions, PutRequest, Replicate, ReplicateCommit, StopReads, StorageError,
};
use headwater_types::{
    ByteRange, Digest, Epoch, Incarnation, Member, NodeId, ObjectMeta, RequestId, ShardId,
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

use crate::harness::{Harness, begin, body, commit, delete, get, head, list, put, read, replicated, text};

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        mod direct {
            use super::Harness;
            $(#[tokio::test] async fn $name() { super::$name(&Harness::direct()).await; })*
        }
        mod grpc {
            use super::Harness;
            $(#[tokio::test] async fn $name() { super::$name(&Harness::grpc().await).await; })*
        }
        mod relayed {
            use super::Harness;
            $(#[tokio::test] async fn $name() { super::$name(&Harness::relayed().await).await; })*
        }
    };
}

scenarios!(
    objects_come_back_as_they_were_put,
    ranges_and_validators,
    preconditions,
    ten_mebibytes_in_one_piece,
    a_reader_follows_a_writer,
    a_range_ends_while_its_writer_goes_on,
    a_cut_writer_cuts_its_reader,
    a_cut_body_never_ends,
    an_abandoned_put_leaves_nothing,
    listings,
    every_error_comes_through,
    a_version_is_handed_over,
    a_refusal_ends_the_body,
    beacons,
);

fn found(reply: GetReply) -> (Arc<ObjectMeta>, Option<std::ops::Range<u64>>, ObjectBody) {
    match reply {
        GetReply::Found { meta, range, body } => (meta, range, body),
        other => panic!("not found but {other:?}"),
    }
}

async fn objects_come_back_as_they_were_put(h: &Harness) {
    let stored = h.storage.put(put("live/a_1.ts"), text("segment")).await.unwrap();
    assert!(stored.created);
    assert_eq!(stored.meta.attributes, put("x").attributes);
    let (meta, range, bytes) = found(h.storage.get(get("live/a_1.ts")).await.unwrap());
    assert_eq!((meta.clone(), range), (stored.meta.clone(), None));
    assert_eq!(read(bytes).await.unwrap(), b"segment");
    assert!(
        matches!(h.storage.head(head("live/a_1.ts")).await, Ok(HeadReply::Found(meta)) if meta == stored.meta)
    );

    let again = h.storage.put(put("live/a_1.ts"), body(&[])).await.unwrap();
    assert!(!again.created);
    assert!(again.meta.version > stored.meta.version);
    let (meta, _, bytes) = found(h.storage.get(get("live/a_1.ts")).await.unwrap());
    assert_eq!((meta.size, read(bytes).await.unwrap()), (0, vec![]));

    assert!(h.storage.delete(delete("live/a_1.ts")).await.unwrap().existed);
    assert!(!h.storage.delete(delete("live/a_1.ts")).await.unwrap().existed);
    assert_eq!(h.storage.get(get("live/a_1.ts")).await.unwrap_err(), StorageError::NotFound);
    assert_eq!(h.storage.head(head("live/a_1.ts")).await.unwrap_err(), StorageError::NotFound);
}

async fn ranges_and_validators(h: &Harness) {
    let digest = h.storage.put(put("a"), text("0123456789")).await.unwrap().meta.digest;
    for (range, want, bytes) in [
        (ByteRange::FromTo(2, 4), 2..5, "234"),
        (ByteRange::From(7), 7..10, "789"),
        (ByteRange::Last(1), 9..10, "9"),
    ] {
        let request = GetRequest { range: Some(range), if_range: Some(digest), ..get("a") };
        let (_, got, body) = found(h.storage.get(request).await.unwrap());
        assert_eq!((got, read(body).await.unwrap()), (Some(want), bytes.as_bytes().to_vec()));
    }
    let range = Some(ByteRange::From(3));
    let other = GetRequest { range, if_range: Some(Digest(1)), ..get("a") };
    let (_, got, body) = found(h.storage.get(other).await.unwrap());
    assert_eq!((got, read(body).await.unwrap()), (None, b"0123456789".to_vec()));

    let outside = GetRequest { range: Some(ByteRange::From(10)), ..get("a") };
    assert!(
        matches!(h.storage.get(outside).await, Ok(GetReply::RangeNotSatisfiable(meta)) if meta.size == 10)
    );
    let known = GetRequest { if_none_match: vec![Digest(1), digest], ..get("a") };
    assert!(matches!(h.storage.get(known).await, Ok(GetReply::NotModified(meta)) if meta.digest == digest));
}

async fn preconditions(h: &Harness) {
    let digest = h.storage.put(put("a"), text("one")).await.unwrap().meta.digest;
    let with = |preconditions| PutRequest { preconditions, ..put("a") };
    let absent = Preconditions { if_absent: true, ..Preconditions::default() };
    let refused = h.storage.put(with(absent), text("two")).await;
    assert_eq!(refused.unwrap_err(), StorageError::PreconditionFailed);
    let matching =
        Preconditions { if_present: true, if_match: vec![Digest(1), digest], ..Preconditions::default() };
    assert!(h.storage.put(with(matching), text("two")).await.is_ok());
}

async fn ten_mebibytes_in_one_piece(h: &Harness) {
    let bytes: Bytes = (0..10 * 1024 * 1024_u32).map(|i| (i / 251) as u8).collect::<Vec<_>>().into();
    let stored = h.storage.put(put("big"), body(std::slice::from_ref(&bytes))).await.unwrap();
    assert_eq!((stored.meta.size, stored.meta.digest), (bytes.len() as u64, Digest::of(&bytes)));
    let (_, _, body) = found(h.storage.get(get("big")).await.unwrap());
    assert!(read(body).await.unwrap() == bytes, "the bytes differ");

    let limited = PutRequest { size_max: bytes.len() as u64 - 1, ..put("big2") };
    let refused = h.storage.put(limited, self::body(std::slice::from_ref(&bytes))).await;
    assert_eq!(refused.unwrap_err(), StorageError::TooLarge { limit: bytes.len() as u64 - 1 });
}

/// A body that a test writes piece by piece.
fn written() -> (mpsc::Sender<BodyPiece>, BodyPieces) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, stream::unfold(receiver, |mut r| async move { r.recv().await.map(|piece| (piece, r)) }).boxed())
}

/// Waits until the object is there or arriving.
async fn wait_for_arrival(h: &Harness, key: &str) -> GetReply {
    loop {
        match h.storage.get(get(key)).await {
            Err(StorageError::NotFound) => tokio::task::yield_now().await,
            reply => return reply.unwrap(),
        }
    }
}

async fn a_reader_follows_a_writer(h: &Harness) {
    let (writer, pieces) = written();
    let storage = h.storage.clone();
    let put_call = tokio::spawn(async move { storage.put(put("a"), pieces).await });
    writer.send(BodyPiece::Chunk("first".into())).await.unwrap();
    let GetReply::Arriving { arriving, range: None, body: ObjectBody::Stream(mut bytes) } =
        wait_for_arrival(h, "a").await
    else {
        panic!("it is not arriving");
    };
    assert_eq!((&arriving.attributes, arriving.ttl), (&put("a").attributes, put("a").ttl));
    assert!(matches!(h.storage.head(head("a")).await, Ok(HeadReply::Arriving(seen)) if seen == arriving));
    let absent = GetRequest { follow: Follow::No, ..get("a") };
    assert_eq!(h.storage.get(absent).await.unwrap_err(), StorageError::NotFound);

    assert_eq!(bytes.next().await.unwrap().unwrap(), "first");
    writer.send(BodyPiece::Chunk("second".into())).await.unwrap();
    assert_eq!(bytes.next().await.unwrap().unwrap(), "second");
    let end = BodyEnd { digest: Digest::of(b"firstsecond"), size: 11 };
    writer.send(BodyPiece::End(end)).await.unwrap();
    assert!(bytes.next().await.is_none(), "a clean end follows the commit");
    assert!(put_call.await.unwrap().is_ok());
}

async fn a_range_ends_while_its_writer_goes_on(h: &Harness) {
    let (writer, pieces) = written();
    let storage = h.storage.clone();
    let put_call = tokio::spawn(async move { storage.put(put("a"), pieces).await });
    writer.send(BodyPiece::Chunk("first".into())).await.unwrap();
    wait_for_arrival(h, "a").await;
    let of = |first, last| GetRequest {
        range: Some(ByteRange::FromTo(first, last)),
        follow: Follow::Range,
        ..get("a")
    };
    let arriving = async |request| match h.storage.get(request).await.unwrap() {
        GetReply::Arriving { range, body: ObjectBody::Stream(bytes), .. } => (range, bytes),
        other => panic!("it is not arriving but {other:?}"),
    };
    for (first, last, want) in [(0, 0, "f"), (1, 3, "irs"), (0, 4, "first")] {
        let (range, body) = arriving(of(first, last)).await;
        assert_eq!(range, Some(first..last + 1));
        assert_eq!(read(ObjectBody::Stream(body)).await.unwrap(), want.as_bytes(), "and a clean end");
    }
    let (range, mut open) = arriving(of(3, 7)).await;
    assert_eq!((range, open.next().await.unwrap().unwrap()), (Some(3..8), "st".into()));
    let (range, mut later) = arriving(of(6, u64::MAX)).await;
    assert_eq!(range, Some(6..u64::MAX), "the header does not wait for the first byte");
    for whole in [
        GetRequest { follow: Follow::Body, ..of(1, 3) },
        GetRequest { range: Some(ByteRange::From(1)), ..of(1, 3) },
        GetRequest { if_range: Some(Digest(1)), ..of(1, 3) },
    ] {
        let (range, mut body) = arriving(whole).await;
        assert_eq!((range, body.next().await.unwrap().unwrap()), (None, "first".into()));
    }
    writer.send(BodyPiece::Chunk("second".into())).await.unwrap();
    assert_eq!(open.next().await.unwrap().unwrap(), "sec");
    assert!(open.next().await.is_none(), "a clean end behind the range");
    assert_eq!(later.next().await.unwrap().unwrap(), "econd");
    drop(writer);
    assert_eq!(later.next().await.unwrap().unwrap_err(), StorageError::BodyCut);
    assert_eq!(put_call.await.unwrap().unwrap_err(), StorageError::BodyCut);
}

async fn a_cut_writer_cuts_its_reader(h: &Harness) {
    let (writer, pieces) = written();
    let storage = h.storage.clone();
    let put_call = tokio::spawn(async move { storage.put(put("a"), pieces).await });
    writer.send(BodyPiece::Chunk("first".into())).await.unwrap();
    let GetReply::Arriving { body, .. } = wait_for_arrival(h, "a").await else {
        panic!("it is not arriving")
    };
    drop(writer);
    assert_eq!(read(body).await.unwrap_err(), StorageError::BodyCut);
    assert_eq!(put_call.await.unwrap().unwrap_err(), StorageError::BodyCut);
}

async fn a_cut_body_never_ends(h: &Harness) {
    let cut = stream::iter([BodyPiece::Chunk("part".into())]).boxed();
    assert_eq!(h.storage.put(put("a"), cut).await.unwrap_err(), StorageError::BodyCut);
    let cut = replicated(vec![Replicate::Chunk("part".into())]);
    assert_eq!(h.replication.replicate(begin("a"), cut).await.unwrap_err(), StorageError::BodyCut);
    assert!(h.fake.state().objects.is_empty() && h.fake.state().replicated.is_empty());
}

async fn an_abandoned_put_leaves_nothing(h: &Harness) {
    let (writer, pieces) = written();
    let storage = h.storage.clone();
    let put_call = tokio::spawn(async move { storage.put(put("a"), pieces).await });
    writer.send(BodyPiece::Chunk("first".into())).await.unwrap();
    wait_for_arrival(h, "a").await;
    put_call.abort();
    h.fake.wait_for_cut().await;
    writer.closed().await;
    assert!(h.fake.state().objects.is_empty());
}

async fn listings(h: &Harness) {
    for key in ["a/1", "a/2", "b", "c/d/e", "c/f"] {
        h.storage.put(put(key), text(key)).await.unwrap();
    }
    let names = |reply: &ListReply| reply.entries.iter().map(|e| e.name.clone()).collect::<Vec<_>>();
    let all = h.storage.list(list("")).await.unwrap();
    assert_eq!(
        (names(&all), all.more),
        (["a/1", "a/2", "b", "c/d/e", "c/f"].map(String::from).to_vec(), false)
    );
    let folded = ListRequest { fold: true, ..list("") };
    let folded = h.storage.list(folded).await.unwrap();
    assert_eq!(names(&folded), ["a/", "b", "c/"]);
    assert_eq!(folded.entries.iter().map(|e| e.meta.is_some()).collect::<Vec<_>>(), [false, true, false]);
    let page = ListRequest { after: Some("a/2".into()), limit: 2, ..list("") };
    let page = h.storage.list(page).await.unwrap();
    assert_eq!((names(&page), page.more), (["b", "c/d/e"].map(String::from).to_vec(), true));
}

async fn every_error_comes_through(h: &Harness) {
    let shard = ShardId::new(3).unwrap();
    let errors = [
        StorageError::WrongEpoch { shard, epoch: Epoch(9), map_version: 12 },
        StorageError::NotServing("a".into()),
        StorageError::NotFound,
        StorageError::PreconditionFailed,
        StorageError::Overloaded("b".into()),
        StorageError::TooLarge { limit: 5 },
        StorageError::BodyCut,
        StorageError::DigestMismatch,
        StorageError::Unavailable("c".into()),
        StorageError::OutcomeUnknown("d".into()),
        StorageError::AskTail,
        StorageError::Invalid("é, with\nodd characters".into()),
    ];
    for error in errors {
        h.fake.state().fail = Some(error.clone());
        assert_eq!(h.storage.put(put("a"), text("a")).await.unwrap_err(), error);
        assert_eq!(h.storage.get(get("a")).await.unwrap_err(), error);
        assert_eq!(h.storage.head(head("a")).await.unwrap_err(), error);
        assert_eq!(h.storage.delete(delete("a")).await.unwrap_err(), error);
        assert_eq!(h.storage.list(list("")).await.unwrap_err(), error);
        let pieces = replicated(vec![Replicate::Commit(commit(b""))]);
        assert_eq!(h.replication.replicate(begin("a"), pieces).await.unwrap_err(), error);
    }
}

async fn a_version_is_handed_over(h: &Harness) {
    let (first, second) = (Bytes::from(vec![1; 600_000]), Bytes::from_static(b"end"));
    let bytes = [first.as_ref(), &second].concat();
    let pieces = vec![Replicate::Chunk(first), Replicate::Chunk(second), Replicate::Commit(commit(&bytes))];
    assert_eq!(h.replication.replicate(begin("a"), replicated(pieces)).await, Ok(commit(&bytes).version));
    let tombstone = ReplicateCommit { tombstone: true, size: 0, digest: Digest(0), ..commit(b"") };
    let pieces = vec![Replicate::Commit(tombstone.clone())];
    assert_eq!(h.replication.replicate(begin("b"), replicated(pieces)).await, Ok(tombstone.version));

    let state = h.fake.state();
    let (got, got_commit, body) = &state.replicated[0];
    assert_eq!((got.to, &got.attributes), (begin("a").to, &begin("a").attributes));
    assert_eq!((got_commit, body.to_bytes() == bytes), (&commit(&bytes), true));
    assert_eq!(got_commit.request_ids[7], RequestId(7));
    assert_eq!(state.replicated[1].1, tombstone);
}

/// Tells when it is dropped.
struct Dropped(#[allow(dead_code)] oneshot::Sender<()>);

async fn a_refusal_ends_the_body(h: &Harness) {
    let refusal =
        StorageError::WrongEpoch { shard: ShardId::new(0).unwrap(), epoch: Epoch(6), map_version: 1 };
    h.fake.state().fail = Some(refusal.clone());
    let chunk = Bytes::from(vec![0; 256 * 1024]);

    // Bodies without an end: one that always has more, and one that has paused.
    let (guard, dropped) = oneshot::channel();
    let guard = Dropped(guard);
    let endless = stream::repeat(chunk.clone()).map(move |bytes| {
        let _ = &guard;
        Replicate::Chunk(bytes)
    });
    assert_eq!(h.replication.replicate(begin("a"), endless.boxed()).await.unwrap_err(), refusal);
    assert!(dropped.await.is_err(), "the body was dropped");

    let (writer, pieces) = written();
    writer.send(BodyPiece::Chunk(chunk)).await.unwrap();
    assert_eq!(h.storage.put(put("a"), pieces).await.unwrap_err(), refusal);
    writer.closed().await;
}

async fn beacons(h: &Harness) {
    let member = |node, incarnation| Member { node: NodeId(node), incarnation: Incarnation(incarnation) };
    assert_eq!(h.replication.beacon(member(1, 1), 41).await, Ok((member(9, 3), 42)));
    let shards = ShardId::all().map(|shard| (shard, Epoch(shard.get().into()))).collect();
    let request = StopReads { from: member(1, 1), to: member(9, 3), shards };
    let stopped = h.replication.stop_reads(request).await.unwrap();
    assert!(stopped.into_iter().eq(ShardId::all().filter(|shard| shard.get().is_multiple_of(2))));
}
