//! Overlapping PUTs of one key: the one that began later stays, whichever ends first.

use crate::{
    bytes_of,
    pair::{Pair, PutTask, Sender, upload},
};
use headwater_proto::{Began, Preconditions, PutReply, PutRequest, Storage, StorageError};
use headwater_types::{Digest, RequestId};
use std::time::Duration;

const KEY: &str = "a/live.m3u8";

/// A PUT that began as the request `order` of a frontend.
fn began(pair: &Pair, frontend: u64, order: u64) -> PutRequest {
    let began = Some(Began { frontend, order });
    PutRequest { began, ..pair.put_request(KEY, pair.request_id()) }
}

/// Opens a PUT; it has arrived at the head when this returns. Its body is `xx` so far.
async fn open(pair: &Pair, request: PutRequest) -> (Sender, PutTask) {
    let (sender, task) = pair.open(request);
    // The second is taken off the queue behind the first.
    sender.chunk(b"x").await;
    sender.chunk(b"x").await;
    (sender, task)
}

async fn end(sender: Sender, task: PutTask, rest: &'static [u8]) -> Result<PutReply, StorageError> {
    sender.chunk(rest).await;
    sender.end().await;
    task.await.unwrap()
}

/// What both nodes show.
async fn shown(pair: &Pair) -> String {
    let mut shown = Vec::new();
    for node in pair.services() {
        let body = bytes_of(node.get(pair.get_request(KEY)).await.unwrap()).await.unwrap();
        shown.push(String::from_utf8(body.to_vec()).unwrap());
    }
    assert_eq!(shown[0], shown[1]);
    shown.remove(0)
}

#[tokio::test]
async fn the_later_one_stays_whichever_ends_first() {
    // Frontend and order of the first to arrive and of the second; whether the second is the later one.
    for (first, second, second_is_later) in
        [((7, 1), (7, 2), true), ((7, 2), (7, 1), false), ((7, 2), (8, 1), true), ((8, 1), (7, 2), true)]
    {
        for second_ends_first in [true, false] {
            let pair = Pair::start().await;
            let (a, a_put) = open(&pair, began(&pair, first.0, first.1)).await;
            let (b, b_put) = open(&pair, began(&pair, second.0, second.1)).await;
            let (a_reply, b_reply) = if second_ends_first {
                let b_reply = end(b, b_put, b"b").await.unwrap();
                (end(a, a_put, b"a").await.unwrap(), b_reply)
            } else {
                let a_reply = end(a, a_put, b"a").await.unwrap();
                (a_reply, end(b, b_put, b"b").await.unwrap())
            };
            let case = format!("{first:?} {second:?}, the second ends first: {second_ends_first}");
            assert_eq!(shown(&pair).await, if second_is_later { "xxb" } else { "xxa" }, "{case}");
            assert_eq!((a_reply.created, b_reply.created), (!second_ends_first, second_ends_first), "{case}");
            let digests = (a_reply.meta.digest, b_reply.meta.digest);
            assert_eq!(digests, (Digest::of(b"xxa"), Digest::of(b"xxb")), "of its own bytes: {case}");
            let overlapped = pair.head().0.metrics().puts_overlapped.get();
            assert_eq!(overlapped, u64::from(second_ends_first == second_is_later), "{case}");
            pair.assert_idle();
        }
    }
}

#[tokio::test]
async fn one_without_an_order_goes_by_its_arrival() {
    let pair = Pair::start().await;
    let (a, a_put) = open(&pair, pair.put_request(KEY, pair.request_id())).await;
    let (b, b_put) = open(&pair, began(&pair, 7, 1)).await;
    end(b, b_put, b"b").await.unwrap();
    end(a, a_put, b"a").await.unwrap();
    assert_eq!(shown(&pair).await, "xxb");
}

#[tokio::test]
async fn the_earlier_one_is_answered_once_the_later_one_is_clean_and_holds_no_memory_meanwhile() {
    let pair = Pair::start().await;
    let earlier = began(&pair, 7, 1);
    let (a, a_put) = open(&pair, earlier.clone()).await;
    let reader = pair.head().get(pair.follow_request(KEY)).await.unwrap();
    pair.hold_commits(true);
    let later = began(&pair, 7, 2);
    let head = pair.head();
    let b_put = tokio::spawn(async move { head.put(later, upload(&[b"later"], true)).await });
    pair.until(|| pair.staged() == 1).await;
    a.chunk(b"a").await;
    a.end().await;
    pair.until(|| pair.inflight() == 5).await;
    assert!(!a_put.is_finished() && !b_put.is_finished());
    assert_eq!(pair.staged(), 1);
    assert_eq!(bytes_of(reader).await, Err(StorageError::BodyCut), "it was never a version");

    let impatient = PutRequest { remaining: Duration::from_millis(100), ..began(&pair, 7, 1) };
    let error = pair.put_as(impatient, b"xxa").await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "nothing was stored: {error:?}");

    pair.hold_commits(false);
    assert!(b_put.await.unwrap().unwrap().created);
    assert!(!a_put.await.unwrap().unwrap().created);
    assert_eq!(shown(&pair).await, "later");
    pair.until(|| pair.is_idle()).await;
}

