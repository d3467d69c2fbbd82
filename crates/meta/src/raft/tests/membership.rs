//! Voters that come, go and are replaced, and calls that are not for who gets them.

use headwater_types::SystemClock;
use openraft::ChangeMembers;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

use super::{
    LIMIT,
    group::{Group, Wire},
};
use crate::{
    limits::{MEMBER_IDS_MAX, MEMBERS_MAX},
    raft::{Peer, PeerCall, PeerError, PeerHeader, RaftMeta, RaftMetaConfig, StartError},
    store::{MemberChange, Membership, MetaError, MetaStore},
};

fn voters(membership: &Membership) -> Vec<u64> {
    membership.voters().collect()
}

async fn add(group: &Group, id: u64) -> Result<Membership, MetaError> {
    let address = group.addresses[&id].clone();
    let through = *group.voters.keys().next().unwrap();
    group.voters[&through].change_membership(MemberChange::Add { id, address }, LIMIT).await
}

async fn remove(group: &Group, through: u64, id: u64) -> Result<Membership, MetaError> {
    group.voters[&through].change_membership(MemberChange::Remove { id }, LIMIT).await
}

#[tokio::test]
async fn one_voter_grows_to_three_and_five() {
    let mut group = Group::of(1, Group::new(Wire::Grpc)).await;
    let made = group.make(1, "live").await;
    for (id, expected) in [(2, vec![1, 2]), (3, vec![1, 2, 3])] {
        group.start(id).await;
        group.join(id).await.unwrap();
        assert_eq!(voters(&group.membership().await), expected);
    }
    // Also one that does not ask is taken in, when an operator says so; saying it twice changes nothing.
    for id in [4, 5] {
        group.start(id).await;
        assert!(voters(&add(&group, id).await.unwrap()).contains(&id));
        assert!(voters(&add(&group, id).await.unwrap()).contains(&id));
        group.join(id).await.unwrap();
    }
    let membership = group.membership().await;
    assert_eq!(voters(&membership), [1, 2, 3, 4, 5]);
    assert!(membership.quorum_ago.unwrap() < Duration::from_secs(5));
    for member in &membership.members {
        assert_eq!(member.address, group.addresses[&member.id]);
        assert_eq!(group.names(member.id, made).await, ["live"]);
    }
    // A client that knows one voter learns the others.
    let client = group.client(&[1]);
    client.membership().await.unwrap();
    assert_eq!(client.addresses().len(), 5);
    group.kill(1).await;
    client.propose(super::create_namespace("vod"), LIMIT).await.unwrap();
    group.stop().await;
}

#[tokio::test]
async fn a_removed_voter_is_gone_and_its_id_is_never_used_again() {
    let mut group = Group::of(4, Group::local()).await;
    let leader = group.leader().await;
    // The leader itself goes, and with it a voter that is dead.
    let other = group.follower().await;
    let left = remove(&group, leader, leader).await.unwrap();
    assert!(!voters(&left).contains(&leader));
    let repeated = remove(&group, other, leader).await.unwrap();
    assert_eq!(voters(&repeated), voters(&left), "repeating it changes nothing");
    group.kill(leader).await;
    let dead = group.follower().await;
    group.kill(dead).await;
    let through = group.leader().await;
    assert_eq!(voters(&remove(&group, through, dead).await.unwrap()).len(), 2);
    let made = group.make(through, "live").await;
    assert_eq!(group.names(through, made).await, ["live"]);

    for gone in [leader, dead] {
        std::fs::remove_dir_all(group.dir.path().join(gone.to_string())).unwrap();
        group.tune = |config| RaftMetaConfig { bootstrap: false, ..config };
        group.start(gone).await;
        let refused = group.join(gone).await;
        assert!(
            matches!(&refused, Err(MetaError::Invalid(why)) if why.contains("never used")),
            "{refused:?}"
        );
        group.kill(gone).await;
    }
    let unknown = remove(&group, through, 99).await;
    assert!(matches!(unknown, Err(MetaError::Invalid(_))), "{unknown:?}");
    group.stop().await;
}

#[tokio::test]
async fn the_last_voters_stay() {
    let mut group = Group::of(2, Group::local()).await;
    group.leader().await;
    assert!(remove(&group, 1, 2).await.is_ok());
    let last = remove(&group, 1, 1).await;
    assert!(matches!(last, Err(MetaError::Invalid(_))), "{last:?}");
    group.kill(2).await;
    for id in [3, 4] {
        group.start(id).await;
        group.join(id).await.unwrap();
    }
    // Of 1, 3 and 4, 4 is dead: without 3 one of two would be left.
    group.kill(4).await;
    let leader = group.leader().await;
    let living = [1, 3].into_iter().find(|id| *id != leader).unwrap();
    let change = MemberChange::Remove { id: living };
    let stuck = group.voters[&leader].change_membership(change, Duration::from_secs(1)).await;
    assert!(matches!(&stuck, Err(MetaError::Unavailable(why)) if why.contains("1 of 2")), "{stuck:?}");
    group.make(leader, "still-here").await;
    group.stop().await;
}

