//! Tests of what the commands decide and say. The directories they leave are tested with the offline functions.

use headwater_meta::{NodeRecord, NodeState, State, offline, store::MetaMember};
use headwater_types::{Incarnation, Member, NodeId, ShardId, UnixMillis, ZoneName};
use std::{io::Cursor, sync::Arc};

use super::{
    force_zone::{confirm, plan, warning},
    restore::split,
};

fn zone(name: &str) -> ZoneName {
    ZoneName::parse(name).unwrap()
}

fn member(id: u64) -> Member {
    Member { node: NodeId(id), incarnation: Incarnation(1) }
}

/// A voter of three with nodes in these zones, and two shards: one in both of the first zones, one in the second only.
fn left(zones: &[&str]) -> offline::Offline {
    let mut state = State::default();
    let node = |(at, name): (usize, &&str)| NodeRecord {
        id: NodeId(at as u64 + 1),
        incarnation: Incarnation(1),
        zone: zone(name),
        address: "node:7000".to_owned(),
        hot_capacity_bytes: 0,
        state: NodeState::Active,
        process: None,
    };
    state.nodes = zones.iter().enumerate().map(node).map(|node| (node.id, node)).collect();
    state.version = 1;
    for (shard, members) in [(0, vec![member(1), member(2)]), (1, vec![member(2)])] {
        let entry = headwater_meta::ShardEntry {
            epoch: headwater_types::Epoch(1),
            head: *members.last().unwrap(),
            insync: members,
            syncing: vec![],
            retiring: vec![],
        };
        state.shards.insert(ShardId::new(shard).unwrap(), Arc::new(entry));
    }
    let members =
        [1, 2, 3].map(|id| MetaMember { id, address: format!("meta-{id}:9000"), voter: true, matched: None });
    let last_at = Some(UnixMillis(1_764_000_000_000));
    offline::Offline {
        state,
        voter: Some(2),
        term: 4,
        committed: 17,
        last: 20,
        last_at,
        members: members.into(),
    }
}

#[test]
fn the_other_zone_is_fenced_and_what_could_be_lost_is_named() {
    let plan = plan(left(&["a", "b"]), &zone("a"), UnixMillis(9)).unwrap();
    assert_eq!(plan.fenced, Some(zone("b")));
    assert_eq!((plan.shards.moved, plan.shards.stuck.len()), (1, 1));
    assert_eq!((plan.others.as_slice(), plan.unconfirmed), ([1, 3].as_slice(), 3));
    let text = warning(&plan);
    for said in [
        "Voter 2 has the metadata up to entry 20",
        "voters [1, 3]",
        "Mon, 24 Nov 2025 16:00:00 GMT",
        "REVOKED",
        "the last 3 entries",
        "1 shards have their only in-sync member in zone b",
        ": 1\n",
    ] {
        assert!(text.contains(said), "{said:?} is not in:\n{text}");
    }
}

#[test]
fn a_zone_that_is_none_or_one_of_three_is_refused() {
    let error = plan(left(&["a", "b"]), &zone("c"), UnixMillis(9)).unwrap_err().to_string();
    assert!(error.contains("zone c") && error.contains("a, b"), "{error}");
    let error = plan(left(&["a", "b", "c"]), &zone("a"), UnixMillis(9)).unwrap_err().to_string();
    assert!(error.contains("a, b, c"), "{error}");
    let alone = plan(left(&["a"]), &zone("a"), UnixMillis(9)).unwrap();
    assert_eq!(alone.fenced, None);
    assert!(warning(&alone).contains("nothing is fenced"));
}

#[test]
fn both_questions_must_be_answered() {
    for (typed, sure) in [
        ("a\nyes\n", true),
        ("b\nyes\n", false),
        ("a\ny\n", false),
        ("a\n", false),
        ("", false),
        ("yes\na\n", false),
    ] {
        let mut asked = Vec::new();
        let answered = confirm(&zone("a"), &mut Cursor::new(typed), &mut asked).unwrap();
        assert_eq!(answered, sure, "{typed:?}");
        assert!(String::from_utf8(asked).unwrap().starts_with("Type the name of the zone"));
    }
}

#[test]
fn a_backup_is_named_behind_its_target() {
    let name = "meta-1764000000000-00000000000000001234.backup";
    let parsed = Some(name.parse().unwrap());
    for (from, target, named) in [
        (format!("s3://b/p/{name}"), "s3://b/p", parsed),
        ("s3://b/p/latest".to_owned(), "s3://b/p", None),
        ("s3://b/p".to_owned(), "s3://b/p", None),
        ("backups".to_owned(), "backups", None),
        (format!("/var/backups/{name}"), "/var/backups", parsed),
    ] {
        assert_eq!(split(&from), (target, named));
    }
}
