//! Each guard of a reconfiguration: what it lets through and what it refuses, by its own words.

use headwater_types::{Epoch, Incarnation, Member, NodeId, ShardId, ZoneName};

use super::{
    apply,
    cluster::{change, cluster, drain, entry, member, process, reconfigure, shard},
    encoded, refused,
};
use crate::{
    command::{Command, Envelope, Outcome, ShardChange, SingleReason},
    limits::COMMAND_BYTES_MAX,
    records::ShardEntry,
    refusal as code,
    state::State,
};

/// The same change with the head's asking.
fn asked(by: u64, change: ShardChange) -> ShardChange {
    ShardChange { asked_by: Some(member(by)), ..change }
}

fn single(reason: SingleReason, change: ShardChange) -> ShardChange {
    ShardChange { single: Some(reason), ..change }
}

/// Refused with these words, as a whole; `None`: applied as it is, one epoch later.
fn case(from: &ShardEntry, change: ShardChange, wanted: Option<&str>) {
    case_in(cluster(from.clone()), change, wanted);
}

fn case_in(mut state: State, change: ShardChange, wanted: Option<&str>) {
    let before = state.clone();
    let outcome = reconfigure(&mut state, change.clone());
    let Some(words) = wanted else {
        assert_eq!(outcome, Outcome::Done, "{change:?}");
        let ShardChange { head, insync, syncing, retiring, .. } = change;
        let entry = ShardEntry { epoch: Epoch(6), head, insync, syncing, retiring };
        assert_eq!(*state.shards[&shard(0)], entry);
        return;
    };
    let (_, message) = refused(outcome);
    assert!(message.contains(words), "{message:?} does not say {words:?}");
    assert_eq!(State { version: before.version, ..state }, before, "{words}");
}

#[test]
fn the_epoch_is_compared_and_the_shard_is_there() {
    let from = entry(&[1, 2], &[], &[]);
    case(
        &from,
        ShardChange { expect_epoch: Epoch(4), ..change(&[1, 2], &[3], &[]) },
        Some("at epoch 5, not 4"),
    );
    case(
        &from,
        ShardChange { expect_epoch: Epoch(6), ..change(&[1, 2], &[3], &[]) },
        Some("at epoch 5, not 6"),
    );
    case(
        &from,
        ShardChange { shard: shard(1), ..change(&[1, 2], &[3], &[]) },
        Some("no map yet that shard 1"),
    );
    let mut state = cluster(from);
    assert_eq!(reconfigure(&mut state, change(&[1, 2], &[3], &[])), Outcome::Done);
    let (code, _) = refused(reconfigure(&mut state, change(&[1, 2], &[3], &[])));
    assert_eq!(code, code::VERSION_MISMATCH, "a repetition finds another epoch");
}

#[test]
fn who_may_be_named() {
    let from = entry(&[1, 2], &[], &[]);
    let nobody = ShardChange { insync: Vec::new(), ..change(&[1, 2], &[], &[]) };
    case(&from, nobody, Some("nobody would be in sync"));
    case(&from, change(&[1, 2], &[2], &[]), Some("node 2 is named twice"));
    case(&from, change(&[1, 2, 3], &[], &[]), Some("3 members in sync and 3 in all"));
    case(&from, change(&[1, 2], &[3, 4, 5, 6], &[]), None);
    case(&from, change(&[1, 2], &[9], &[]), Some("node 9 is not registered"));
    let earlier = ShardChange { syncing: vec![process(3, 0)], ..change(&[1, 2], &[], &[]) };
    case(&from, earlier, Some("3.0 is not node 3's registered incarnation 1"));
    let mut crowd = cluster(from);
    super::register(&mut crowd, &[(7, "a")]);
    case_in(crowd, change(&[1, 2], &[3, 4, 5, 6, 7], &[]), Some("2 members in sync and 7 in all"));
}

