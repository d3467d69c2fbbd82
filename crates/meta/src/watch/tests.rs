//! Tests of watches over a hub.

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use std::sync::Arc;

use super::{Hub, events};
use crate::{
    limits::{WATCH_ENTRIES_KEPT, WATCHERS_MAX},
    metrics::MetaMetrics,
    state::State,
    store::{MetaError, WatchEvent, WatchEvents},
};

fn hub_at(version: u64) -> Arc<Hub> {
    let hub = Hub::new();
    (1..=version).for_each(|index| drop(hub.apply(index, Bytes::new())));
    hub
}

fn watch(hub: &Arc<Hub>, after: u64) -> WatchEvents {
    events(hub, after, MetaMetrics::new().watcher()).unwrap()
}

/// The version of an event that is there at once, negative for a snapshot; `None` if there is none yet.
fn ready(events: &mut WatchEvents) -> Option<i64> {
    match events.next().now_or_never()?? {
        Ok(WatchEvent::Snapshot(state)) => Some(-(state.version as i64)),
        Ok(WatchEvent::Entry { version, .. }) => Some(version as i64),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_watch_begins_where_it_can() {
    let kept = WATCH_ENTRIES_KEPT as u64;
    let hub = hub_at(kept + 10);
    assert_eq!(ready(&mut watch(&hub, 10)), Some(11), "the oldest entry that is kept");
    assert_eq!(ready(&mut watch(&hub, 9)), Some(-(kept as i64 + 10)), "one older");
    assert_eq!(ready(&mut watch(&hub, 0)), Some(-(kept as i64 + 10)), "nothing known");
    assert_eq!(ready(&mut watch(&hub, kept + 10)), None, "up to date");
}

#[tokio::test]
async fn a_watch_that_is_ahead_waits_and_does_not_go_back() {
    let hub = hub_at(5);
    let (mut ahead, mut in_vain) = (watch(&hub, 7), watch(&hub, 8));
    assert_eq!(ready(&mut ahead), None);
    (6..=8).for_each(|index| drop(hub.apply(index, Bytes::new())));
    assert_eq!(ready(&mut ahead), Some(8), "the first that it does not have");
    assert_eq!(ready(&mut in_vain), None, "up to date by now");
    assert!(watch(&hub, 9).next().await.is_none(), "one that stays ahead is let go");
}

#[tokio::test]
async fn a_watch_has_no_holes_and_a_slow_one_gets_a_snapshot() {
    let hub = hub_at(1);
    let (mut fast, mut slow) = (watch(&hub, 1), watch(&hub, 1));
    hub.apply(2, Bytes::new());
    assert_eq!(ready(&mut slow), Some(2));
    let last = 3 * WATCH_ENTRIES_KEPT as u64;
    for index in 3..=last {
        hub.apply(index, Bytes::new());
        assert_eq!(ready(&mut fast), Some(index as i64 - 1));
    }
    assert_eq!(ready(&mut fast), Some(last as i64));
    assert_eq!(ready(&mut slow), Some(-(last as i64)));
    hub.apply(last + 1, Bytes::new());
    assert_eq!(ready(&mut slow), Some(last as i64 + 1), "and goes on after it");
}

#[tokio::test]
async fn an_installed_state_comes_as_a_snapshot_and_the_end_ends_watches() {
    let hub = hub_at(5);
    let mut events = watch(&hub, 5);
    hub.install(State { version: 9, ..State::default() });
    assert_eq!(ready(&mut events), Some(-9));
    assert!(
        matches!(events.next().await, Some(Ok(WatchEvent::Idle { version: 9 }))),
        "it says that it lives"
    );
    hub.stop();
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn watchers_are_bounded() {
    let (hub, metrics) = (hub_at(1), MetaMetrics::new());
    let watches: Vec<_> = (0..WATCHERS_MAX).map(|_| events(&hub, 1, metrics.watcher()).unwrap()).collect();
    assert!(matches!(events(&hub, 1, metrics.watcher()), Err(MetaError::Unavailable(_))));
    drop(watches);
    assert!(events(&hub, 1, metrics.watcher()).is_ok());
}
