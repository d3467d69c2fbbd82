//! Groups that elect, lose their leader and go on.

use futures_util::StreamExt;
use headwater_types::{Clock, SeededRng, SystemClock};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

use super::{
    LIMIT, create_namespace,
    group::{Group, Wire},
};
use crate::{
    bootstrap::issue_key,
    cache::MetaCache,
    command::{Command, Outcome},
    raft::{Forwarded, RaftMetaConfig, peers::ForwardedAnswer, types::LogCommand},
    records::Permission,
    store::{MetaError, MetaStore, WatchEvent},
};

async fn any_voter_proposes_and_reads(group: Group) {
    for id in 1..=3 {
        let made = group.make(id, &format!("through-{id}")).await;
        for other in 1..=3 {
            assert!(group.voters[&other].linearizable_read(LIMIT).await.unwrap() >= made);
        }
    }
    let version = group.voters[&2].linearizable_read(LIMIT).await.unwrap();
    for id in 1..=3 {
        assert_eq!(group.names(id, version).await, ["through-1", "through-2", "through-3"]);
    }
    let clusters: Vec<String> = futures_util::future::join_all(
        group.voters.values().map(|v| async { v.membership().await.unwrap().cluster }),
    )
    .await;
    assert!(clusters[0].len() == 32 && clusters.iter().all(|c| *c == clusters[0]), "{clusters:?}");
    group.stop().await;
}

#[tokio::test]
async fn any_voter_proposes_and_reads_directly() {
    any_voter_proposes_and_reads(Group::of(3, Group::local()).await).await;
}

#[tokio::test]
async fn any_voter_proposes_and_reads_over_grpc() {
    any_voter_proposes_and_reads(Group::of(3, Group::new(Wire::Grpc)).await).await;
}

async fn survives_the_leader(mut group: Group) {
    let leader = group.leader().await;
    let before = group.make(leader, "before").await;
    group.kill(leader).await;
    let other = *group.voters.keys().next().unwrap();
    // It rides over the change of the leader.
    let after = group.make(other, "after").await;
    assert_ne!(group.leader().await, leader);
    for id in group.voters.keys() {
        assert_eq!(group.names(*id, before.max(after)).await, ["after", "before"]);
    }
    group.start(leader).await;
    assert_eq!(group.names(leader, after).await, ["after", "before"], "the old leader catches up");
    group.stop().await;
}

#[tokio::test]
async fn a_dead_leader_is_replaced_directly() {
    survives_the_leader(Group::of(3, Group::local()).await).await;
}

#[tokio::test]
async fn a_dead_leader_is_replaced_over_grpc() {
    survives_the_leader(Group::of(3, Group::new(Wire::Grpc)).await).await;
}

#[tokio::test]
async fn five_voters_outlive_two() {
    let mut group = Group::of(5, Group::local()).await;
    group.make(1, "first").await;
    for _ in 0..2 {
        let leader = group.leader().await;
        group.kill(leader).await;
    }
    let through = *group.voters.keys().next().unwrap();
    let made = group.make(through, "second").await;
    assert_eq!(group.names(through, made).await, ["first", "second"]);
    group.stop().await;
}

/// Every answered proposal stands on the survivors, however often the leader dies under its proposers.
#[tokio::test]
async fn what_was_acknowledged_is_on_the_survivors_and_gaps_are_short() {
    let clock = SystemClock::new();
    let mut group = Group::of(3, Group::new(Wire::Grpc)).await;
    let client = group.client(&[1, 2, 3]);
    let rng = SeededRng::new(9);
    let mut gaps = Vec::new();
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let leader = group.leader().await;
        group.kill(leader).await;
        let killed = clock.monotonic();
        // A kind of command that is repeated under the hood, and so must succeed.
        let key = issue_key(&*client, &rng, None, Permission::Admin, None, None).await.unwrap();
        gaps.push(clock.monotonic() - killed);
        acknowledged.push(key.id);
        let revoked = Command::RevokeKey { id: headwater_types::KeyId(format!("gone-{round}").into()) };
        let version = client.propose(revoked, LIMIT).await.unwrap().version;
        for id in group.voters.keys() {
            group.names(*id, version).await;
            let state = group.voters[id].hub.state();
            assert!(acknowledged.iter().all(|id| state.keys.contains_key(id)), "on voter {id}");
        }
        group.start(leader).await;
        group.names(leader, version).await;
    }
    gaps.sort();
    println!("from the kill of a leader to the next acknowledged proposal: {gaps:?}");
    assert!(gaps.iter().all(|gap| *gap < LIMIT), "{gaps:?}");
    group.stop().await;
}

#[tokio::test]
async fn a_follower_far_behind_gets_a_snapshot_while_writes_go_on() {
    let mut group = Group::new(Wire::Grpc);
    group.tune = |config| RaftMetaConfig { snapshot_entries: 20, log_entries_kept: 2, ..config };
    let mut group = Group::of(3, group).await;
    let behind = group.follower().await;
    group.kill(behind).await;
    let leader = group.leader().await;
    for i in 0..60 {
        group.make(leader, &format!("n{i}")).await;
    }
    let purged = group.voters[&leader].raft.metrics().borrow().purged.unwrap().index;
    let writer = group.voters[&leader].clone();
    let writes = tokio::spawn(async move {
        let mut last = 0;
        for i in 0..60 {
            last = writer.propose(create_namespace(&format!("m{i}")), LIMIT).await.unwrap().version;
        }
        last
    });
    group.start(behind).await;
    let last = timeout(LIMIT, writes).await.unwrap().unwrap();
    assert_eq!(group.names(behind, last).await.len(), 120);
    let snapshot = group.voters[&behind].raft.metrics().borrow().snapshot;
    assert!(snapshot.is_some_and(|at| at.index >= purged), "{snapshot:?} was not sent from {purged} on");
    group.stop().await;
}