#[tokio::test]
async fn if_the_later_one_is_given_up_the_earlier_one_is_decided_again_at_the_next_head() {
    let mut pair = Pair::start().await;
    let earlier = began(&pair, 7, 1);
    let (a, a_put) = open(&pair, earlier.clone()).await;
    pair.hold_commits(true);
    let b_put = tokio::spawn({
        let (head, later) = (pair.head(), began(&pair, 7, 2));
        async move { head.put(later, upload(&[b"later"], true)).await }
    });
    pair.until(|| pair.staged() == 1).await;
    a.chunk(b"a").await;
    a.end().await;
    pair.until(|| pair.inflight() == 5).await;
    pair.reconfigure([1, 1], 2, &[2], &[]).await;
    assert!(matches!(b_put.await.unwrap().unwrap_err(), StorageError::OutcomeUnknown(_)));
    let error = a_put.await.unwrap().unwrap_err();
    assert!(error.is_retryable() && !error.is_unknown(), "{error:?}");
    // As a frontend does.
    let again = PutRequest { epoch: pair.put_request(KEY, RequestId(0)).epoch, ..earlier };
    assert!(pair.tail().put(again, upload(&[b"xxa"], true)).await.unwrap().created);
    let reply = pair.tail().get(pair.get_request(KEY)).await.unwrap();
    assert_eq!(bytes_of(reply).await.unwrap(), "xxa");
    pair.hold_commits(false);
}

#[tokio::test]
async fn a_request_that_is_sent_again_keeps_its_place() {
    let pair = Pair::start().await;
    let earlier = began(&pair, 7, 1);
    let (a, a_put) = open(&pair, earlier.clone()).await;
    drop(a);
    assert_eq!(a_put.await.unwrap().unwrap_err(), StorageError::BodyCut);
    pair.put_as(began(&pair, 7, 2), b"later").await.unwrap();
    for _ in 0..2 {
        let reply = pair.put_as(earlier.clone(), b"earlier").await.unwrap();
        assert_eq!((reply.created, reply.meta.digest), (false, Digest::of(b"earlier")));
    }
    assert_eq!(shown(&pair).await, "later");
    // The later one's own repeat is still found.
    pair.put_as(began(&pair, 7, 3), b"last").await.unwrap();
    pair.put_as(earlier, b"earlier").await.unwrap();
    assert_eq!(shown(&pair).await, "last");
}

#[tokio::test]
async fn conditional_ones_are_decided_as_they_end() {
    let present = Preconditions { if_present: true, ..Preconditions::default() };
    // The later one has a condition: it said what was there before it.
    let pair = Pair::start().await;
    pair.put(KEY, b"old").await.unwrap();
    let (a, a_put) = open(&pair, began(&pair, 7, 1)).await;
    let later = PutRequest { preconditions: present.clone(), ..began(&pair, 7, 2) };
    pair.put_as(later, b"later").await.unwrap();
    end(a, a_put, b"a").await.unwrap();
    assert_eq!(shown(&pair).await, "xxa");
    // The earlier one has.
    let pair = Pair::start().await;
    let request = PutRequest { preconditions: present, ..began(&pair, 7, 1) };
    pair.put(KEY, b"old").await.unwrap();
    let (a, a_put) = open(&pair, request).await;
    pair.put_as(began(&pair, 7, 2), b"later").await.unwrap();
    end(a, a_put, b"a").await.unwrap();
    assert_eq!(shown(&pair).await, "xxa");
}

#[tokio::test]
async fn an_upload_that_ends_behind_a_delete_stays_whenever_it_began() {
    let pair = Pair::start().await;
    let (a, a_put) = open(&pair, began(&pair, 7, 1)).await;
    pair.put_as(began(&pair, 7, 2), b"later").await.unwrap();
    assert!(pair.delete(KEY).await.unwrap().existed);
    assert!(end(a, a_put, b"a").await.unwrap().created);
    assert_eq!(shown(&pair).await, "xxa");
}

#[tokio::test]
async fn new_readers_follow_the_one_that_began_last() {
    let pair = Pair::start().await;
    let (later, later_put) = open(&pair, began(&pair, 7, 2)).await;
    let (earlier, earlier_put) = open(&pair, began(&pair, 7, 1)).await;
    earlier.chunk(b"earlier").await;
    // The other node has both: what is cut there is the later one alone.
    let idle = pair.services().map(|node| node.0);
    pair.until(|| idle.iter().all(|node| node.arriving() == 1)).await;
    let mut readers = Vec::new();
    for node in pair.services() {
        pair.until_some(|| node.get(pair.follow_request(KEY))).await;
        readers.push(tokio::spawn(bytes_of(node.get(pair.follow_request(KEY)).await.unwrap())));
    }
    end(later, later_put, b" later").await.unwrap();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap(), "xx later");
    }
    earlier.end().await;
    earlier_put.await.unwrap().unwrap();
    assert_eq!(shown(&pair).await, "xx later");
}
