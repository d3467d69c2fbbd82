//! The chain of two: real nodes, real hot tiers, direct calls, with a gate on the link between them.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod bounds;
mod gate;
mod keeping;
mod moves;
mod moves_shown;
mod overlaps;
mod pair;
mod refusals;
mod replaced;

use bytes::Bytes;
use futures_util::StreamExt;
use headwater_proto::{Follow, GetReply, GetRequest, ObjectBody, Preconditions, Storage, StorageError};
use headwater_types::{ByteRange, Digest, Epoch, RequestId};
use pair::{Pair, upload};
use std::time::Duration;

async fn bytes_of(reply: GetReply) -> Result<Bytes, StorageError> {
    match reply {
        GetReply::Found { body: ObjectBody::Memory(chunks), .. } => Ok(chunks.to_bytes()),
        GetReply::Arriving { body: ObjectBody::Stream(mut stream), .. } => {
            let mut all = Vec::new();
            while let Some(piece) = stream.next().await {
                all.extend_from_slice(&piece?);
            }
            Ok(all.into())
        }
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test]
async fn an_acknowledged_put_is_on_both_nodes_and_versions_grow() {
    let pair = Pair::start().await;
    let first = pair.put("a/seg_1.ts", b"one").await.unwrap();
    assert!(first.created);
    let second = pair.put("a/seg_1.ts", b"two").await.unwrap();
    assert!(!second.created);
    assert!(second.meta.version > first.meta.version);
    for node in [pair.head(), pair.tail()] {
        let reply = node.get(pair.get_request("a/seg_1.ts")).await.unwrap();
        assert_eq!(bytes_of(reply).await.unwrap(), "two");
        assert_eq!(node.get(pair.get_request("other")).await.unwrap_err(), StorageError::NotFound);
    }
    pair.assert_idle();
}

#[tokio::test]
async fn nothing_is_acknowledged_or_shown_by_the_head_before_the_tail_holds_it() {
    let pair = Pair::start().await;
    pair.put("a/k.ts", b"old").await.unwrap();
    pair.hold_commits(true);
    let put = pair.spawn_put("a/k.ts", b"new", RequestId(9), Duration::from_secs(30));
    pair.until(|| pair.staged() == 1).await;
    assert_eq!(
        pair.head().get(pair.get_request("a/k.ts")).await.unwrap_err(),
        StorageError::AskTail,
        "neither the old version nor the staged one"
    );
    let reply = pair.tail().get(pair.get_request("a/k.ts")).await.unwrap();
    assert_eq!(bytes_of(reply).await.unwrap(), "old", "the tail never waits");
    assert!(!put.is_finished());
    pair.hold_commits(false);
    put.await.unwrap().unwrap();
    let reply = pair.head().get(pair.get_request("a/k.ts")).await.unwrap();
    assert_eq!(bytes_of(reply).await.unwrap(), "new");
    pair.assert_idle();
}

#[tokio::test]
async fn a_link_that_is_down_stages_nothing_and_keeps_the_key_readable() {
    let pair = Pair::start().await;
    pair.put("a/k.ts", b"old").await.unwrap();
    pair.cut_link(true);
    pair.until(|| !pair.link_is_up()).await;
    let put = pair.spawn_put("a/k.ts", b"new", RequestId(9), Duration::from_millis(300));
    let error = put.await.unwrap().unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    let reply = pair.head().get(pair.get_request("a/k.ts")).await.unwrap();
    assert_eq!(bytes_of(reply).await.unwrap(), "old");
    pair.cut_link(false);
    pair.until(|| pair.link_is_up()).await;
    pair.put("a/k.ts", b"new").await.unwrap();
    pair.assert_idle();
}

#[tokio::test]
async fn a_staged_version_is_unknown_at_its_deadline_then_found_by_its_request_id() {
    let pair = Pair::start().await;
    pair.hold_commits(true);
    let put = pair.spawn_put("a/k.ts", b"new", RequestId(9), Duration::from_millis(200));
    let error = put.await.unwrap().unwrap_err();
    assert!(matches!(error, StorageError::OutcomeUnknown(_)), "{error:?}");
    pair.hold_commits(false);
    let again =
        pair.spawn_put("a/k.ts", b"new", RequestId(9), Duration::from_secs(30)).await.unwrap().unwrap();
    assert!(again.created);
    assert_eq!(again.meta.version.seq, 1, "the repeat made no second version");
    let reply = pair.head().get(pair.get_request("a/k.ts")).await.unwrap();
    assert_eq!(bytes_of(reply).await.unwrap(), "new");
    pair.assert_idle();
}

#[tokio::test]
async fn readers_follow_on_both_nodes_from_the_first_byte_to_the_commit() {
    let pair = Pair::start().await;
    let (sender, put) = pair.open_put("a/seg.ts", RequestId(1));
    for node in [pair.head(), pair.tail()] {
        let error = node.get(pair.follow_request("a/seg.ts")).await.unwrap_err();
        assert_eq!(error, StorageError::NotFound, "no byte has arrived");
    }
    sender.chunk(b"first ").await;
    let mut readers = Vec::new();
    for node in [pair.head(), pair.tail()] {
        pair.until_some(|| node.get(pair.follow_request("a/seg.ts"))).await;
        assert_eq!(node.get(pair.get_request("a/seg.ts")).await.unwrap_err(), StorageError::NotFound);
        let reply = node.get(pair.follow_request("a/seg.ts")).await.unwrap();
        readers.push(tokio::spawn(bytes_of(reply)));
    }
    let mut wait = pair.get_request("a/seg.ts");
    wait.follow = Follow::Wait;
    let head = pair.head();
    let brief = GetRequest { remaining: Duration::from_millis(20), ..wait.clone() };
    let error = head.get(brief).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "what arrives is not absent: {error:?}");
    let waiting = tokio::spawn(async move { head.get(wait).await });
    sender.chunk(b"second").await;
    pair.hold_commits(true);
    sender.end().await;
    pair.until(|| pair.staged() == 1).await;
    assert!(readers.iter().all(|r| !r.is_finished()), "no clean end before the commit");
    pair.hold_commits(false);
    put.await.unwrap().unwrap();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap(), "first second");
    }
    assert_eq!(bytes_of(waiting.await.unwrap().unwrap()).await.unwrap(), "first second");
    pair.assert_idle();
}

