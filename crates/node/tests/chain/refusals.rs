//! A refusal is a read: it tells of nothing that a member in sync may not show yet.

use headwater_proto::{Preconditions, PutReply, Storage, StorageError};
use headwater_types::{Digest, RequestId};
use std::time::Duration;
use tokio::task::JoinHandle;

use crate::{
    bytes_of,
    pair::{Pair, upload},
};

const KEY: &str = "a/k.ts";
/// Enough for whatever does not wait for the link.
const BRIEF: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);

fn if_absent() -> Preconditions {
    Preconditions { if_absent: true, ..Preconditions::default() }
}

fn if_match(body: &[u8]) -> Preconditions {
    Preconditions { if_match: vec![Digest::of(body)], ..Preconditions::default() }
}

fn conditional(
    pair: &Pair,
    preconditions: Preconditions,
    remaining: Duration,
) -> JoinHandle<Result<PutReply, StorageError>> {
    let mut request = pair.put_request(KEY, pair.request_id());
    (request.preconditions, request.remaining) = (preconditions, remaining);
    let head = pair.head();
    tokio::spawn(async move { head.put(request, upload(&[b"mine"], true)).await })
}

async fn assert_tail_shows(pair: &Pair, body: &'static str) {
    let found = pair.tail().get(pair.get_request(KEY)).await.unwrap();
    assert_eq!(bytes_of(found).await.unwrap(), body);
}

#[tokio::test]
async fn a_refusal_waits_until_what_it_rests_on_is_on_every_member() {
    for preconditions in [if_absent(), if_match(b"old")] {
        let pair = Pair::start().await;
        if !preconditions.if_absent {
            pair.put(KEY, b"old").await.unwrap();
        }
        pair.hold_commits(true);
        let put = pair.spawn_put(KEY, b"new", RequestId(9), LONG);
        pair.until(|| pair.staged() == 1).await;
        let late = conditional(&pair, preconditions.clone(), BRIEF).await.unwrap().unwrap_err();
        assert!(matches!(late, StorageError::Unavailable(_)), "it rests on what only the head has: {late:?}");

        let refused = conditional(&pair, preconditions, LONG);
        // Whoever sends again does not wait behind it.
        let again = pair.spawn_put(KEY, b"newer", RequestId(10), LONG);
        pair.until(|| pair.staged() == 2).await;
        assert!(!refused.is_finished() && !put.is_finished());
        pair.hold_commits(false);
        assert_eq!(refused.await.unwrap().unwrap_err(), StorageError::PreconditionFailed);
        put.await.unwrap().unwrap();
        again.await.unwrap().unwrap();
        assert_tail_shows(&pair, "newer").await;
        pair.until(|| pair.is_idle()).await;
    }
}

#[tokio::test]
async fn what_is_on_every_member_refuses_at_once_even_with_the_link_down() {
    let pair = Pair::start().await;
    pair.put(KEY, b"old").await.unwrap();
    pair.cut_link(true);
    pair.until(|| !pair.link_is_up()).await;
    let mut request = pair.put_request(KEY, RequestId(1));
    request.preconditions = if_absent();
    // Its body never comes.
    let (_open, put) = pair.open(request);
    assert_eq!(put.await.unwrap().unwrap_err(), StorageError::PreconditionFailed);
    let refused = conditional(&pair, if_match(b"other"), LONG).await.unwrap();
    assert_eq!(refused.unwrap_err(), StorageError::PreconditionFailed);
}

#[tokio::test]
async fn what_was_staged_while_the_body_arrived_is_waited_for_too() {
    for (remaining, expected) in [(BRIEF, None), (LONG, Some(StorageError::PreconditionFailed))] {
        let pair = Pair::start().await;
        let mut request = pair.put_request(KEY, RequestId(1));
        (request.preconditions, request.remaining) = (if_absent(), remaining);
        let (sender, put) = pair.open(request);
        sender.chunk(b"half").await;
        pair.until(|| pair.inflight() > 0).await;
        pair.hold_commits(true);
        let other = pair.spawn_put(KEY, b"other", RequestId(9), LONG);
        pair.until(|| pair.staged() == 1).await;
        sender.end().await;
        if let Some(expected) = expected {
            // Time to be refused too early.
            tokio::time::sleep(BRIEF).await;
            pair.hold_commits(false);
            assert_eq!(put.await.unwrap().unwrap_err(), expected);
        } else {
            let late = put.await.unwrap().unwrap_err();
            assert!(matches!(late, StorageError::Unavailable(_)), "{late:?}");
            pair.hold_commits(false);
        }
        other.await.unwrap().unwrap();
        assert_tail_shows(&pair, "other").await;
        pair.until(|| pair.is_idle()).await;
    }
}

#[tokio::test]
async fn a_refusal_is_decided_again_in_the_epoch_that_was_installed_meanwhile() {
    let mut pair = Pair::start().await;
    pair.hold_commits(true);
    let put = pair.spawn_put(KEY, b"new", RequestId(9), LONG);
    pair.until(|| pair.staged() == 1).await;
    let waiting = conditional(&pair, if_absent(), LONG);
    pair.reconfigure([1, 1], 1, &[1, 2], &[]).await;
    pair.hold_commits(false);
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, StorageError::WrongEpoch { .. }), "{error:?}");
    let refused = conditional(&pair, if_absent(), LONG).await.unwrap();
    assert_eq!(refused.unwrap_err(), StorageError::PreconditionFailed);
    put.await.unwrap().unwrap();
    assert_tail_shows(&pair, "new").await;

    // A head that leaves takes with it what it rested on: nothing was refused.
    pair.hold_commits(true);
    let put = pair.spawn_put(KEY, b"lost", RequestId(11), LONG);
    pair.until(|| pair.staged() == 1).await;
    let waiting = conditional(&pair, if_match(b"new"), LONG);
    tokio::task::yield_now().await;
    pair.reconfigure([1, 1], 2, &[2], &[]).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, StorageError::WrongEpoch { .. }), "{error:?}");
    assert!(put.await.unwrap().is_err());
    assert_tail_shows(&pair, "new").await;
}
