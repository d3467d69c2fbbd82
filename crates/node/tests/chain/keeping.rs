//! What a store does not keep, keeps too little of, or gets in the wrong order: never is an older version shown.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headwater_proto::{
    Preconditions, Replicate, ReplicateBegin, ReplicateCommit, Replication, Storage, StorageError,
};
use headwater_types::{
    Attributes, Digest, Incarnation, MediaClass, Member, NamespaceId, NodeId, RequestId, Ttl, UnixMillis,
    Version,
};
use std::{sync::atomic::Ordering, time::Duration};

use crate::{bytes_of, pair::Pair};

const NAMESPACE: NamespaceId = NamespaceId(1);
const LARGE: &[u8] = &[7; 5000];

async fn assert_absent(pair: &Pair, node: usize, key: &str) {
    let found = pair.services()[node].get(pair.get_request(key)).await;
    assert!(matches!(found, Err(StorageError::NotFound)), "node {node}: {found:?}");
}

async fn assert_shows(pair: &Pair, node: usize, key: &str, body: &[u8]) {
    let found = pair.services()[node].get(pair.get_request(key)).await.unwrap();
    assert!(bytes_of(found).await.unwrap() == body, "node {node} shows something else");
}

/// What a node's store has in use.
fn used(pair: &Pair, node: usize) -> u64 {
    pair.tiers()[node].used_bytes()
}

fn set_share(pair: &Pair, node: usize, bytes: u64) {
    headwater_store::Tier::set_namespace_share(pair.tiers()[node].as_ref(), NAMESPACE, Some(bytes));
}

#[tokio::test]
async fn an_acknowledged_put_that_finds_no_room_leaves_nothing_older() {
    for node in [0, 1] {
        let pair = Pair::start().await;
        pair.put("a/k.ts", b"old").await.unwrap();
        pair.hold_commits(true);
        let put = pair.spawn_put("a/k.ts", LARGE, RequestId(9), Duration::from_secs(30));
        pair.until(|| pair.staged() == 1).await;
        // The old version stays within it, the new one never will.
        set_share(&pair, node, used(&pair, node) + 100);
        pair.hold_commits(false);
        put.await.unwrap().unwrap();
        assert_absent(&pair, node, "a/k.ts").await;
        assert_shows(&pair, 1 - node, "a/k.ts", LARGE).await;
        pair.until(|| pair.is_idle()).await;
    }
}

#[tokio::test]
async fn an_acknowledged_delete_that_finds_no_room_leaves_nothing() {
    for node in [0, 1] {
        let pair = Pair::start().await;
        for key in ["x", "b"] {
            pair.put(key, b"").await.unwrap();
        }
        pair.delete("x").await.unwrap();
        // A tombstone remembers one request more than the empty object that it deletes.
        set_share(&pair, node, used(&pair, node) + 3);
        assert!(pair.delete("b").await.unwrap().existed);
        for of in [0, 1] {
            assert_absent(&pair, of, "b").await;
        }
        assert_eq!(pair.tiers()[node].stats().refused, 1, "else this tests nothing");
        pair.assert_idle();
    }
}

#[tokio::test]
async fn a_delete_reaches_what_only_the_other_member_still_has() {
    let pair = Pair::with([4000, 64 << 20], 64 << 20).await;
    assert!(!pair.delete("a/0").await.unwrap().existed);
    assert_eq!(pair.tiers()[0].stats().tombstones, 0, "nothing was lost here, so there is nothing to hide");
    for key in ["a/0", "a/1", "a/2"] {
        pair.put(key, &LARGE[..1000]).await.unwrap();
    }
    assert_absent(&pair, 0, "a/0").await;
    assert_shows(&pair, 1, "a/0", &LARGE[..1000]).await;
    assert!(!pair.delete("a/0").await.unwrap().existed);
    assert_absent(&pair, 1, "a/0").await;
    assert_eq!(pair.tiers()[1].stats().tombstones, 1);
    pair.delete("a/0").await.unwrap();
    assert_eq!(pair.tiers()[1].stats().tombstones, 1, "a second one finds the first");
    pair.assert_idle();
}

#[tokio::test]
async fn a_head_whose_store_fails_acknowledges_nothing_and_shows_nothing_old() {
    let pair = Pair::start().await;
    pair.put("a/k.ts", b"old").await.unwrap();
    pair.faults()[0].insert.store(true, Ordering::SeqCst);
    let put = pair.spawn_put("a/k.ts", b"new", RequestId(9), Duration::from_millis(200));
    let error = put.await.unwrap().unwrap_err();
    assert!(matches!(error, StorageError::OutcomeUnknown(_)), "{error:?}");
    let asked = pair.head().get(pair.get_request("a/k.ts")).await;
    assert!(matches!(asked, Err(StorageError::AskTail)), "{asked:?}");
    assert_shows(&pair, 1, "a/k.ts", b"new").await;
    pair.faults()[0].insert.store(false, Ordering::SeqCst);
    let again = pair.spawn_put("a/k.ts", b"new", RequestId(9), Duration::from_secs(30));
    assert_eq!(again.await.unwrap().unwrap().meta.version.seq, 2);
    assert_shows(&pair, 0, "a/k.ts", b"new").await;
    pair.until(|| pair.is_idle()).await;
}