#[tokio::test]
async fn a_wiped_voter_is_replaced_under_a_new_id() {
    let mut group = Group::of(3, Group::new(Wire::Grpc)).await;
    let made = group.make(1, "live").await;
    let wiped = group.follower().await;
    group.kill(wiped).await;
    std::fs::remove_dir_all(group.dir.path().join(wiped.to_string())).unwrap();
    group.tune = |config| RaftMetaConfig { bootstrap: false, ..config };
    group.start(wiped).await;
    let refused = group.join(wiped).await;
    assert!(
        matches!(&refused, Err(MetaError::Invalid(why)) if why.contains("lost its directory")),
        "{refused:?}"
    );
    assert_eq!(group.voters[&wiped].hub.state().version, 0, "it heard nothing");
    group.kill(wiped).await;
    let leader = group.leader().await;
    remove(&group, leader, wiped).await.unwrap();
    group.start(4).await;
    group.join(4).await.unwrap();
    assert_eq!(group.names(4, made).await, ["live"]);
    group.stop().await;
}

#[tokio::test]
async fn a_founder_that_lost_its_directory_founds_no_second_cluster() {
    let mut group = Group::of(2, Group::local()).await;
    let cluster = group.membership().await.cluster;
    group.kill(1).await;
    let config = RaftMetaConfig {
        address: group.addresses[&1].clone(),
        bootstrap: true,
        founders_checked: group.addresses.values().cloned().collect(),
        ..RaftMetaConfig::new(1, group.dir.path().join("empty"))
    };
    let refused = RaftMeta::start_with(config, group.deps(1)).await;
    assert!(matches!(&refused, Err(StartError::Founded(of)) if *of == cluster), "{refused:?}");
    group.stop().await;
}

#[tokio::test]
async fn a_voter_that_moved_tells_its_new_address() {
    let mut group = Group::of(3, Group::new(Wire::Grpc)).await;
    let moving = group.follower().await;
    group.kill(moving).await;
    let old = group.addresses.remove(&moving).unwrap();
    group.start(moving).await;
    group.join(moving).await.unwrap();
    let members = group.membership().await.members;
    let now = members.into_iter().find(|member| member.id == moving).unwrap();
    assert!(now.voter && now.address == group.addresses[&moving] && now.address != old);
    let made = group.make(moving, "live").await;
    assert_eq!(group.names(moving, made).await, ["live"]);
    group.stop().await;
}

#[tokio::test]
async fn used_ids_are_remembered_over_snapshots_and_restarts() {
    let mut group = Group::local();
    group.tune = |config| RaftMetaConfig { snapshot_entries: 10, log_entries_kept: 1, ..config };
    let mut group = Group::of(2, group).await;
    remove(&group, 1, 2).await.unwrap();
    group.kill(2).await;
    for i in 0..30 {
        group.make(1, &format!("n{i}")).await;
    }
    group.kill(1).await;
    group.start(1).await;
    group.voters[&1].ready(LIMIT).await.unwrap();
    // A new voter gets them with a snapshot, and knows them as the leader.
    group.start(3).await;
    group.join(3).await.unwrap();
    assert_eq!(group.voters[&3].member_ids.ever(), BTreeSet::from([1, 2, 3]));
    std::fs::remove_dir_all(group.dir.path().join("2")).unwrap();
    group.start(2).await;
    let refused = group.join(2).await;
    assert!(matches!(refused, Err(MetaError::Invalid(_))), "{refused:?}");
    group.stop().await;
}

#[tokio::test]
async fn members_are_bounded() {
    let max = MEMBERS_MAX as u64;
    let mut group = Group::of(max, Group::local()).await;
    group.start(max + 1).await;
    let refused = group.join(max + 1).await;
    assert!(matches!(&refused, Err(MetaError::Invalid(why)) if why.contains("most")), "{refused:?}");
    group.stop().await;
}

#[tokio::test]
async fn a_voter_that_is_not_there_is_refused_at_once() {
    let group = Group::of(3, Group::new(Wire::Grpc)).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for voter in group.voters.values() {
        let change = MemberChange::Add { id: 9, address: nobody.to_string() };
        // Far below the time that the change itself may take.
        let refused =
            timeout(Duration::from_secs(5), voter.change_membership(change, 10 * LIMIT)).await.unwrap();
        let why = refused.unwrap_err();
        assert!(
            matches!(&why, MetaError::Invalid(why) if why.contains("nobody says who listens")),
            "{why:?}"
        );
    }
    assert_eq!(voters(&group.membership().await), [1, 2, 3]);
    group.stop().await;
}

#[tokio::test]
async fn a_change_that_a_leader_left_unfinished_is_finished() {
    // A machine that stands still for a while has another leader before this one dies, but not each time.
    for _ in 0..5 {
        if leader_dies_within_a_change().await {
            return;
        }
    }
    panic!("no leader died within a change");
}