#[tokio::test]
async fn a_range_of_what_arrives_is_given_before_the_commit_on_both_nodes() {
    let pair = Pair::start().await;
    let (sender, put) = pair.open_put("a/seg.ts", RequestId(1));
    sender.chunk(b"first").await;
    let of = |first, last| GetRequest {
        range: Some(ByteRange::FromTo(first, last)),
        follow: Follow::Range,
        ..pair.get_request("a/seg.ts")
    };
    let mut later = Vec::new();
    for node in [pair.head(), pair.tail()] {
        pair.until_some(|| node.get(of(0, 0))).await;
        for (first, last, want) in [(0, 0, "f"), (1, 4, "irst")] {
            let reply = node.get(of(first, last)).await.unwrap();
            assert!(matches!(&reply, GetReply::Arriving { range: Some(r), .. } if *r == (first..last + 1)));
            assert_eq!(bytes_of(reply).await.unwrap(), want);
        }
        for (first, last, want) in [(4, 5, "t "), (5, 8, " 678"), (9, 20, "901"), (12, 20, "")] {
            let reply = node.get(of(first, last)).await.unwrap();
            later.push((want, tokio::spawn(bytes_of(reply))));
        }
    }
    sender.chunk(b" 678901").await;
    pair.hold_commits(true);
    sender.end().await;
    pair.until(|| pair.staged() == 1).await;
    pair.until(|| later[0].1.is_finished() && later[1].1.is_finished()).await;
    assert!(!later[2].1.is_finished() && !later[3].1.is_finished(), "the object may go on");
    pair.hold_commits(false);
    put.await.unwrap().unwrap();
    for (want, reader) in later {
        assert_eq!(reader.await.unwrap().unwrap(), want);
    }
    let reply = pair.tail().get(of(12, 20)).await.unwrap();
    assert!(matches!(reply, GetReply::RangeNotSatisfiable(_)), "{reply:?}");
    pair.assert_idle();
}

