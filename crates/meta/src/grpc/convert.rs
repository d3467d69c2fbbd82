//! Between the messages of the wire and the types of [`crate::store`].

use headwater_proto::v1;
use headwater_types::{Incarnation, Member, NodeId};
use std::error::Error;
use tonic::{Code, Status};

use super::NodeReport;
use crate::{
    state::State,
    store::{Membership, MetaError, WatchEvent},
};

/// `Aborted` promises that nothing was done, which the transport itself never says of a call that it has begun.
pub(super) fn to_status(error: MetaError) -> Status {
    match error {
        MetaError::Unavailable(message) => Status::aborted(message),
        MetaError::Unknown(message) => Status::unknown(message),
        MetaError::Invalid(message) => Status::invalid_argument(message),
    }
}

/// What a failed call means. A connection that was never made has done nothing.
pub(super) fn from_status(status: &Status) -> MetaError {
    let message = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::Aborted => MetaError::Unavailable(message),
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => MetaError::Invalid(message),
        _ if never_connected(status) => MetaError::Unavailable(message),
        _ => MetaError::Unknown(message),
    }
}

fn never_connected(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

pub(super) fn event_to_wire(event: WatchEvent) -> Result<v1::WatchEvent, MetaError> {
    use v1::watch_event::Event;
    let (version, event) = match event {
        WatchEvent::Snapshot(state) => (state.version, Event::Snapshot(state.encode()?.into())),
        WatchEvent::Entry { version, command } => (version, Event::Command(command)),
        WatchEvent::Idle { version } => (version, Event::Idle(true)),
    };
    Ok(v1::WatchEvent { version, event: Some(event) })
}

pub(super) fn event_from_wire(message: v1::WatchEvent) -> Result<WatchEvent, MetaError> {
    use v1::watch_event::Event;
    let version = message.version;
    match message.event {
        Some(Event::Snapshot(document)) => Ok(WatchEvent::Snapshot(Box::new(State::decode(&document)?))),
        Some(Event::Command(command)) => Ok(WatchEvent::Entry { version, command }),
        Some(Event::Idle(_)) => Ok(WatchEvent::Idle { version }),
        None => Err(MetaError::Invalid("a watch event of an unknown kind".to_owned())),
    }
}

pub(super) fn membership_to_wire(membership: Membership) -> v1::StatusReply {
    v1::StatusReply {
        node_id: membership.id,
        leader_id: membership.leader.unwrap_or(0),
        term: membership.term,
        applied: membership.applied,
        voters: membership.voters,
    }
}

pub(super) fn membership_from_wire(reply: v1::StatusReply) -> Membership {
    Membership {
        id: reply.node_id,
        leader: (reply.leader_id != 0).then_some(reply.leader_id),
        term: reply.term,
        applied: reply.applied,
        voters: reply.voters,
    }
}

pub(super) fn report_to_wire(report: NodeReport) -> v1::HeartbeatRequest {
    v1::HeartbeatRequest {
        node_id: report.member.node.0,
        incarnation: report.member.incarnation.0,
        map_version: report.map_version,
        hot_bytes: report.hot_bytes,
        hot_capacity_bytes: report.hot_capacity_bytes,
    }
}

pub(super) fn report_from_wire(request: &v1::HeartbeatRequest) -> NodeReport {
    NodeReport {
        member: Member { node: NodeId(request.node_id), incarnation: Incarnation(request.incarnation) },
        map_version: request.map_version,
        hot_bytes: request.hot_bytes,
        hot_capacity_bytes: request.hot_capacity_bytes,
    }
}