#[tokio::test]
async fn a_member_whose_store_fails_does_not_acknowledge() {
    let pair = Pair::start().await;
    pair.put("a/k.ts", b"old").await.unwrap();
    pair.faults()[1].insert.store(true, Ordering::SeqCst);
    let put = pair.spawn_put("a/k.ts", b"new", RequestId(9), Duration::from_millis(200));
    let error = put.await.unwrap().unwrap_err();
    assert!(matches!(error, StorageError::OutcomeUnknown(_)), "{error:?}");
    assert_shows(&pair, 1, "a/k.ts", b"old").await;
    pair.faults()[1].insert.store(false, Ordering::SeqCst);
    pair.until(|| pair.is_idle()).await;
    for node in [0, 1] {
        assert_shows(&pair, node, "a/k.ts", b"new").await;
    }

    pair.faults()[1].get.store(true, Ordering::SeqCst);
    let asked = pair.tail().get(pair.get_request("a/k.ts")).await;
    assert!(matches!(asked, Err(StorageError::NotServing(_))), "not that it is absent: {asked:?}");
}

#[tokio::test]
async fn a_member_that_can_never_hold_an_upload_refuses_it_before_it_is_staged() {
    let pair = Pair::start().await;
    pair.put("a/k.ts", b"old").await.unwrap();
    set_share(&pair, 1, 4000);
    let mut request = pair.put_request("a/k.ts", RequestId(1));
    request.size = Some(5000);
    let (sender, put) = pair.open(request);
    sender.chunk(LARGE).await;
    pair.until(|| pair.inflight() == 5000).await;
    sender.end().await;
    let error = put.await.unwrap().unwrap_err();
    assert!(matches!(error, StorageError::Overloaded(_)), "{error:?}");
    for node in [0, 1] {
        assert_shows(&pair, node, "a/k.ts", b"old").await;
    }
    pair.until(|| pair.is_idle()).await;

    // Known for a while, whatever its length was said to be; what fits goes on.
    let error = pair.put("a/k.ts", LARGE).await.unwrap_err();
    assert!(matches!(error, StorageError::Overloaded(_)), "{error:?}");
    pair.put("a/k.ts", &LARGE[..1000]).await.unwrap();
    assert_shows(&pair, 1, "a/k.ts", &LARGE[..1000]).await;
}

#[tokio::test]
async fn a_refusal_that_comes_too_late_costs_the_object_on_that_member_and_the_next_upload() {
    let pair = Pair::start().await;
    pair.put("a/k.ts", b"old").await.unwrap();
    set_share(&pair, 1, 4000);
    let request = pair.put_request("a/k.ts", RequestId(1));
    // Whole at once, so it is staged before the member has looked at it.
    tokio::time::timeout(Duration::from_secs(20), pair.put_as(request, LARGE)).await.unwrap().unwrap();
    assert_shows(&pair, 0, "a/k.ts", LARGE).await;
    assert_absent(&pair, 1, "a/k.ts").await;
    let error = pair.put("a/k.ts", LARGE).await.unwrap_err();
    assert!(matches!(error, StorageError::Overloaded(_)), "{error:?}");
    pair.until(|| pair.is_idle()).await;
}

#[tokio::test]
async fn a_newer_version_that_is_clean_first_takes_the_older_one_with_it() {
    let pair = Pair::start().await;
    pair.hold_seq(Some(1));
    let first = pair.spawn_put("a/k.ts", b"one", RequestId(1), Duration::from_secs(30));
    pair.until(|| pair.staged() == 1).await;
    let second = pair.put_as(pair.put_request("a/k.ts", RequestId(2)), b"two").await.unwrap();
    assert_eq!((second.meta.version.seq, second.created), (2, false));
    let first = first.await.unwrap().unwrap();
    assert_eq!((first.meta.version.seq, first.created), (1, true));
    for node in [0, 1] {
        assert_shows(&pair, node, "a/k.ts", b"two").await;
    }
    pair.until(|| pair.is_idle()).await;

    // Its request is known, and conditions go by the newer one.
    let again = pair.put_as(pair.put_request("a/k.ts", RequestId(1)), b"one").await.unwrap();
    assert_eq!(again.meta.version.seq, 2, "no third version");
    let mut request = pair.put_request("a/k.ts", RequestId(3));
    request.preconditions = Preconditions { if_match: vec![Digest::of(b"one")], ..Default::default() };
    let refused = pair.put_as(request.clone(), b"three").await.unwrap_err();
    assert_eq!(refused, StorageError::PreconditionFailed);
    request.preconditions.if_match = vec![Digest::of(b"two")];
    assert_eq!(pair.put_as(request, b"three").await.unwrap().meta.version.seq, 3);
}

