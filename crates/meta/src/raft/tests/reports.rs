//! Reports of roles: every voter has them, and soon after a change.

use headwater_types::{Incarnation, KeyId, Member, NodeId, SeededRng, SystemClock, UnixMillis};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};

use super::{
    LIMIT,
    group::{Group, Wire},
};
use crate::{
    cache::MetaCache,
    limits::REPORT_EVERY,
    presence::reporter::{self, ReportExtras},
    store::{MetaStore, NodeReport, Report, Reporter},
};

/// Says what a node says, and once that a key was used.
#[derive(Debug, Default)]
struct Extras(AtomicBool);

impl Extras {
    fn report() -> NodeReport {
        let member = Member { node: NodeId(7), incarnation: Incarnation(1) };
        NodeReport { member, hot_bytes: 1, hot_capacity_bytes: 2 }
    }
}

impl ReportExtras for Extras {
    fn node(&self) -> Option<NodeReport> {
        Some(Self::report())
    }

    fn take_keys_used(&self, _max: usize) -> Vec<(KeyId, UnixMillis)> {
        match self.0.swap(true, Ordering::SeqCst) {
            false => vec![(KeyId("k".into()), UnixMillis(5))],
            true => Vec::new(),
        }
    }
}

/// Waits until every voter's board shows the reporter as `shown` wants it.
async fn on_all(group: &Group, shown: impl Fn(&Reporter) -> bool) {
    for voter in group.voters.values() {
        let seen = async {
            while !voter.board().presence(&[]).reporters.iter().any(&shown) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(LIMIT, seen).await.expect("a report");
    }
}

#[tokio::test]
async fn every_voter_hears_of_a_role_and_of_each_new_version_of_its_copy() {
    let group = Group::of(3, Group::new(Wire::Grpc)).await;
    // It is told of one voter and finds the others.
    let store = group.client(&[1]);
    let (cache, following) =
        MetaCache::follow(store.clone(), Arc::new(SystemClock::new()), Arc::new(SeededRng::new(4)));
    let role = reporter::run(store, cache.clone(), "node-7".to_owned(), Arc::new(Extras::default()));
    let reporting = tokio::spawn(role);
    on_all(&group, |r| r.name == "node-7" && r.node == Some(Extras::report())).await;
    for voter in group.voters.values() {
        let used = async {
            while voter.board().keys_used().is_empty() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        // The voters that were not known yet when the key was reported may never hear of it: one is enough.
        if timeout(Duration::from_millis(50), used).await.is_ok() {
            assert_eq!(voter.board().keys_used().len(), 1);
        }
    }
    assert!(group.voters.values().any(|voter| !voter.board().keys_used().is_empty()));
    for round in 0..3 {
        let made = group.make(1, &format!("n{round}")).await;
        let told = on_all(&group, |r| r.version >= made);
        timeout(REPORT_EVERY * 4, told).await.expect("soon after the change");
    }
    reporting.abort();
    following.abort();
    group.stop().await;
}

#[tokio::test]
async fn a_report_to_one_voter_of_the_process_reaches_all() {
    let group = Group::of(3, Group::local()).await;
    let report = Report { reporter: "frontend-1".to_owned(), version: 3, ..Report::default() };
    let applied = group.make(2, "live").await;
    let leader = group.leader().await;
    let reported = group.voters[&2].report(report).await.unwrap();
    assert!(reported.version >= applied);
    // Only the leader guides, whoever was asked.
    let term = group.voters[&leader].membership().await.unwrap().term;
    assert_eq!(reported.guidance.map(|guidance| guidance.term), Some(term));
    on_all(&group, |r| r.name == "frontend-1" && r.version == 3).await;
    group.stop().await;
}