#[tokio::test]
async fn a_cut_upload_cuts_its_followers_and_leaves_nothing() {
    let pair = Pair::start().await;
    let (sender, put) = pair.open_put("a/seg.ts", RequestId(1));
    sender.chunk(b"half").await;
    let mut readers = Vec::new();
    for node in [pair.head(), pair.tail()] {
        pair.until_some(|| node.get(pair.follow_request("a/seg.ts"))).await;
        let reply = node.get(pair.follow_request("a/seg.ts")).await.unwrap();
        readers.push(tokio::spawn(bytes_of(reply)));
    }
    drop(sender);
    assert_eq!(put.await.unwrap().unwrap_err(), StorageError::BodyCut);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Err(StorageError::BodyCut));
    }
    pair.until(|| pair.is_idle()).await;
    for node in [pair.head(), pair.tail()] {
        assert_eq!(node.get(pair.follow_request("a/seg.ts")).await.unwrap_err(), StorageError::NotFound);
    }
}

#[tokio::test]
async fn delete_cuts_followers_while_the_upload_goes_on_and_wins() {
    let pair = Pair::start().await;
    let (sender, put) = pair.open_put("a/seg.ts", RequestId(1));
    sender.chunk(b"half ").await;
    let tail = pair.tail();
    pair.until_some(|| tail.get(pair.follow_request("a/seg.ts"))).await;
    let reply = tail.get(pair.follow_request("a/seg.ts")).await.unwrap();
    let reader = tokio::spawn(bytes_of(reply));
    pair.delete("a/seg.ts").await.unwrap();
    assert_eq!(reader.await.unwrap(), Err(StorageError::BodyCut));
    sender.chunk(b"more").await;
    sender.end().await;
    put.await.unwrap().unwrap();
    for node in [pair.head(), pair.tail()] {
        assert_eq!(
            bytes_of(node.get(pair.get_request("a/seg.ts")).await.unwrap()).await.unwrap(),
            "half more"
        );
    }
    assert!(pair.delete("a/seg.ts").await.unwrap().existed);
    assert!(!pair.delete("a/seg.ts").await.unwrap().existed);
    for node in [pair.head(), pair.tail()] {
        assert_eq!(node.get(pair.get_request("a/seg.ts")).await.unwrap_err(), StorageError::NotFound);
    }
}

