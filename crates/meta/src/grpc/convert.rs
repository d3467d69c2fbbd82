//! Between the messages of the wire and the types of [`crate::store`].

mod members;
mod presence;

pub(super) use members::{change_from_wire, change_to_wire, membership_from_wire, membership_to_wire};
pub(super) use presence::{
    guidance_from_wire, guidance_to_wire, presence_from_wire, presence_to_wire, report_from_wire,
    report_to_wire,
};

use bytes::Bytes;
use headwater_proto::v1;
use std::error::Error;
use tonic::{Code, Status};

use crate::{
    state::State,
    store::{MetaError, WatchEvent},
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

pub(super) fn never_connected(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

pub(super) fn snapshot_to_wire(version: u64, document: Bytes) -> v1::WatchEvent {
    v1::WatchEvent { version, event: Some(v1::watch_event::Event::Snapshot(document)) }
}

pub(super) fn entry_to_wire(version: u64, command: Bytes) -> v1::WatchEvent {
    v1::WatchEvent { version, event: Some(v1::watch_event::Event::Command(command)) }
}

pub(super) fn idle_to_wire(version: u64) -> v1::WatchEvent {
    v1::WatchEvent { version, event: Some(v1::watch_event::Event::Idle(true)) }
}

/// Reads an event; a snapshot away from the threads that answer requests, as it may be large.
pub(super) async fn event_from_wire(message: v1::WatchEvent) -> Result<WatchEvent, MetaError> {
    use v1::watch_event::Event;
    let version = message.version;
    match message.event {
        Some(Event::Snapshot(document)) => {
            let decoded = tokio::task::spawn_blocking(move || State::decode(&document)).await;
            let state = decoded.map_err(|e| MetaError::Unavailable(format!("snapshot: {e}")))??;
            Ok(WatchEvent::Snapshot(Box::new(state)))
        }
        Some(Event::Command(command)) => Ok(WatchEvent::Entry { version, command }),
        Some(Event::Idle(_)) => Ok(WatchEvent::Idle { version }),
        None => Err(MetaError::Invalid("a watch event of an unknown kind".to_owned())),
    }
}
