//! Creating the shard map: what it makes, what is refused, and its encoding.

use headwater_types::{Epoch, Incarnation, Member, NodeId, ShardId, limits::SHARD_COUNT};
use std::collections::BTreeMap;

use super::{apply, encoded, refusal, register};
use crate::{
    command::{Command, Envelope, NewShard, Outcome},
    limits::COMMAND_BYTES_MAX,
    refusal as code,
    state::State,
};

type Plan = BTreeMap<ShardId, NewShard>;

fn shard(head: u64, members: &[u64]) -> NewShard {
    NewShard { head: NodeId(head), members: members.iter().copied().map(NodeId).collect() }
}

/// Every shard alike.
fn plan(shard: &NewShard) -> Plan {
    ShardId::all().map(|id| (id, shard.clone())).collect()
}

fn create(state: &mut State, shards: Plan) -> Outcome {
    apply(state, Command::CreateMap { shards })
}

/// Nodes 1 and 3 in zone a, 2 in b.
fn registered() -> State {
    let mut state = State::default();
    register(&mut state, &[(1, "a"), (2, "b"), (3, "a")]);
    state
}

#[test]
fn the_map_is_as_planned_with_the_nodes_newest_processes_and_made_once() {
    let mut state = registered();
    let last = ShardId::new(SHARD_COUNT - 1).unwrap();
    let mut shards = plan(&shard(1, &[1, 2]));
    shards.insert(last, shard(2, &[3, 2]));
    state.version = 6;
    register(&mut state, &[(2, "b")]);
    assert_eq!(create(&mut state, shards.clone()), Outcome::Done);

    assert_eq!(state.shards.len(), usize::from(SHARD_COUNT));
    let member = |id, incarnation| Member { node: NodeId(id), incarnation: Incarnation(incarnation) };
    let entry = &state.shards[&last];
    assert_eq!((entry.epoch, entry.head), (Epoch(1), member(2, 7)));
    assert_eq!(entry.insync, [member(3, 1), member(2, 7)]);
    assert!(entry.syncing.is_empty() && entry.retiring.is_empty());
    assert_eq!(state.shards[&ShardId::new(0).unwrap()].head, member(1, 1));

    let before = state.shards.clone();
    for again in [shards, plan(&shard(2, &[2, 3])), Plan::new()] {
        assert_eq!(create(&mut state, again), Outcome::Done, "there is a map already");
        assert_eq!(state.shards, before);
    }
}

#[test]
fn plans_that_are_refused() {
    let mut state = registered();
    let before = state.clone();
    let good = shard(1, &[1, 2]);
    let mut short = plan(&good);
    short.pop_last();
    let cases = [
        (Plan::new(), "the plan has 0"),
        (short, "the plan has 1023"),
        (plan(&shard(1, &[1])), "1 members"),
        (plan(&shard(1, &[1, 2, 3])), "3 members"),
        (plan(&shard(1, &[1, 1])), "both in zone a"),
        (plan(&shard(1, &[1, 3])), "both in zone a"),
        (plan(&shard(1, &[1, 9])), "node 9 has not registered"),
        (plan(&shard(3, &[1, 2])), "its head 3 is not one of its members"),
    ];
    for (shards, words) in cases {
        let outcome = create(&mut state, shards);
        let Outcome::Refused { code, message } = &outcome else { panic!("{words}: {outcome:?}") };
        assert!(code == code::INVALID && message.contains(words), "{words}: {message}");
    }
    let mut last_is_bad = plan(&good);
    last_is_bad.insert(ShardId::new(SHARD_COUNT - 1).unwrap(), shard(1, &[1, 3]));
    assert_eq!(refusal(&create(&mut state, last_is_bad)), Some(code::INVALID));
    assert_eq!(State { version: before.version, ..state }, before, "refusals change nothing");
}

#[test]
fn the_largest_plan_fits_into_a_command_and_comes_back() {
    let shards = plan(&shard(u64::MAX, &[u64::MAX, u64::MAX - 1]));
    let document = encoded(Command::CreateMap { shards: shards.clone() });
    assert!(document.len() <= COMMAND_BYTES_MAX, "{} bytes", document.len());
    assert_eq!(Envelope::decode(&document).unwrap().command, Command::CreateMap { shards });
}

#[test]
fn a_shard_that_is_named_twice_or_does_not_exist_is_not_read() {
    let document = |id: u16| {
        let shard = r#"{"head":1,"members":[1,2]}"#;
        let shards = format!(r#"[[0,{shard}],[{id},{shard}]]"#);
        format!(r#"{{"format":1,"at":1,"command":{{"kind":"create_map","shards":{shards}}}}}"#)
    };
    assert!(Envelope::decode(document(1).as_bytes()).is_ok());
    for (id, words) in [(0, "shard 0 is named twice"), (SHARD_COUNT, "does not exist")] {
        let refused = Envelope::decode(document(id).as_bytes()).unwrap_err();
        assert!(refused.code == code::UNKNOWN_COMMAND && refused.message.contains(words), "{refused}");
    }
}