#[tokio::test]
async fn of_many_conditional_creations_exactly_one_wins() {
    let pair = Pair::start().await;
    let mut uploads = Vec::new();
    for i in 0..8 {
        let mut request = pair.put_request("a/once", RequestId(100 + i));
        request.preconditions = Preconditions { if_absent: true, ..Preconditions::default() };
        let head = pair.head();
        uploads.push(tokio::spawn(async move { head.put(request, upload(&[b"x"], true)).await }));
    }
    let mut won = 0;
    for upload in uploads {
        match upload.await.unwrap() {
            Ok(reply) => won += u32::from(reply.created),
            Err(error) => assert_eq!(error, StorageError::PreconditionFailed),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn an_upload_does_not_wait_behind_a_half_open_one_of_its_key() {
    let pair = Pair::start().await;
    let (stuck, put) = pair.open_put("a/seg.ts", RequestId(1));
    stuck.chunk(b"half").await;
    pair.put("a/seg.ts", b"whole").await.unwrap();
    let reply = pair.tail().get(pair.get_request("a/seg.ts")).await.unwrap();
    assert_eq!(bytes_of(reply).await.unwrap(), "whole");
    drop(stuck);
    assert!(put.await.unwrap().is_err());
}

#[tokio::test]
async fn limits_and_epochs_are_kept() {
    let pair = Pair::start().await;
    let mut request = pair.put_request("a/k", RequestId(1));
    request.size_max = 4;
    assert!(pair.head().put(request.clone(), upload(&[b"12", b"34"], true)).await.is_ok());
    request.request_id = RequestId(2);
    let error = pair.head().put(request.clone(), upload(&[b"12", b"345"], true)).await.unwrap_err();
    assert_eq!(error, StorageError::TooLarge { limit: 4 });

    request.epoch = Epoch(7);
    let error = pair.head().put(request.clone(), upload(&[b"1"], true)).await.unwrap_err();
    assert!(matches!(error, StorageError::WrongEpoch { epoch: Epoch(1), .. }), "{error:?}");
    request.epoch = Epoch(1);
    let error = pair.tail().put(request, upload(&[b"1"], true)).await.unwrap_err();
    assert!(matches!(error, StorageError::WrongEpoch { .. }), "only the head takes writes: {error:?}");
    pair.until(|| pair.is_idle()).await;
}

#[tokio::test]
async fn a_restarted_member_gets_writes_and_answers_no_reads() {
    let mut pair = Pair::start().await;
    pair.put("a/old.ts", b"old").await.unwrap();
    pair.restart_tail().await;
    pair.put("a/new.ts", b"new").await.unwrap();
    let error = pair.tail().get(pair.get_request("a/new.ts")).await.unwrap_err();
    assert!(matches!(error, StorageError::NotServing(_)), "{error:?}");
    for (key, body) in [("a/old.ts", "old"), ("a/new.ts", "new")] {
        assert_eq!(bytes_of(pair.head().get(pair.get_request(key)).await.unwrap()).await.unwrap(), body);
    }
    assert_eq!(pair.tail_records(), 1, "the new write is on the restarted member before it is acknowledged");
}

#[tokio::test]
async fn listings_come_from_members_in_sync() {
    let pair = Pair::start().await;
    for key in ["b/2.ts", "a/1.ts", "b/1.ts", "c"] {
        pair.put(key, b"x").await.unwrap();
    }
    pair.delete("c").await.unwrap();
    for node in [pair.head(), pair.tail()] {
        let names = |reply: headwater_proto::ListReply| -> Vec<String> {
            reply.entries.into_iter().map(|entry| entry.name).collect()
        };
        let all = node.list(pair.list_request("", false)).await.unwrap();
        assert_eq!(names(all), ["a/1.ts", "b/1.ts", "b/2.ts"]);
        let folded = node.list(pair.list_request("", true)).await.unwrap();
        assert_eq!(names(folded), ["a/", "b/"]);
    }
}

#[tokio::test]
async fn a_listing_waits_for_what_is_staged_or_is_left_to_the_tail() {
    let pair = Pair::start().await;
    pair.put("a/k.ts", b"old").await.unwrap();
    pair.put("b/k.ts", b"old").await.unwrap();
    pair.hold_commits(true);
    let put = pair.spawn_put("a/k.ts", b"new", RequestId(9), Duration::from_secs(30));
    pair.until(|| pair.staged() == 1).await;
    let list = |prefix: &str, after: Option<&str>| {
        let mut request = pair.list_request(prefix, false);
        (request.after, request.remaining) = (after.map(str::to_owned), Duration::from_millis(100));
        let head = pair.head();
        async move { head.list(request).await }
    };
    assert_eq!(
        list("", None).await.unwrap_err(),
        StorageError::AskTail,
        "the tail may show the new one already"
    );
    assert_eq!(list("b/", None).await.unwrap().entries.len(), 1, "no listed key is dirty");
    assert_eq!(list("", Some("a/k.ts")).await.unwrap().entries.len(), 1);
    assert_eq!(pair.tail().list(pair.list_request("", false)).await.unwrap().entries.len(), 2);

    let head = pair.head();
    let request = pair.list_request("a/", false);
    let waiting = tokio::spawn(async move { head.list(request).await });
    pair.hold_commits(false);
    put.await.unwrap().unwrap();
    let listed = waiting.await.unwrap().unwrap();
    assert_eq!(listed.entries[0].meta.as_ref().unwrap().digest, Digest::of(b"new"));
}

#[tokio::test]
async fn a_syncing_member_refuses_listings() {
    let mut pair = Pair::start().await;
    pair.restart_tail().await;
    pair.put("a/new.ts", b"new").await.unwrap();
    let error = pair.tail().list(pair.list_request("", false)).await.unwrap_err();
    assert!(matches!(error, StorageError::NotServing(_)), "{error:?}");
    assert_eq!(pair.head().list(pair.list_request("", false)).await.unwrap().entries.len(), 1);
}
