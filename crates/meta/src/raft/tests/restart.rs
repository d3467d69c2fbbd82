//! What a voter keeps over a restart, and what it says about a time limit and a foreign directory.

use futures_util::StreamExt;
use headwater_types::{SeededRng, SystemClock};
use redb::Durability;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

use super::{LIMIT, create_namespace, map, read, single, start};
use crate::{
    bootstrap::issue_key,
    command::{Command, Outcome},
    raft::{RaftMeta, RaftMetaConfig, StartError},
    records::Permission,
    state::State,
    state::tests::new_node,
    store::{MetaError, MetaStore, WatchEvent},
};

#[tokio::test]
async fn a_restart_keeps_everything_and_watches_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let meta = single(dir.path()).await;
    let Outcome::Namespace { id, .. } = meta.propose(create_namespace("live"), LIMIT).await.unwrap().outcome
    else {
        panic!("no namespace");
    };
    issue_key(&*meta, &SeededRng::new(1), Some(id), Permission::ReadOnly, None, None).await.unwrap();
    let nodes = vec![new_node(1, 1, "a"), new_node(2, 2, "b")];
    let seen = meta.propose(Command::Register { nodes }, LIMIT).await.unwrap().version;
    map(meta.clone(), LIMIT).await;
    meta.propose(create_namespace("vod"), LIMIT).await.unwrap();
    let before = read(&meta).await;
    let mut watch = meta.watch(before.version).await.unwrap();
    meta.shutdown().await;
    while let Some(event) = watch.next().await {
        assert!(matches!(event, Ok(WatchEvent::Idle { .. })), "{event:?}");
    }

    let meta = single(dir.path()).await;
    let after = read(&meta).await;
    assert!(after.version >= before.version);
    assert_eq!(State { version: before.version, ..after }, before);

    // What came after `seen` is told without a snapshot and without a hole.
    let mut events = meta.watch(seen).await.unwrap();
    let mut expected = seen + 1;
    while expected <= before.version {
        let event = events.next().await.unwrap().unwrap();
        assert!(matches!(event, WatchEvent::Entry { version, .. } if version == expected), "{event:?}");
        expected += 1;
    }
    meta.shutdown().await;
}

#[tokio::test]
async fn a_restart_from_a_snapshot_ignores_a_torn_one() {
    let dir = tempfile::tempdir().unwrap();
    let config = || RaftMetaConfig {
        bootstrap: true,
        snapshot_entries: 5,
        log_entries_kept: 1,
        ..RaftMetaConfig::new(1, dir.path())
    };
    let meta = start(config()).await;
    for i in 0..20 {
        meta.propose(create_namespace(&format!("n{i}")), LIMIT).await.unwrap();
    }
    let purged =
        meta.raft.wait(Some(LIMIT)).metrics(|m| m.purged.is_some_and(|id| id.index >= 10), "purged").await;
    let purged = purged.unwrap().purged.unwrap().index;
    let before = read(&meta).await;
    meta.shutdown().await;

    std::fs::write(dir.path().join("snapshot.json.tmp"), "{\"format\":1,\"val").unwrap();
    let meta = start(config()).await;
    let after = read(&meta).await;
    assert_eq!(State { version: before.version, ..after }, before);
    assert!(!dir.path().join("snapshot.json.tmp").exists());
    let first = meta.watch(purged - 1).await.unwrap().next().await.unwrap().unwrap();
    assert!(
        matches!(first, WatchEvent::Snapshot(_)),
        "what was purged can only come as a snapshot: {first:?}"
    );
    meta.shutdown().await;
}

#[tokio::test]
async fn a_proposal_out_of_time_is_unknown_and_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let meta = single(dir.path()).await;
    // Another writer holds the log, so that nothing can be committed within the limit.
    let (held, is_held) = oneshot::channel();
    let (release, released) = oneshot::channel();
    let db = meta.db.clone();
    let holder = tokio::task::spawn_blocking(move || {
        db.write(Durability::None, |_| {
            held.send(()).unwrap();
            released.blocking_recv().unwrap();
            Ok(())
        })
    });
    is_held.await.unwrap();
    let late = meta.propose(create_namespace("live"), Duration::from_millis(20)).await;
    assert!(matches!(late, Err(MetaError::Unknown(_))), "{late:?}");
    release.send(()).unwrap();
    holder.await.unwrap().unwrap();
    let again = meta.propose(create_namespace("live"), LIMIT).await.unwrap();
    assert!(matches!(&again.outcome, Outcome::Refused { code, .. } if code == "exists"), "{again:?}");
    assert_eq!(read(&meta).await.namespaces.len(), 1);
    let huge = Command::RevokeKey {
        id: headwater_types::KeyId("x".repeat(crate::limits::COMMAND_BYTES_MAX).into()),
    };
    assert!(matches!(meta.propose(huge, LIMIT).await, Err(MetaError::Invalid(_))));
    meta.shutdown().await;
    let stopped = meta.linearizable_read(LIMIT).await;
    assert!(matches!(stopped, Err(MetaError::Unavailable(_))), "{stopped:?}");
}

#[tokio::test]
async fn a_voter_without_bootstrap_waits_and_another_voters_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let waiting = RaftMeta::start(RaftMetaConfig::new(1, dir.path()), clock.clone()).await.unwrap();
    let ready = waiting.ready(Duration::from_millis(50)).await;
    assert!(matches!(ready, Err(MetaError::Unavailable(_))), "{ready:?}");
    let refused = waiting.propose(create_namespace("live"), Duration::from_millis(100)).await;
    assert!(matches!(refused, Err(MetaError::Unavailable(_))), "{refused:?}");
    assert_eq!(waiting.membership().await.unwrap().leader, None);
    waiting.shutdown().await;
    let other = RaftMeta::start(RaftMetaConfig::new(2, dir.path()), clock).await;
    assert!(matches!(other, Err(StartError::OtherVoter { owner: 1, given: 2 })), "{other:?}");
}

#[tokio::test]
async fn a_disk_error_is_fatal_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let meta = single(dir.path()).await;
    meta.db.close();
    let lost = meta.propose(create_namespace("live"), LIMIT).await;
    assert!(matches!(lost, Err(MetaError::Unknown(_))), "{lost:?}");
    let reason = tokio::time::timeout(LIMIT, meta.failed()).await.unwrap();
    assert!(reason.contains("closed"), "{reason}");
}
