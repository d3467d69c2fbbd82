//! Many changes at once, and members that are ahead of each other or behind.

use headwater_types::{SeededRng, SystemClock};
use std::sync::Arc;
use tokio::time::timeout;

use super::{super::MetaCache, entry, snapshot, source::Given};
use crate::{
    raft::tests::{LIMIT, create_namespace, single},
    state::{State, tests::encoded},
    store::{MetaStore, WatchEvent},
};

fn created(version: u64) -> WatchEvent {
    let command = encoded(create_namespace(&format!("n{version}"))).into();
    WatchEvent::Entry { version, command }
}

#[test]
fn events_that_come_together_are_one_change() {
    let cache = MetaCache::new();
    assert!(cache.apply_all([snapshot(3)]));
    let before = cache.state();
    // What was seen already is passed over; a hole ends it, and what came before the hole is kept.
    let events = [created(3), created(4), WatchEvent::Idle { version: 4 }, created(5), entry(7), created(6)];
    assert!(!cache.apply_all(events));
    assert_eq!((cache.version(), cache.state().namespaces.len()), (5, 2));
    assert_eq!((before.version, before.namespaces.len()), (3, 0), "who reads a copy keeps it");
    assert!(cache.apply_all([]));
    assert_eq!(cache.version(), 5);
}

#[tokio::test]
async fn a_burst_of_thousands_of_entries_is_followed_without_a_hole() {
    const ENTRIES: u64 = 8_000;
    let mut expected = State { version: 1, ..State::default() };
    let mut events = vec![snapshot(1)];
    for version in 2..=ENTRIES {
        let WatchEvent::Entry { command, .. } = created(version) else { unreachable!() };
        expected.apply(version, &command);
        events.push(WatchEvent::Entry { version, command });
    }
    // The first member is cut off in the middle, the second one is behind, the third one goes on.
    let rest = events.split_off(5_000);
    let behind = vec![WatchEvent::Idle { version: 4_000 }, created(4_000), entry(5_002)];
    let source = Given::new("", [events, behind, rest]);
    let (cache, task) =
        MetaCache::follow(source.clone(), Arc::new(SystemClock::new()), Arc::new(SeededRng::new(1)));
    let mut seen = vec![];
    let mut versions = cache.subscribe();
    let follow = async {
        while *versions.borrow_and_update() < ENTRIES {
            seen.push(*versions.borrow());
            versions.changed().await.unwrap();
        }
    };
    timeout(LIMIT, follow).await.unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(*cache.state(), expected);
    assert_eq!(*source.asked.lock(), [0, 5_000, 5_000]);
    task.abort();
}

#[tokio::test]
async fn a_follower_of_a_voter_under_a_stream_of_proposals_ends_in_the_same_state() {
    let dir = tempfile::tempdir().unwrap();
    let meta = single(dir.path()).await;
    let follow =
        || MetaCache::follow(meta.clone(), Arc::new(SystemClock::new()), Arc::new(SeededRng::new(2)));
    let followers = [follow(), follow()];
    let proposals = (0..300).map(|i| {
        let meta = meta.clone();
        async move { meta.propose(create_namespace(&format!("n{i}")), LIMIT).await.unwrap().version }
    });
    let last = futures_util::future::join_all(proposals).await.into_iter().max().unwrap();
    for (cache, task) in followers {
        timeout(LIMIT, cache.wait_for(last)).await.unwrap();
        assert_eq!(*cache.state(), crate::raft::tests::read(&meta).await);
        task.abort();
    }
    meta.shutdown().await;
}
