//! Tests of the copy, by itself and behind a voter.

use bytes::Bytes;
use headwater_types::{ApiKey, Clock, NamespaceName, SeededRng, SystemClock, UnixMillis};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

use super::MetaCache;
use crate::{
    bootstrap::{ensure_namespace, issue_key},
    command::Command,
    raft::tests::{LIMIT, single},
    records::{NamespaceSettings, Permission},
    state::State,
    store::{MetaStore, WatchEvent},
};

fn entry(version: u64) -> WatchEvent {
    WatchEvent::Entry { version, command: Bytes::new() }
}

fn snapshot(version: u64) -> WatchEvent {
    WatchEvent::Snapshot(Box::new(State { version, ..State::default() }))
}

#[tokio::test]
async fn the_version_never_goes_back_and_holes_are_seen() {
    let cache = MetaCache::new();
    for (event, in_step, version) in [
        (snapshot(7), true, 7),
        (entry(8), true, 8),
        (entry(8), true, 8),
        (snapshot(6), true, 8),
        (entry(10), false, 8),
        (WatchEvent::Idle { version: 8 }, true, 8),
        (WatchEvent::Idle { version: 9 }, false, 8),
        (snapshot(20), true, 20),
    ] {
        let text = format!("{event:?}");
        assert_eq!((cache.apply(event), cache.version()), (in_step, version), "{text}");
    }
    timeout(LIMIT, cache.wait_for(20)).await.unwrap();
}

#[tokio::test]
async fn a_key_works_and_is_refused_100_ms_after_its_revocation() {
    let dir = tempfile::tempdir().unwrap();
    let meta = single(dir.path()).await;
    let rng = Arc::new(SeededRng::new(3));
    let (cache, task) = MetaCache::follow(meta.clone(), Arc::new(SystemClock::new()), rng.clone());
    let name = NamespaceName::parse("live").unwrap();
    let namespace = ensure_namespace(&*meta, name.clone(), NamespaceSettings::default()).await.unwrap();
    assert_eq!(ensure_namespace(&*meta, name, NamespaceSettings::default()).await.unwrap(), namespace);
    let expires = UnixMillis(5_000);
    let key =
        issue_key(&*meta, &*rng, Some(namespace), Permission::ReadWrite, Some("a/".into()), Some(expires))
            .await
            .unwrap();
    timeout(LIMIT, cache.wait_for(meta.membership().await.unwrap().applied)).await.unwrap();
    assert_eq!(cache.namespace("live").unwrap(), cache.namespace_by_id(namespace).unwrap());
    let record = cache.verify(&key, UnixMillis(4_999)).unwrap();
    assert_eq!((record.namespace, record.prefix.as_deref()), (Some(namespace), Some("a/")));
    assert!(cache.verify(&key, expires).is_none(), "expired");
    let stranger = ApiKey::generate(&SeededRng::new(4));
    let forged = ApiKey::parse(&format!("hw_{}_{}", key.id, stranger.secret())).unwrap();
    assert!(cache.verify(&forged, UnixMillis(0)).is_none(), "another secret");

    let revoked = meta.propose(Command::RevokeKey { id: key.id.clone() }, LIMIT).await.unwrap();
    let answered = SystemClock::new();
    timeout(LIMIT, cache.wait_for(revoked.version)).await.unwrap();
    assert!(cache.verify(&key, UnixMillis(0)).is_none());
    assert!(answered.monotonic() < Duration::from_millis(100), "{:?}", answered.monotonic());
    assert!(cache.last_heard().is_some());
    task.abort();
    meta.shutdown().await;
}