#[test]
fn a_promotion_is_asked_for_by_the_head_for_who_was_syncing() {
    let from = entry(&[1], &[2], &[]);
    case(&from, asked(1, change(&[1, 2], &[], &[])), None);
    case(&from, change(&[1, 2], &[], &[]), Some("only 1.1, the head of epoch 5, may ask"));
    case(&from, asked(2, change(&[1, 2], &[], &[])), Some("2.1 asks and is not in sync in epoch 5"));
    case(&from, asked(1, change(&[1, 3], &[2], &[])), Some("3.1 was neither in sync nor syncing"));
    let earlier = ShardChange { asked_by: Some(process(1, 0)), ..change(&[1, 2], &[], &[]) };
    case(&from, earlier, Some("1.0 asks and is not in sync"));
    let moving = entry(&[1, 2], &[5], &[]);
    case(&moving, asked(2, change(&[1, 5], &[], &[2])), Some("only 1.1, the head of epoch 5, may ask"));
    case(&entry(&[1], &[], &[2]), asked(1, change(&[1, 2], &[], &[])), Some("neither in sync nor syncing"));
}

#[test]
fn the_head_was_in_sync_and_stays_in_a_promotion() {
    let from = entry(&[1, 2], &[], &[]);
    case(&from, change(&[2, 1], &[], &[]), None);
    let outside = ShardChange { head: member(3), ..change(&[1, 2], &[], &[]) };
    case(&from, outside, Some("the head 3.1 would not be in sync"));
    let moving = entry(&[1, 2], &[5, 4], &[]);
    case(&moving, asked(1, change(&[5, 1], &[], &[2])), Some("the new head 5.1 was not in sync in epoch 5"));
    case(&moving, asked(1, change(&[2, 4], &[], &[])), Some("the head 1.1 stays in a promotion"));
}

#[test]
fn in_sync_members_are_in_different_zones() {
    let from = entry(&[1], &[4, 2], &[]);
    case(
        &from,
        asked(1, change(&[1, 4], &[2], &[])),
        Some("4.1 would be in sync beside another of its zone"),
    );
    case(&from, asked(1, change(&[1, 2], &[4], &[])), None);
}

#[test]
fn a_configuration_of_one_has_a_reason() {
    let from = entry(&[1, 2], &[], &[]);
    let alone = || change(&[1], &[], &[]);
    case(&from, alone(), Some("1.1 would be alone in sync without a reason"));
    case(&from, single(SingleReason::PeerSuspected, alone()), None);
    case(&from, single(SingleReason::PeerSuspected, change(&[2], &[], &[])), None);
    case(&from, single(SingleReason::ZoneFenced, alone()), Some("the zone of 2.1 is not fenced"));
    case(&from, single(SingleReason::NoSpare, alone()), Some("node 3 is one"));
    let mut state = cluster(from.clone());
    [3, 5].into_iter().for_each(|id| drain(&mut state, id));
    case_in(state.clone(), single(SingleReason::NoSpare, alone()), Some("node 6 is one"));
    drain(&mut state, 6);
    case_in(state, single(SingleReason::NoSpare, alone()), None);
    case(&entry(&[1], &[2], &[]), change(&[1], &[], &[]), None);
}

#[test]
fn a_fenced_zone_is_a_reason_and_stays_out() {
    let fence = |state: &mut State, zone: &str| {
        let fenced = Some(ZoneName::parse(zone).unwrap());
        assert_eq!(apply(state, Command::SetZoneVerdict { expect: None, fenced }), Outcome::Done);
    };
    let mut state = cluster(entry(&[1, 3], &[], &[]));
    fence(&mut state, "b");
    let joins = change(&[1, 3], &[2], &[]);
    case_in(state.clone(), joins, Some("2.1 is in the fenced zone"));
    case_in(state, change(&[1, 3], &[4], &[]), None);

    let mut only_there = cluster(entry(&[2], &[], &[]));
    fence(&mut only_there, "b");
    case_in(only_there.clone(), change(&[2], &[5], &[]), Some("5.1 is in the fenced zone"));
    case_in(only_there.clone(), change(&[2], &[1], &[]), None);

    // As it stands after a verdict only in a shard that was left alone: its last in-sync member may get a successor.
    assert_eq!(reconfigure(&mut only_there, change(&[2], &[1], &[])), Outcome::Done);
    let promoted = ShardChange { expect_epoch: Epoch(6), ..asked(2, change(&[2, 1], &[], &[])) };
    assert_eq!(reconfigure(&mut only_there, promoted), Outcome::Done);
    let back = ShardChange { expect_epoch: Epoch(7), ..change(&[2, 1], &[], &[]) };
    assert!(refused(reconfigure(&mut only_there, back)).1.contains("2.1 is in the fenced zone"));
    let without = ShardChange { expect_epoch: Epoch(7), ..change(&[1], &[], &[]) };
    let without = single(SingleReason::ZoneFenced, without);
    assert_eq!(reconfigure(&mut only_there, without), Outcome::Done);
}

