//! Tests of the board and of the reporter.

use headwater_types::{
    Incarnation, KeyId, ManualClock, Member, NamespaceId, NamespaceName, NamespaceSettings, NodeId,
    UnixMillis, ZoneName,
};
use std::{sync::Arc, time::Duration};

use super::{Lead, Led, PresenceBoard};
use crate::{
    limits::{
        REPORT_EVERY, REPORT_KEYS_MAX, REPORT_SPACES_MAX, REPORT_STALE, REPORTER_BYTES_MAX, REPORTERS_MAX,
    },
    records::{NamespaceRecord, NodeRecord, NodeState},
    state::State,
    store::{MetaError, NodeReport, Report, SpaceReport, Usage},
};

fn report(name: &str, version: u64) -> Report {
    Report { reporter: name.to_owned(), version, ..Report::default() }
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
        board.presence(&[]).reporters.into_iter().map(|r| (r.name, r.version, r.node, r.ago)).collect();
    let two = Duration::from_secs(2);
    assert_eq!(
        seen,
        [("frontend-1".to_owned(), 6, None, Duration::ZERO), ("node-7".to_owned(), 5, node(2), two)]
    );
    clock.advance(Duration::from_secs(600));
    assert!(board.presence(&[]).reporters.is_empty(), "silent for ten minutes");
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
    for n in board.presence(&[]).reporters.len()..REPORTERS_MAX {
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
    assert!(board.presence(&[]).reporters.is_empty() && board.presence(&[]).keys_used.is_empty());
    let asked = board.presence(&[key("k"), key("unused")]);
    assert_eq!(asked.keys_used.into_iter().collect::<Vec<_>>(), [(key("k"), UnixMillis(20))]);
    std::fs::write(dir.path().join("keys-used.json"), "{\"format\":1,").unwrap();
    let damaged = PresenceBoard::open(dir.path()).unwrap().with_clock(clock);
    assert!(damaged.keys_used().is_empty());
}

/// A voter that always leads.
#[derive(Debug)]
struct Leader(Arc<State>);

impl Led for Leader {
    fn state(&self) -> Arc<State> {
        self.0.clone()
    }

    fn lead(&self) -> Option<Lead> {
        Some(Lead { term: 4, state: self.0.clone() })
    }
}

const SMALL: NamespaceId = NamespaceId(1);
const LARGE: NamespaceId = NamespaceId(2);

/// Two zones of two nodes, and two namespaces with quotas.
fn led_board() -> (Arc<ManualClock>, Arc<PresenceBoard>) {
    let mut state = State::default();
    for (id, max_bytes, max_objects) in [(SMALL, Some(100), None), (LARGE, None, Some(5))] {
        let record = NamespaceRecord {
            id,
            name: NamespaceName::parse(&format!("n{}", id.0)).unwrap(),
            created_at: UnixMillis(0),
            updated_at: UnixMillis(0),
            version: 1,
            settings: NamespaceSettings { max_bytes, max_objects, ..NamespaceSettings::default() },
            blocked: Vec::new(),
        };
        state.namespaces.insert(id, Arc::new(record));
    }
    for (id, zone) in [(1, "a"), (2, "a"), (3, "b"), (4, "b")] {
        let record = NodeRecord {
            id: NodeId(id),
            incarnation: Incarnation(1),
            zone: ZoneName::parse(zone).unwrap(),
            address: String::new(),
            hot_capacity_bytes: 0,
            state: NodeState::Active,
            process: None,
        };
        state.nodes.insert(NodeId(id), record);
    }
    let (clock, board) = board();
    board.belong_to(Box::new(Leader(Arc::new(state))));
    (clock, board)
}

fn holding(node: u64, seq: u64, spaces: &[(NamespaceId, u64, u64)]) -> Report {
    let member = Member { node: NodeId(node), incarnation: Incarnation(1) };
    let space = |(namespace, bytes, objects): &(NamespaceId, u64, u64)| SpaceReport {
        namespace: *namespace,
        bytes: *bytes,
        objects: *objects,
        share_bytes: None,
        ingest_bytes: 0,
    };
    Report {
        node: Some(NodeReport { member, hot_bytes: 0, hot_capacity_bytes: 0 }),
        seq,
        spaces: spaces.iter().map(space).collect(),
        ..report(&format!("node-{node}"), 1)
    }
}

#[test]
fn usage_is_that_of_the_fuller_zone_and_past_a_quota_frontends_are_told() {
    let (clock, board) = led_board();
    let told = || {
        clock.advance(REPORT_EVERY);
        board.record(report("frontend-1", 1)).unwrap().expect("guidance").over_quota
    };
    for (node, spaces) in [(1, [(SMALL, 60, 2), (LARGE, 7, 2)]), (2, [(SMALL, 40, 1), (LARGE, 9, 3)])] {
        assert_eq!(board.record(holding(node, 1, &spaces)).unwrap().expect("guidance").over_quota, []);
    }
    // Zone b has not caught up.
    board.record(holding(3, 1, &[(SMALL, 70, 9)])).unwrap();
    let usage = board.presence(&[]).usage;
    assert_eq!(usage[&SMALL], Usage { bytes: 100, objects: 9 });
    assert_eq!(usage[&LARGE], Usage { bytes: 16, objects: 5 });
    assert_eq!(told(), [], "as much as is allowed");

    board.record(holding(2, 2, &[(SMALL, 41, 1), (LARGE, 9, 4)])).unwrap();
    assert_eq!(told(), [SMALL, LARGE], "one more of each");
    board.record(holding(2, 1, &[])).unwrap();
    assert_eq!(told(), [SMALL, LARGE], "an older report that comes late is ignored");
    board.record(holding(2, 3, &[(LARGE, 9, 3)])).unwrap();
    assert_eq!(told(), [], "what expired counts no more");
    clock.advance(REPORT_STALE);
    assert!(board.presence(&[]).usage.is_empty(), "of nodes that are silent nothing is known");
}

#[test]
fn a_report_has_so_many_namespaces_and_no_more() {
    let (_, board) = led_board();
    let spaces: Vec<_> = (0..=REPORT_SPACES_MAX as u64).map(|id| (NamespaceId(id), 1, 1)).collect();
    assert!(board.record(holding(1, 1, &spaces[1..])).is_ok());
    assert!(matches!(board.record(holding(1, 2, &spaces)), Err(MetaError::Invalid(_))));
}