#[tokio::test]
async fn an_older_version_does_not_appear_when_a_newer_one_has_expired() {
    let pair = Pair::start().await;
    pair.hold_seq(Some(1));
    let first = pair.spawn_put("a/k.ts", b"one", RequestId(1), Duration::from_secs(30));
    pair.until(|| pair.staged() == 1).await;
    let mut request = pair.put_request("a/k.ts", RequestId(3));
    request.ttl = Ttl::from_secs(1).unwrap();
    pair.put_as(request, b"two").await.unwrap();
    first.await.unwrap().unwrap();
    let expired = |node: usize| pair.tiers()[node].get_now(&pair.object("a/k.ts")).is_none();
    pair.until(|| expired(0) && expired(1)).await;

    // A call of the first version that was long under way.
    let late = pair.tail().replicate(begin(&pair), stream::iter(late_pieces()).boxed()).await;
    assert_eq!(late.map(|version| version.seq), Ok(1), "acknowledged, as a newer one was here");
    pair.hold_seq(None);
    pair.until(|| pair.is_idle()).await;
    for node in [0, 1] {
        assert_absent(&pair, node, "a/k.ts").await;
    }
}

fn begin(pair: &Pair) -> ReplicateBegin {
    let member = |node| Member { node: NodeId(node), incarnation: Incarnation(1) };
    let request = pair.put_request("a/k.ts", RequestId(1));
    ReplicateBegin {
        shard: pair.shard(),
        epoch: request.epoch,
        from: member(1),
        to: member(2),
        object: request.object,
        request_id: request.request_id,
        class: MediaClass::Media,
        attributes: Attributes::default(),
        ttl: Ttl::from_secs(3600).unwrap(),
        followable: false,
        remaining: Duration::from_secs(1),
        size: None,
        staged: true,
        began: None,
    }
}

fn late_pieces() -> [Replicate; 2] {
    let commit = ReplicateCommit {
        version: Version { epoch: headwater_types::Epoch(1), seq: 1 },
        tombstone: false,
        digest: Digest::of(b"one"),
        size: 3,
        stored_at: UnixMillis(0),
        expires_at: UnixMillis(u64::MAX),
        request_ids: vec![RequestId(1)],
        clean_seq: 0,
    };
    [Replicate::Chunk(Bytes::from_static(b"one")), Replicate::Commit(commit)]
}

#[tokio::test]
async fn a_repeat_is_answered_with_nothing_that_is_not_acknowledged() {
    let pair = Pair::start().await;
    let again = |deadline| pair.spawn_put("a/k.ts", b"one", RequestId(1), deadline);
    again(Duration::from_secs(30)).await.unwrap().unwrap();
    pair.hold_seq(Some(2));
    let second = pair.spawn_put("a/k.ts", b"two", RequestId(2), Duration::from_secs(30));
    pair.until(|| pair.staged() == 1).await;
    let early = again(Duration::from_millis(100)).await.unwrap();
    assert!(matches!(early, Err(StorageError::OutcomeUnknown(_))), "{early:?}");
    // One whose own version is staged, too, gets that one.
    pair.hold_commits(true);
    let third = pair.spawn_put("a/k.ts", b"three", RequestId(3), Duration::from_secs(30));
    pair.until(|| pair.staged() == 2).await;
    let repeat = pair.spawn_put("a/k.ts", b"two", RequestId(2), Duration::from_secs(30));
    let fourth = pair.spawn_put("a/k.ts", b"four", RequestId(4), Duration::from_secs(30));
    pair.until(|| pair.staged() == 3).await;
    pair.hold_seq(None);
    pair.hold_commits(false);
    assert_eq!(repeat.await.unwrap().unwrap().meta.digest, Digest::of(b"two"));
    for put in [second, third, fourth] {
        put.await.unwrap().unwrap();
    }
    assert_eq!(again(Duration::from_secs(30)).await.unwrap().unwrap().meta.digest, Digest::of(b"four"));
    pair.until(|| pair.is_idle()).await;
}

#[tokio::test]
async fn a_former_head_gives_up_what_it_staged_and_brings_nothing_of_it_back() {
    let mut pair = Pair::start().await;
    pair.put("a/old.ts", b"old").await.unwrap();
    pair.hold_commits(true);
    let put = pair.spawn_put("a/k.ts", b"new", RequestId(9), Duration::from_secs(60));
    pair.until(|| pair.staged() == 1).await;
    pair.reconfigure([1, 1], 2, &[2], &[]).await;
    let error = put.await.unwrap().unwrap_err();
    assert!(matches!(error, StorageError::OutcomeUnknown(_)), "{error:?}");
    pair.until(|| pair.is_idle()).await;
    pair.hold_commits(false);
    pair.reconfigure([1, 1], 2, &[2], &[1]).await;
    assert_eq!(pair.tiers()[0].stats().records(), 0);
    assert_shows(&pair, 1, "a/old.ts", b"old").await;
    assert_absent(&pair, 1, "a/k.ts").await;
}
