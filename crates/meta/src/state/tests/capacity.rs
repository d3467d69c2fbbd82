//! Hot capacities that fit and that do not, and the raised epochs of a restored state.

use headwater_types::{Epoch, NamespaceId, UnixMillis};

use super::{
    apply,
    cluster::{cluster, drain, entry, shard},
    namespaces::{create, made, update},
    next_process, refused, registered,
};
use crate::{
    command::{Command, Outcome, Registration},
    records::NamespaceSettings,
    refusal as code,
    state::State,
};

fn hot(bytes: u64) -> NamespaceSettings {
    NamespaceSettings { hot_capacity_bytes: Some(bytes), ..Default::default() }
}

/// Nodes by id, zone and capacity.
fn nodes(list: &[(u64, &str, u64)]) -> State {
    let mut state = State::default();
    let node = |(id, zone, hot_capacity_bytes): &(u64, &str, u64)| Registration {
        hot_capacity_bytes: *hot_capacity_bytes,
        ..next_process(&state, *id, zone)
    };
    let nodes = list.iter().map(node).collect();
    registered(apply(&mut state, Command::Register { nodes }));
    state
}

#[test]
fn each_zone_has_what_all_namespaces_ask_for() {
    let mut state = nodes(&[(1, "a", 600), (2, "b", 500), (3, "a", 400)]);
    made(&mut state, "unbounded", NamespaceSettings::default());
    let live = made(&mut state, "live", hot(300));
    let (code, message) = refused(create(&mut state, "vod", hot(201)));
    assert_eq!(code, code::CAPACITY);
    assert_eq!(
        message,
        "hot_capacity_bytes does not fit zone b: asked 201, its active nodes have 500 together, \
         other namespaces take 300"
    );
    let vod = made(&mut state, "vod", hot(200));
    assert!(refused(update(&mut state, live, hot(301))).1.contains("other namespaces take 200"));
    assert!(matches!(update(&mut state, vod, hot(100)), Outcome::Namespace { .. }));
    assert!(matches!(update(&mut state, live, hot(400)), Outcome::Namespace { .. }));
    apply(&mut state, Command::DeleteNamespace { id: live, expect_version: None });
    assert!(matches!(update(&mut state, vod, hot(500)), Outcome::Namespace { .. }), "it takes nothing more");
}

#[test]
fn what_is_not_known_is_no_limit() {
    made(&mut State::default(), "live", hot(u64::MAX));
    made(&mut nodes(&[(1, "a", 0), (2, "b", 0)]), "live", hot(u64::MAX));
    let mut state = nodes(&[(1, "a", 100), (2, "b", 0), (3, "a", 0)]);
    made(&mut state, "live", hot(u64::MAX));
    made(&mut state, "vod", hot(u64::MAX));
    let mut known = nodes(&[(1, "a", u64::MAX), (2, "b", 0), (3, "a", u64::MAX)]);
    made(&mut known, "live", hot(u64::MAX));
    made(&mut known, "vod", hot(u64::MAX));
    assert_eq!(refused(create(&mut known, "more", hot(1))).0, code::CAPACITY);
}

#[test]
fn draining_nodes_do_not_count_and_a_lower_capacity_stops_no_update() {
    let mut state = nodes(&[(1, "a", 100), (2, "b", 100), (3, "a", 100)]);
    let live = made(&mut state, "live", hot(100));
    drain(&mut state, 1);
    assert!(refused(create(&mut state, "vod", hot(1))).1.contains("zone a: asked 1"));
    let smaller = Registration { hot_capacity_bytes: 50, ..next_process(&state, 3, "a") };
    registered(apply(&mut state, Command::Register { nodes: vec![smaller] }));
    let settings = NamespaceSettings { unique_names: true, ..hot(100) };
    assert!(matches!(update(&mut state, live, settings), Outcome::Namespace { .. }), "it asks for no more");
    assert_eq!(refused(update(&mut state, live, hot(101))).0, code::CAPACITY);
    drain(&mut state, 3);
    drain(&mut state, 2);
    made(&mut state, "vod", hot(1_000));
}

#[test]
fn a_restored_state_is_ahead_of_every_configuration_of_the_old_one() {
    let mut state = cluster(entry(&[1, 2], &[], &[]));
    made(&mut state, "live", NamespaceSettings::default());
    let before = state.clone();
    state.raise_epochs(1 << 20, UnixMillis(7));
    assert_eq!(state.version, before.version + (1 << 20));
    assert_eq!(state.shards[&shard(0)].epoch, Epoch(5 + (1 << 20)));
    let mut lowered = state.clone();
    (lowered.version, lowered.shards) = (before.version, before.shards.clone());
    assert_eq!(lowered, before, "nothing else is changed");
    assert_eq!(before.shards[&shard(0)].epoch, Epoch(5), "a shared entry is copied first");
    assert_eq!(
        made(&mut state, "vod", NamespaceSettings::default()),
        NamespaceId(before.version + (1 << 20) + 1)
    );
    let time = UnixMillis(1_800_000_000_000);
    state.raise_epochs(1 << 20, time);
    assert_eq!((state.version, state.shards[&shard(0)].epoch), (time.0, Epoch(time.0)));
    state.raise_epochs(u64::MAX, time);
    assert_eq!(state.shards[&shard(0)].epoch, Epoch(u64::MAX));
}