async fn leader_dies_within_a_change() -> bool {
    let mut group = Group::of(5, Group::local()).await;
    let leader = group.leader().await;
    let leaving = group.follower().await;
    let voter = group.voters[&leader].clone();
    // The first half of a change of the members, which one other voter hears of, and nobody who makes the second.
    let heir = *group.voters.keys().find(|id| ![leader, leaving].contains(id)).unwrap();
    for (id, address) in group.addresses.iter().filter(|(id, _)| ![leader, heir].contains(id)) {
        group.peers().cut(leader, address, true);
        group.peers().cut(*id, &group.addresses[&leader], true);
    }
    let changing = voter.changing.lock().await;
    let half = tokio::spawn({
        let raft = voter.raft.clone();
        async move { raft.change_membership(ChangeMembers::RemoveVoters(BTreeSet::from([leaving])), false).await }
    });
    let joint =
        |v: &RaftMeta| v.raft.metrics().borrow().membership_config.membership().get_joint_config().len() > 1;
    let heard = async {
        while !joint(&group.voters[&heir]) {
            tokio::task::yield_now().await;
        }
    };
    let heard = timeout(LIMIT, heard).await.is_ok();
    half.abort();
    drop(changing);
    drop(voter);
    // Three are left, enough for the old set of voters and for the new one, and one of them knows of the change.
    group.kill(leader).await;
    group.kill(leaving).await;
    if !heard || !joint(&group.voters[&heir]) {
        group.stop().await;
        return false;
    }
    let finished = async {
        loop {
            let leader = group.leader().await;
            if !joint(&group.voters[&leader]) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, finished).await.expect("one set of voters");
    let through = group.leader().await;
    group.make(through, "live").await;
    group.stop().await;
    true
}

#[tokio::test]
async fn calls_for_another_voter_or_cluster_are_refused() {
    let group = Group::of(3, Group::local()).await;
    let stranger = Group::of(1, Group::local()).await;
    let me = &group.voters[&1];
    let right =
        PeerHeader { cluster: me.identity.cluster(), from: 2, to: 1, to_disk: me.identity.disk.clone() };
    let ask = |header: PeerHeader| async move {
        me.call(&header, PeerCall::Forward(crate::raft::Forwarded::Read), LIMIT).await
    };
    assert!(ask(right.clone()).await.is_ok());
    for (wrong, expected) in [
        (PeerHeader { to: 2, ..right.clone() }, "this is voter 1, not voter 2"),
        (PeerHeader { cluster: "other".to_owned(), ..right.clone() }, "not in cluster \"other\""),
        (PeerHeader { cluster: String::new(), ..right.clone() }, "not in cluster \"\""),
        (PeerHeader { to_disk: "lost".to_owned(), ..right.clone() }, "lost its directory"),
    ] {
        let refused = ask(wrong).await.unwrap_err();
        assert!(matches!(&refused, PeerError::Refused(why) if why.contains(expected)), "{refused}");
    }
    // One that is in no cluster takes nothing but who founds or takes it in.
    let dir = tempfile::tempdir().unwrap();
    let new =
        RaftMeta::start(RaftMetaConfig::new(9, dir.path()), Arc::new(SystemClock::new())).await.unwrap();
    let header = PeerHeader { to: 9, to_disk: String::new(), ..right };
    let refused = new.call(&header, PeerCall::Forward(crate::raft::Forwarded::Read), LIMIT).await;
    assert!(matches!(refused, Err(PeerError::Refused(_))), "{refused:?}");
    new.shutdown().await;

    // A voter of another cluster is not taken in.
    group.peers().register("in-process:stranger", stranger.voters[&1].clone());
    let foreign = MemberChange::Add { id: 1, address: "in-process:stranger".to_owned() };
    let refused = group.voters[&2].change_membership(foreign, LIMIT).await;
    assert!(matches!(&refused, Err(MetaError::Invalid(why)) if why.contains("is in cluster")), "{refused:?}");
    stranger.stop().await;
    group.stop().await;
}

#[tokio::test]
async fn ids_are_bounded() {
    let mut group = Group::of(1, Group::local()).await;
    let used = (1_000..).take(MEMBER_IDS_MAX - 2).collect();
    let now = group.voters[&1].raft.metrics().borrow().membership_config.clone();
    group.voters[&1].member_ids.restore(used, &now);
    group.start(2).await;
    group.join(2).await.expect("the last id");
    let leader = group.leader().await;
    group.start(3).await;
    let address = group.addresses[&3].clone();
    let refused = group.voters[&leader].change_membership(MemberChange::Add { id: 3, address }, LIMIT).await;
    assert!(matches!(&refused, Err(MetaError::Invalid(why)) if why.contains("ids were used")), "{refused:?}");
    group.stop().await;
}
