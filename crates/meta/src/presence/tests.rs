//! Tests of the board and of the reporter.

use headwater_types::{Incarnation, KeyId, ManualClock, Member, NodeId, UnixMillis};
use std::{sync::Arc, time::Duration};

use super::PresenceBoard;
use crate::{
    limits::{REPORT_KEYS_MAX, REPORT_STALE, REPORTER_BYTES_MAX, REPORTERS_MAX},
    store::{MetaError, NodeReport, Report},
};

fn report(name: &str, version: u64) -> Report {
    Report { reporter: name.to_owned(), version, node: None, keys_used: Vec::new() }
}

fn key(name: &str) -> KeyId {
    KeyId(name.into())
}

fn board() -> (Arc<ManualClock>, Arc<PresenceBoard>) {
    let clock = Arc::new(ManualClock::new(UnixMillis(1_000)));
    (clock.clone(), PresenceBoard::new(clock))
}

#[test]
fn the_last_report_stands_with_its_age_and_an_older_process_is_ignored() {
    let (clock, board) = board();
    let node = |incarnation| {
        let member = Member { node: NodeId(7), incarnation: Incarnation(incarnation) };
        Some(NodeReport { member, hot_bytes: incarnation, hot_capacity_bytes: 100 })
    };
    board.record(Report { node: node(2), ..report("node-7", 5) }).unwrap();
    board.record(Report { node: node(1), ..report("node-7", 9) }).unwrap();
    board.record(report("frontend-1", 4)).unwrap();
    clock.advance(Duration::from_secs(2));
    board.record(report("frontend-1", 6)).unwrap();
    let seen: Vec<_> =
        board.presence().reporters.into_iter().map(|r| (r.name, r.version, r.node, r.ago)).collect();
    let two = Duration::from_secs(2);
    assert_eq!(
        seen,
        [("frontend-1".to_owned(), 6, None, Duration::ZERO), ("node-7".to_owned(), 5, node(2), two)]
    );
    clock.advance(Duration::from_secs(600));
    assert!(board.presence().reporters.is_empty(), "silent for ten minutes");
}

#[test]
fn reports_are_bounded() {
    let (clock, board) = board();
    let refused = |report| matches!(board.record(report), Err(MetaError::Invalid(_)));
    assert!(!refused(report(&"n".repeat(REPORTER_BYTES_MAX), 1)));
    assert!(refused(report(&"n".repeat(REPORTER_BYTES_MAX + 1), 1)));
    assert!(refused(report("", 1)));
    assert!(refused(report("a\nb", 1)));
    let keys = |count: usize| Report {
        keys_used: (0..count).map(|n| (key(&n.to_string()), UnixMillis(1))).collect(),
        ..report("frontend-1", 1)
    };
    assert!(!refused(keys(REPORT_KEYS_MAX)));
    assert!(refused(keys(REPORT_KEYS_MAX + 1)));
    for n in board.presence().reporters.len()..REPORTERS_MAX {
        board.record(report(&format!("role-{n}"), 1)).unwrap();
    }
    assert!(matches!(board.record(report("one-more", 1)), Err(MetaError::Unavailable(_))));
    clock.advance(REPORT_STALE);
    board.record(report("one-more", 1)).expect("those that are gone give way");
}

#[test]
fn the_newest_use_of_a_key_stands_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(UnixMillis(1_000)));
    let used = |at| Report { keys_used: vec![(key("k"), UnixMillis(at))], ..report("frontend-1", 1) };
    let board = PresenceBoard::open(dir.path()).unwrap().with_clock(clock.clone());
    board.record(used(20)).unwrap();
    board.record(used(10)).unwrap();
    board.save();
    let board = PresenceBoard::open(dir.path()).unwrap().with_clock(clock.clone());
    assert_eq!(board.keys_used().into_iter().collect::<Vec<_>>(), [(key("k"), UnixMillis(20))]);
    assert!(board.presence().reporters.is_empty());
    std::fs::write(dir.path().join("keys-used.json"), "{\"format\":1,").unwrap();
    let damaged = PresenceBoard::open(dir.path()).unwrap().with_clock(clock);
    assert!(damaged.keys_used().is_empty());
}
