//! The zone verdict.

use headwater_types::{Epoch, UnixMillis, ZoneName};
use std::sync::Arc;

use super::{
    apply,
    cluster::{cluster, entry, member, members, shard},
    refused, register,
};
use crate::{
    command::{Command, Outcome},
    records::ZoneVerdict,
    refusal as code,
    state::State,
};

fn zone(name: &str) -> ZoneName {
    ZoneName::parse(name).unwrap()
}

fn verdict(state: &mut State, expect: Option<&str>, fenced: Option<&str>) -> Outcome {
    apply(state, Command::SetZoneVerdict { expect: expect.map(zone), fenced: fenced.map(zone) })
}

#[test]
fn all_shards_move_at_once() {
    let mut state = cluster(entry(&[1, 2], &[4, 5], &[]));
    let others = [entry(&[1], &[2], &[]), entry(&[2, 3], &[], &[4]), entry(&[2, 3], &[], &[])];
    for (id, other) in (1..).zip(others) {
        state.shards.insert(shard(id), Arc::new(other));
    }
    let before = state.clone();
    assert_eq!(verdict(&mut state, None, Some("a")), Outcome::Done);
    let wanted = ZoneVerdict { fenced: zone("a"), since: UnixMillis(1_000) };
    assert_eq!(state.zone_verdict, Some(wanted));
    let entry = |id| &state.shards[&shard(id)];
    assert_eq!((entry(0).epoch, entry(0).head, &entry(0).insync), (Epoch(6), member(2), &members(&[2])));
    assert_eq!(entry(0).syncing, members(&[5]));
    assert_eq!(entry(1), &before.shards[&shard(1)], "nobody is in sync elsewhere");
    assert_eq!((entry(2).epoch, &entry(2).insync), (Epoch(6), &members(&[2, 3])));
    assert!(entry(2).retiring.is_empty(), "a retiring member leaves too");
    assert_eq!(entry(3), &before.shards[&shard(3)], "it names nobody of the zone");

    let fenced = state.clone();
    assert_eq!(verdict(&mut state, None, Some("a")), Outcome::Done, "a repetition changes nothing");
    assert_eq!(State { version: fenced.version, ..state.clone() }, fenced);
    assert_eq!(verdict(&mut state, Some("a"), None), Outcome::Done);
    assert_eq!((&state.zone_verdict, &state.shards), (&None, &fenced.shards), "lifting it changes no shard");
}

#[test]
fn what_is_refused() {
    let mut state = cluster(entry(&[1, 2], &[], &[]));
    let (code, message) = refused(verdict(&mut state, Some("b"), Some("a")));
    assert_eq!((&*code, &*message), (code::VERSION_MISMATCH, "the fenced zone is none, not b"));
    assert_eq!(refused(verdict(&mut state, None, Some("d"))).0, code::NOT_FOUND);
    assert!(state.zone_verdict.is_none());
    assert_eq!(state.shards[&shard(0)].epoch, Epoch(5));

    let mut one_zone = State::default();
    register(&mut one_zone, &[(1, "a")]);
    assert!(refused(verdict(&mut one_zone, None, Some("a"))).1.contains("the only one with nodes"));
    register(&mut one_zone, &[(2, "b")]);
    assert!(refused(verdict(&mut one_zone, None, Some("a"))).1.contains("no map yet"));
}

#[test]
fn from_one_zone_to_another() {
    let mut state = cluster(entry(&[1, 2], &[], &[]));
    assert_eq!(verdict(&mut state, None, Some("a")), Outcome::Done);
    assert_eq!(verdict(&mut state, Some("a"), Some("b")), Outcome::Done);
    let entry = &state.shards[&shard(0)];
    assert_eq!((entry.epoch, &entry.insync), (Epoch(6), &members(&[2])), "the last copy stays");
}
