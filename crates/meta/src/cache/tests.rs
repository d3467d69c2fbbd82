//! Tests of the copy, by itself and behind a voter.

mod burst;
mod disk;
pub(crate) mod source;

use bytes::Bytes;
use headwater_types::{ApiKey, Clock, KeyId, NamespaceName, SeededRng, SystemClock, UnixMillis};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

use super::MetaCache;
use crate::{
    bootstrap::{ensure_namespace, issue_key},
    command::Command,
    raft::tests::{LIMIT, single},
    records::{KeyRecord, NamespaceSettings, Permission},
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

#[test]
fn the_shared_secret_is_that_of_the_first_keys() {
    let with = |keys: &[usize]| {
        let mut state = State { version: 1, ..State::default() };
        for number in keys {
            let id = KeyId(format!("{number:012}").into());
            let record = KeyRecord {
                id: id.clone(),
                secret_sha256: format!("{number:064x}"),
                namespace: None,
                permission: Permission::Admin,
                prefix: None,
                created_at: UnixMillis(0),
                expires_at: None,
                cidrs: Vec::new(),
                digest: None,
                rate_limits: Default::default(),
                version: 1,
            };
            state.keys.insert(id, Arc::new(record));
        }
        let cache = MetaCache::new();
        cache.apply(WatchEvent::Snapshot(Box::new(state)));
        cache.shared_secret("test")
    };
    let sixteen: Vec<usize> = (1..=super::SECRET_SOURCES).collect();
    let all = with(&sixteen);
    assert_eq!(all, with(&sixteen));
    assert_eq!(all, with(&[sixteen.as_slice(), &[90]].concat()), "one more behind them");
    assert_ne!(all, with(&sixteen[1..]), "each of them is in it");
    assert_ne!(all, with(&sixteen[..15]));
    assert_ne!(with(&[1]), with(&[2]));
    let cache = MetaCache::new();
    assert_ne!(cache.shared_secret("one"), cache.shared_secret("two"));
}

#[tokio::test]
async fn a_key_works_and_is_refused_soon_after_its_revocation() {
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

    // Within a second, and on a machine that does nothing else within 100 ms.
    let mut times = Vec::new();
    let mut revoke = key;
    for _ in 0..5 {
        let revoked = meta.propose(Command::RevokeKey { id: revoke.id.clone() }, LIMIT).await.unwrap();
        let answered = SystemClock::new();
        timeout(LIMIT, cache.wait_for(revoked.version)).await.unwrap();
        assert!(cache.verify(&revoke, UnixMillis(0)).is_none());
        times.push(answered.monotonic());
        revoke = issue_key(&*meta, &*rng, Some(namespace), Permission::ReadWrite, None, None).await.unwrap();
    }
    times.sort();
    assert!(times[0] < Duration::from_millis(100) && times[4] < Duration::from_secs(1), "{times:?}");
    assert!(cache.last_heard().is_some());
    task.abort();
    meta.shutdown().await;
}
