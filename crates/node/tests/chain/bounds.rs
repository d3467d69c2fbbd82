//! Memory of bodies that are not stored yet, and writes that nobody waits for any more.

use headwater_proto::{Storage, StorageError};
use headwater_types::RequestId;
use std::time::Duration;

use crate::{bytes_of, pair::Pair};

const BODY: &[u8] = &[7; 2000];

#[tokio::test]
async fn bodies_are_admitted_up_to_the_limit_by_what_they_say_they_are() {
    let pair = Pair::with([64 << 20; 2], 1000).await;
    let put = |id: u128, size: usize| {
        let mut request = pair.put_request(&format!("a/{id}.ts"), RequestId(id));
        request.size = Some(size as u64);
        pair.put_as(request, &BODY[..size])
    };
    let mut request = pair.put_request("a/slow.ts", RequestId(1));
    request.size = Some(800);
    let (sender, slow) = pair.open(request);
    pair.until(|| pair.inflight() >= 800).await;
    put(2, 200).await.unwrap();
    let error = put(3, 201).await.unwrap_err();
    assert!(matches!(error, StorageError::Overloaded(_)), "none of the first has arrived: {error:?}");
    sender.chunk(&BODY[..800]).await;
    sender.end().await;
    slow.await.unwrap().unwrap();
    pair.assert_idle();
    put(4, 1000).await.unwrap();
    put(5, 1001).await.expect("one alone is always let in");
    pair.assert_idle();
}

#[tokio::test]
async fn what_is_staged_counts_until_it_is_acknowledged() {
    let pair = Pair::with([64 << 20; 2], 1000).await;
    pair.hold_commits(true);
    let request = |id: u128, size| {
        let mut request = pair.put_request(&format!("a/{id}.ts"), RequestId(id));
        (request.size, request.remaining) = (Some(size), Duration::from_millis(50));
        request
    };
    for id in [1, 2] {
        let unknown = pair.put_as(request(id, 500), &BODY[..500]).await.unwrap_err();
        assert!(unknown.is_unknown(), "{unknown:?}");
    }
    let refused = pair.put_as(request(3, 1), &BODY[..1]).await.unwrap_err();
    assert!(matches!(refused, StorageError::Overloaded(_)), "{refused:?}");
    pair.hold_commits(false);
    pair.until(|| pair.is_idle()).await;
    pair.put_as(request(3, 1), &BODY[..1]).await.unwrap();
}

#[tokio::test]
async fn a_put_that_is_dropped_while_its_body_arrives_leaves_nothing() {
    let pair = Pair::start().await;
    let (sender, put) = pair.open_put("a/k.ts", RequestId(1));
    sender.chunk(b"half").await;
    let tail = pair.tail();
    pair.until_some(|| tail.get(pair.follow_request("a/k.ts"))).await;
    let reader = tokio::spawn(bytes_of(tail.get(pair.follow_request("a/k.ts")).await.unwrap()));
    put.abort();
    assert_eq!(reader.await.unwrap(), Err(StorageError::BodyCut));
    pair.until(|| pair.is_idle()).await;
    for node in pair.services() {
        assert_eq!(node.get(pair.get_request("a/k.ts")).await.unwrap_err(), StorageError::NotFound);
    }
}

#[tokio::test]
async fn a_put_that_is_dropped_before_it_is_staged_leaves_nothing() {
    let pair = Pair::start().await;
    pair.put("a/k.ts", b"old").await.unwrap();
    let (sender, put) = pair.open_put("a/k.ts", RequestId(1));
    sender.chunk(b"whole").await;
    pair.cut_link(true);
    pair.until(|| !pair.link_is_up()).await;
    sender.end().await;
    // It waits for the link now: its body was taken, so what was reserved beyond it is free.
    pair.until(|| pair.inflight() == 5).await;
    put.abort();
    pair.until(|| pair.is_idle()).await;
    pair.cut_link(false);
    pair.until(|| pair.link_is_up()).await;
    for node in pair.services() {
        let reply = node.get(pair.get_request("a/k.ts")).await.unwrap();
        assert_eq!(bytes_of(reply).await.unwrap(), "old");
    }
}

#[tokio::test]
async fn a_put_that_is_dropped_after_it_is_staged_comes_about() {
    let pair = Pair::start().await;
    let (sender, put) = pair.open_put("a/k.ts", RequestId(1));
    sender.chunk(b"whole").await;
    let mut readers = Vec::new();
    for node in pair.services() {
        pair.until_some(|| node.get(pair.follow_request("a/k.ts"))).await;
        readers.push(tokio::spawn(bytes_of(node.get(pair.follow_request("a/k.ts")).await.unwrap())));
    }
    pair.hold_commits(true);
    sender.end().await;
    pair.until(|| pair.staged() == 1).await;
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    pair.hold_commits(false);
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap(), "whole");
    }
    pair.until(|| pair.is_idle()).await;
    for node in pair.services() {
        assert_eq!(bytes_of(node.get(pair.get_request("a/k.ts")).await.unwrap()).await.unwrap(), "whole");
    }
}

#[tokio::test]
async fn many_waiting_writes_get_through_after_a_break() {
    let pair = Pair::start().await;
    pair.hold_commits(true);
    let puts: Vec<_> = (0..40)
        .map(|id| {
            let key = format!("a/{id}.ts");
            let put = pair.spawn_put(&key, BODY, RequestId(100 + id), Duration::from_secs(30));
            (key, put)
        })
        .collect();
    pair.until(|| pair.staged() == 40).await;
    // The calls that were opened with the uploads are refused; all are sent again, in turns.
    pair.cut_link(true);
    pair.hold_commits(false);
    pair.cut_link(false);
    for (key, put) in puts {
        put.await.unwrap().unwrap();
        pair.tail().get(pair.get_request(&key)).await.unwrap();
    }
    pair.until(|| pair.is_idle()).await;
}
