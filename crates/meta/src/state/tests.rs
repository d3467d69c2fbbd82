//! Tests of the state machine.

mod capacity;
mod cluster;
mod commands;
mod compact;
mod create_map;
mod invariants;
mod keys;
mod namespaces;
mod nodes;
mod purges;
mod readmit;
mod reconfigure;
mod registration;
mod replay;
mod walk;
mod zone;

use headwater_types::{Incarnation, NodeId, UnixMillis, ZoneName};

use crate::{
    command::{Command, Envelope, Outcome},
    placement,
    records::{NodeRecord, NodeState},
    state::State,
};

pub(crate) fn encoded(command: Command) -> Vec<u8> {
    Envelope::new(command, UnixMillis(1_000)).encode().unwrap().to_vec()
}

/// Applies a command as the next entry.
pub(crate) fn apply(state: &mut State, command: Command) -> Outcome {
    state.apply(state.version + 1, &encoded(command))
}

/// Applies the map that the leader would propose.
pub(crate) fn create_map(state: &mut State) -> Outcome {
    let command = placement::first_map(state).unwrap();
    apply(state, command)
}

pub(crate) fn node(id: u64, incarnation: u64, zone: &str) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        incarnation: Incarnation(incarnation),
        zone: ZoneName::parse(zone).unwrap(),
        address: format!("node-{id}:7000"),
        hot_capacity_bytes: 0,
        state: NodeState::Active,
    }
}

pub(crate) fn refusal(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Refused { code, .. } => Some(code),
        _ => None,
    }
}

/// The code and the words of a refusal.
pub(crate) fn refused(outcome: Outcome) -> (String, String) {
    match outcome {
        Outcome::Refused { code, message } => (code, message),
        other => panic!("not refused: {other:?}"),
    }
}
