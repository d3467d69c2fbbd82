//! Tests of the state machine.

mod capacity;
mod cluster;
mod commands;
mod compact;
mod counted;
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

use headwater_types::{DiskId, Incarnation, Member, NodeId, Nonce, UnixMillis, ZoneName};

use crate::{
    command::{Command, Envelope, Outcome, Registration},
    placement,
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

pub(crate) fn disk(number: u64) -> DiskId {
    DiskId::parse(&format!("{number:032x}")).unwrap()
}

pub(crate) fn nonce(number: u64) -> Nonce {
    Nonce::parse(&format!("{number:032x}")).unwrap()
}

/// The first registration of a node, by the only process with this nonce.
pub(crate) fn new_node(id: u64, process: u64, zone: &str) -> Registration {
    Registration {
        id: NodeId(id),
        disk_id: disk(id),
        nonce: nonce(process),
        follows: None,
        zone: ZoneName::parse(zone).unwrap(),
        address: format!("node-{id}:7000"),
        hot_capacity_bytes: 0,
    }
}

/// A registration of a new process of a node that has read whom it follows.
pub(crate) fn next_process(state: &State, id: u64, zone: &str) -> Registration {
    let follows = state.nodes.get(&NodeId(id)).map(|known| known.incarnation);
    Registration { follows, ..new_node(id, state.version + 1, zone) }
}

/// Registers new processes of nodes, in one command.
pub(crate) fn register(state: &mut State, nodes: &[(u64, &str)]) -> Vec<Member> {
    let nodes = nodes.iter().map(|(id, zone)| next_process(state, *id, zone)).collect();
    registered(apply(state, Command::Register { nodes }))
}

/// The processes of a registration that was not refused.
pub(crate) fn registered(outcome: Outcome) -> Vec<Member> {
    match outcome {
        Outcome::Registered { members } => members,
        other => panic!("not registered: {other:?}"),
    }
}

/// The newest process of a node.
pub(crate) fn newest(state: &State, id: u64) -> Incarnation {
    state.nodes[&NodeId(id)].incarnation
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
