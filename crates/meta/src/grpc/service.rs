//! What serves a [`MetaStore`] over gRPC.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use headwater_proto::v1::{
    self,
    meta_server::{Meta, MetaServer},
};
use headwater_types::{KeyId, limits::GRPC_MESSAGE_BYTES_MAX};
use std::{sync::Arc, time::Duration};
use tonic::{Request, Response, Status};

use super::convert::{
    change_from_wire, entry_to_wire, guidance_to_wire, idle_to_wire, membership_to_wire, presence_to_wire,
    report_from_wire, snapshot_to_wire, to_status,
};
use crate::{
    command::{Envelope, Outcome},
    limits::{REPORT_KEYS_MAX, SNAPSHOT_BYTES_MAX},
    presence::PresenceBoard,
    state::State,
    store::{Applied, MetaError, MetaStore, WatchEvent},
};

/// The longest that a call may take, whatever its caller says.
const LIMIT_MAX: Duration = Duration::from_secs(60);

/// Serves a [`MetaStore`] and takes the roles' reports.
#[derive(Debug)]
pub struct MetaService {
    store: Arc<dyn MetaStore>,
    board: Arc<PresenceBoard>,
    snapshots: Arc<Snapshots>,
}

/// The gRPC service of a voter, to be added to [`headwater_proto::grpc::server_builder`].
///
/// `board` takes the reports, of which each voter gets its own from every role.
pub fn meta_service(store: Arc<dyn MetaStore>, board: Arc<PresenceBoard>) -> MetaServer<MetaService> {
    MetaServer::new(MetaService { store, board, snapshots: Arc::default() })
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(SNAPSHOT_BYTES_MAX)
}

/// The last snapshot that was encoded: of many watchers that come at once, all but the first find it made. One is
/// made at a time, away from the threads that answer calls.
#[derive(Debug, Default)]
struct Snapshots(tokio::sync::Mutex<Option<(u64, Bytes)>>);

impl Snapshots {
    async fn event(&self, state: Box<State>) -> Result<v1::WatchEvent, MetaError> {
        let version = state.version;
        let mut last = self.0.lock().await;
        let document = match &*last {
            Some((of, document)) if *of == version => document.clone(),
            _ => {
                let encode = move || state.encode().map(Bytes::from);
                let encoded = tokio::task::spawn_blocking(encode).await;
                encoded.map_err(|e| MetaError::Unavailable(format!("snapshot: {e}")))??
            }
        };
        *last = Some((version, document.clone()));
        Ok(snapshot_to_wire(version, document))
    }
}

/// The time that a caller leaves.
fn limit(remaining_ms: u64) -> Result<Duration, Status> {
    match remaining_ms {
        0 => Err(to_status(MetaError::Unavailable("no time was left".to_owned()))),
        _ => Ok(Duration::from_millis(remaining_ms).min(LIMIT_MAX)),
    }
}

#[async_trait::async_trait]
impl Meta for MetaService {
    async fn propose(
        &self,
        request: Request<v1::ProposeRequest>,
    ) -> Result<Response<v1::ProposeReply>, Status> {
        let request = request.into_inner();
        let limit = limit(request.remaining_ms)?;
        // The envelope is made anew by the store: time is stamped where the log is written. A command that this voter
        // does not know is refused here, before any voter could apply it differently.
        let applied = match Envelope::decode(&request.command) {
            Ok(envelope) => self.store.propose(envelope.command, limit).await.map_err(to_status)?,
            Err(refusal) => Applied { version: 0, outcome: Outcome::from(refusal) },
        };
        let outcome = serde_json::to_vec(&applied.outcome).map_err(|e| Status::unknown(e.to_string()))?;
        Ok(Response::new(v1::ProposeReply { version: applied.version, outcome: outcome.into() }))
    }

    type WatchStream = BoxStream<'static, Result<v1::WatchEvent, Status>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        tracing::debug!(watcher = %request.watcher, after_version = request.after_version, "a watch begins");
        let events = self.store.watch(request.after_version).await.map_err(to_status)?;
        let snapshots = self.snapshots.clone();
        let to_wire = move |event: Result<WatchEvent, MetaError>| {
            let snapshots = snapshots.clone();
            async move {
                let event = match event? {
                    WatchEvent::Snapshot(state) => snapshots.event(state).await?,
                    WatchEvent::Entry { version, command } => entry_to_wire(version, command),
                    WatchEvent::Idle { version } => idle_to_wire(version),
                };
                Ok::<_, MetaError>(event)
            }
        };
        Ok(Response::new(events.then(to_wire).map_err(to_status).boxed()))
    }

    async fn read(&self, request: Request<v1::ReadRequest>) -> Result<Response<v1::ReadReply>, Status> {
        let limit = limit(request.into_inner().remaining_ms)?;
        let version = self.store.linearizable_read(limit).await.map_err(to_status)?;
        Ok(Response::new(v1::ReadReply { version }))
    }

    async fn report(&self, request: Request<v1::ReportRequest>) -> Result<Response<v1::ReportReply>, Status> {
        let guidance = self.board.record(report_from_wire(request.into_inner())).map_err(to_status)?;
        let membership = self.store.membership().await.map_err(to_status)?;
        let addresses = membership.members.into_iter().map(|member| member.address).collect();
        let guidance = guidance.map(guidance_to_wire);
        Ok(Response::new(v1::ReportReply { version: membership.applied, addresses, guidance }))
    }

    async fn presence(
        &self,
        request: Request<v1::PresenceRequest>,
    ) -> Result<Response<v1::PresenceReply>, Status> {
        let keys = request.into_inner().keys;
        if keys.len() > REPORT_KEYS_MAX {
            let given = keys.len();
            let detail = format!("keys has {given} entries, at most {REPORT_KEYS_MAX} are allowed");
            return Err(Status::invalid_argument(detail));
        }
        let keys: Vec<KeyId> = keys.into_iter().map(|id| KeyId(id.into())).collect();
        Ok(Response::new(presence_to_wire(self.board.presence(&keys))))
    }

    async fn change_membership(
        &self,
        request: Request<v1::ChangeMembershipRequest>,
    ) -> Result<Response<v1::StatusReply>, Status> {
        let request = request.into_inner();
        let limit = limit(request.remaining_ms)?;
        let change = change_from_wire(request).map_err(to_status)?;
        let membership = self.store.change_membership(change, limit).await.map_err(to_status)?;
        Ok(Response::new(membership_to_wire(membership)))
    }

    async fn status(
        &self,
        _request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusReply>, Status> {
        let membership = self.store.membership().await.map_err(to_status)?;
        Ok(Response::new(membership_to_wire(membership)))
    }
}
