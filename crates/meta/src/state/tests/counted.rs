//! Logs and snapshots of builds whose nodes counted their incarnations themselves.

use headwater_types::{Epoch, Incarnation, Member, NodeId, UnixMillis};

use super::{apply, create_map, encoded, next_process, refusal, registered};
use crate::{
    command::{Command, Envelope, Outcome},
    refusal as code,
    state::State,
};

/// A registration as such a build wrote it into its log.
fn counted(id: u64, incarnation: u64, zone: &str) -> Vec<u8> {
    let node = format!(
        r#"{{"id":{id},"incarnation":{incarnation},"zone":"{zone}","address":"node-{id}:7000","hot_capacity_bytes":0,"state":"active"}}"#
    );
    format!(r#"{{"format":1,"at":1,"command":{{"kind":"register_nodes","nodes":[{node}]}}}}"#).into_bytes()
}

fn replay(state: &mut State, document: &[u8]) -> Outcome {
    state.apply(state.version + 1, document)
}

/// Two nodes of such a build and a map.
fn pair() -> State {
    let mut state = State::default();
    for (id, zone) in [(1, "a"), (2, "b")] {
        assert_eq!(replay(&mut state, &counted(id, 5, zone)), Outcome::Done);
    }
    assert_eq!(create_map(&mut state), Outcome::Done);
    state
}

fn member(id: u64, incarnation: u64) -> Member {
    Member { node: NodeId(id), incarnation: Incarnation(incarnation) }
}

#[test]
fn an_old_log_gives_the_state_that_it_gave() {
    let mut state = pair();
    assert_eq!(state.nodes[&NodeId(2)].member(), member(2, 5));
    let before = state.clone();
    assert_eq!(replay(&mut state, &counted(2, 5, "b")), Outcome::Done);
    assert_eq!(refusal(&replay(&mut state, &counted(2, 4, "b"))), Some(code::STALE_INCARNATION));
    assert_eq!(refusal(&replay(&mut state, &counted(2, 5, "a"))), Some(code::INVALID));
    assert_eq!(refusal(&replay(&mut state, &counted(2, 6, "a"))), Some(code::INVALID));
    assert_eq!(State { version: before.version, ..state.clone() }, before);
    assert_eq!(replay(&mut state, &counted(2, 6, "b")), Outcome::Done);
    let entry = state.shards.values().next().unwrap();
    assert_eq!(
        (entry.epoch, &entry.insync[..], &entry.syncing[..]),
        (Epoch(2), &[member(1, 5)][..], &[member(2, 6)][..])
    );
    let document = String::from_utf8(state.encode().unwrap()).unwrap();
    assert!(!document.contains("process"), "as that build encoded it: {document}");
    assert_eq!(State::decode(document.as_bytes()).unwrap(), state);
}

#[test]
fn a_process_that_is_assigned_a_number_follows_one_that_counted() {
    for (counted_to, version, assigned) in [(5, 40, 41), (1_000, 40, 1_001), (u64::MAX - 1, 40, u64::MAX)] {
        let mut state = pair();
        replay(&mut state, &counted(2, counted_to, "b"));
        state.version = version;
        let process = next_process(&state, 2, "b");
        let outcome = apply(&mut state, Command::Register { nodes: vec![process] });
        assert_eq!(registered(outcome), [member(2, assigned)]);
        assert!(state.shards.values().all(|entry| entry.insync == [member(1, 5)]));
    }
    let mut state = pair();
    replay(&mut state, &counted(2, u64::MAX, "b"));
    let process = next_process(&state, 2, "b");
    assert_eq!(refusal(&apply(&mut state, Command::Register { nodes: vec![process] })), Some(code::INVALID));
}

#[test]
fn a_leader_writes_none() {
    let envelope = Envelope::decode(&counted(2, 5, "b")).unwrap();
    let refused = envelope.check_proposed().unwrap_err();
    assert!(refused.code == code::UNKNOWN_COMMAND && refused.message.contains("upgrade it"), "{refused}");
    let new = Command::Register { nodes: vec![next_process(&State::default(), 2, "b")] };
    let envelope = Envelope::decode(&encoded(new.clone())).unwrap();
    assert_eq!(envelope.check_proposed().unwrap(), Envelope::new(new, UnixMillis(1_000)));
}