#[tokio::test]
async fn watches_go_on_at_any_voter_and_never_go_back() {
    let mut group = Group::of(3, Group::local()).await;
    let first = group.make(1, "first").await;
    for id in 1..=3 {
        group.names(id, first).await;
    }
    let mut seen = first;
    for (round, id) in [1, 2, 3].into_iter().enumerate() {
        let made = group.make(id, &format!("round-{round}")).await;
        group.names(id, made).await;
        let mut events = group.voters[&id].watch(seen).await.unwrap();
        while seen < made {
            match timeout(LIMIT, events.next()).await.unwrap().unwrap().unwrap() {
                WatchEvent::Entry { version, .. } => assert_eq!(version, seen + 1, "no hole"),
                other => panic!("{other:?}"),
            }
            seen += 1;
        }
    }
    // A copy that follows through the death of its source's leader sees versions grow only.
    let leader = group.leader().await;
    let follower = group.follower().await;
    let source = group.voters[&follower].clone();
    let (cache, task) = MetaCache::follow(source, Arc::new(SystemClock::new()), Arc::new(SeededRng::new(3)));
    let mut versions = cache.subscribe();
    let watching = tokio::spawn(async move {
        let mut last = 0;
        while versions.changed().await.is_ok() {
            let now = *versions.borrow_and_update();
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
    });
    group.kill(leader).await;
    let made = group.make(follower, "after").await;
    timeout(LIMIT, cache.wait_for(made)).await.unwrap();
    task.abort();
    drop(cache);
    watching.abort();
    group.stop().await;
}

#[tokio::test]
async fn a_leader_writes_no_command_that_it_does_not_know() {
    let group = Group::of(3, Group::local()).await;
    let leader = &group.voters[&group.leader().await];
    let before = leader.confirm(LIMIT).await.unwrap();
    for document in [
        r#"{"format":1,"at":1,"command":{"kind":"of_a_newer_build"}}"#,
        r#"{"format":999,"at":1,"command":{"kind":"revoke_key","id":"k"}}"#,
    ] {
        let command = LogCommand::new(document.as_bytes()).unwrap();
        let answer = leader.lead(Forwarded::Propose(command), LIMIT).await.unwrap();
        let ForwardedAnswer::Applied(applied) = answer else { panic!("{answer:?}") };
        assert!(
            matches!(&applied.outcome, Outcome::Refused { code, .. } if code == "unknown_command"),
            "{applied:?}"
        );
    }
    assert_eq!(leader.confirm(LIMIT).await.unwrap(), before, "nothing was written");
    group.stop().await;
}

#[tokio::test]
async fn a_minority_answers_nothing_and_a_compare_and_swap_is_not_repeated() {
    let group = Group::of(3, Group::local()).await;
    let leader = group.leader().await;
    for (id, address) in &group.addresses {
        if *id != leader {
            group.peers().cut(leader, address, true);
            group.peers().cut(*id, &group.addresses[&leader], true);
        }
    }
    let voter = &group.voters[&leader];
    let short = Duration::from_millis(600);
    // Both at once: soon the leader notices, and takes nothing more.
    let (read, unknown) =
        tokio::join!(voter.linearizable_read(short), voter.propose(create_namespace("live"), short));
    assert!(matches!(read, Err(MetaError::Unavailable(_))), "{read:?}");
    assert!(matches!(unknown, Err(MetaError::Unknown(_))), "{unknown:?}");
    let other = *group.voters.keys().find(|id| **id != leader).unwrap();
    let made = group.make(other, "live").await;
    for (id, address) in &group.addresses {
        group.peers().cut(leader, address, false);
        group.peers().cut(*id, &group.addresses[&leader], false);
    }
    assert_eq!(group.names(leader, made).await, ["live"]);
    let again = voter.propose(create_namespace("live"), LIMIT).await.unwrap();
    assert!(matches!(again.outcome, Outcome::Refused { code, .. } if code == "exists"));
    group.stop().await;
}

#[tokio::test]
async fn a_voter_that_was_away_deposes_nobody() {
    // A machine that stands still for a while may depose a leader, too, but not most of the time.
    let (mut kept, mut deposed) = (0, 0);
    while kept < 2 {
        match is_deposed_by_one_that_was_away().await {
            true => deposed += 1,
            false => kept += 1,
        }
        assert!(deposed < 2, "a voter that was away deposes the leader");
    }
}

async fn is_deposed_by_one_that_was_away() -> bool {
    let group = Group::of(3, Group::local()).await;
    let (leader, away) = (group.leader().await, group.follower().await);
    let term = group.membership().await.term;
    let connect = |connected: bool| {
        for (id, address) in group.addresses.iter().filter(|(id, _)| **id != away) {
            group.peers().cut(away, address, !connected);
            group.peers().cut(*id, &group.addresses[&away], !connected);
        }
    };
    connect(false);
    let lonely = async {
        while group.voters[&away].silence() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, lonely).await.expect("it hears nobody");
    connect(true);
    let made = group.make(leader, "live").await;
    assert_eq!(group.names(away, made).await, ["live"]);
    let now = group.membership().await;
    group.stop().await;
    (now.leader, now.term) != (Some(leader), term)
}