#[test]
fn joining_is_a_step_of_its_own() {
    let from = entry(&[1, 2], &[], &[]);
    let words = "it joins in a step of its own";
    case(&from, single(SingleReason::PeerSuspected, change(&[1], &[5], &[])), Some(words));
    case(&from, single(SingleReason::PeerSuspected, change(&[1], &[2], &[])), Some(words));
    case(&from, change(&[2, 1], &[5], &[]), Some(words));
    case(&entry(&[1], &[2], &[]), asked(1, change(&[1, 2], &[4], &[])), Some(words));
    case(&from, change(&[1, 2], &[5], &[]), None);
    let evicted = single(SingleReason::PeerSuspected, change(&[1], &[5], &[]));
    case(&entry(&[1, 2], &[5], &[]), evicted, None);
}

#[test]
fn a_move_retires_one_of_three_and_never_the_head() {
    let moving = entry(&[1, 2], &[5], &[]);
    case(&moving, asked(1, change(&[1, 5], &[], &[2])), None);
    case(&moving, change(&[1, 2], &[], &[5]), Some("5.1 would retire and was not in sync"));
    let reason = |change| single(SingleReason::PeerSuspected, change);
    case(&moving, reason(change(&[1], &[5], &[2])), Some("2.1 would retire and leave 1 in sync"));
    case(&moving, reason(change(&[2], &[5], &[1])), Some("the head 1.1 would retire"));
    let retiring = entry(&[1, 5], &[], &[2]);
    case(&retiring, change(&[1, 5], &[], &[]), None);
    case(&retiring, reason(change(&[1], &[], &[2])), None);
    case(&retiring, change(&[1, 5], &[2], &[]), None);
}

#[test]
fn changes_are_applied_as_a_whole_or_refused_as_a_whole() {
    let mut state = cluster(entry(&[1, 2], &[], &[]));
    state.shards.insert(shard(1), state.shards[&shard(0)].clone());
    let before = state.clone();
    let good = change(&[1, 2], &[3], &[]);
    let second = |expect_epoch| ShardChange { shard: shard(1), expect_epoch, ..good.clone() };
    let mut propose = |changes| apply(&mut state, Command::Reconfigure { changes });
    let (code, message) = refused(propose(vec![good.clone(), second(Epoch(4))]));
    assert_eq!((&*code, &*message), (code::VERSION_MISMATCH, "shard 1 is at epoch 5, not 4"));
    assert_eq!(refused(propose(Vec::new())).0, code::INVALID);
    assert_eq!(refused(propose(vec![good.clone(), good.clone()])).0, code::INVALID);
    assert_eq!(propose(vec![good.clone(), second(Epoch(5))]), Outcome::Done);
    assert_eq!(before.shards[&shard(0)].epoch.next(), state.shards[&shard(0)].epoch);
    assert_eq!(state.shards[&shard(0)], state.shards[&shard(1)]);
}

#[test]
fn the_largest_eviction_of_all_shards_fits_into_a_command() {
    let member = |node| Member { node: NodeId(node), incarnation: Incarnation(u64::MAX) };
    let kept = member(u64::MAX);
    let evict = |shard| ShardChange {
        shard,
        expect_epoch: Epoch(u64::MAX - 1),
        head: kept,
        insync: vec![kept],
        syncing: vec![member(u64::MAX - 1)],
        retiring: Vec::new(),
        asked_by: Some(kept),
        single: Some(SingleReason::PeerSuspected),
    };
    let command = Command::Reconfigure { changes: ShardId::all().map(evict).collect() };
    let document = encoded(command.clone());
    assert!(document.len() <= COMMAND_BYTES_MAX, "{} bytes", document.len());
    assert_eq!(Envelope::decode(&document).unwrap().command, command);
}
