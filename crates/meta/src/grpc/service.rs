//! What serves a [`MetaStore`] over gRPC.

use futures_util::{StreamExt, stream::BoxStream};
use headwater_proto::v1::{
    self,
    meta_server::{Meta, MetaServer},
};
use headwater_types::limits::GRPC_MESSAGE_BYTES_MAX;
use std::{sync::Arc, time::Duration};
use tonic::{Request, Response, Status};

use super::{
    Heartbeats,
    convert::{event_to_wire, membership_to_wire, report_from_wire, to_status},
};
use crate::{
    command::{Envelope, Outcome},
    limits::SNAPSHOT_BYTES_MAX,
    store::{Applied, MetaError, MetaStore},
};

/// The longest that a proposal may take, whatever its caller says.
const PROPOSE_LIMIT_MAX: Duration = Duration::from_secs(30);

/// Serves a [`MetaStore`] and takes the nodes' heartbeats.
#[derive(Debug)]
pub struct MetaService {
    store: Arc<dyn MetaStore>,
    heartbeats: Arc<Heartbeats>,
}

/// The gRPC service of a voter, to be added to [`headwater_proto::grpc::server_builder`].
pub fn meta_service(store: Arc<dyn MetaStore>, heartbeats: Arc<Heartbeats>) -> MetaServer<MetaService> {
    MetaServer::new(MetaService { store, heartbeats })
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(SNAPSHOT_BYTES_MAX)
}

#[async_trait::async_trait]
impl Meta for MetaService {
    async fn propose(
        &self,
        request: Request<v1::ProposeRequest>,
    ) -> Result<Response<v1::ProposeReply>, Status> {
        let request = request.into_inner();
        let limit = Duration::from_millis(request.remaining_ms).min(PROPOSE_LIMIT_MAX);
        if limit.is_zero() {
            return Err(to_status(MetaError::Unavailable("no time was left".to_owned())));
        }
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
        Ok(Response::new(events.map(|event| event.and_then(event_to_wire).map_err(to_status)).boxed()))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatReply>, Status> {
        self.heartbeats.record(report_from_wire(request.get_ref())).map_err(to_status)?;
        let map_version = self.store.membership().await.map_err(to_status)?.applied;
        Ok(Response::new(v1::HeartbeatReply { map_version }))
    }

    async fn status(
        &self,
        _request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusReply>, Status> {
        let membership = self.store.membership().await.map_err(to_status)?;
        Ok(Response::new(membership_to_wire(membership)))
    }
}
