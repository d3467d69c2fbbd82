//! [`Replication`] over gRPC: what serves it.

use headwater_types::limits::GRPC_MESSAGE_BYTES_MAX;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, info_span};

use super::checked::{Fault, checked, first_message};
use crate::{
    error::StorageError,
    replication::{ReplicateBegin, Replication, StopReads},
    trace::{REQUEST_TARGET, continued},
    v1::{
        self,
        replicate_message::Message,
        replication_server::{Replication as Generated, ReplicationServer},
    },
};

/// Serves a [`Replication`] over gRPC.
#[derive(Debug, Clone)]
pub struct ReplicationService {
    replication: Arc<dyn Replication>,
}

/// The gRPC service of a shard member, to be added to [`super::server_builder`].
pub fn replication_service(replication: Arc<dyn Replication>) -> ReplicationServer<ReplicationService> {
    ReplicationServer::new(ReplicationService { replication })
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX)
}

#[async_trait::async_trait]
impl Generated for ReplicationService {
    async fn replicate(
        &self,
        request: Request<Streaming<v1::ReplicateMessage>>,
    ) -> Result<Response<v1::ReplicateAck>, Status> {
        let (metadata, _, mut messages) = request.into_parts();
        let Some(Message::Begin(begin)) = first_message(&mut messages).await?.message else {
            return Err(StorageError::Invalid("a Replicate does not begin with its begin".into()).into());
        };
        let begin = ReplicateBegin::try_from(begin)?;
        let span = info_span!(target: REQUEST_TARGET, "replication.replicate", otel.kind = "server", request_id = %begin.request_id);
        let span = continued(span, &metadata);
        let fault = Fault::default();
        let pieces = checked(messages, fault.clone());
        let outcome = self.replication.replicate(begin, pieces).instrument(span).await;
        let version = fault.explain(outcome)?;
        Ok(Response::new(v1::ReplicateAck { version: Some(version.into()) }))
    }

    async fn beacon(&self, request: Request<v1::BeaconRequest>) -> Result<Response<v1::BeaconReply>, Status> {
        let message = request.into_inner();
        let unnamed = || StorageError::Invalid("a beacon names no member".into());
        let from = message.from.ok_or_else(unnamed)?.into();
        let (member, map_version) = self.replication.beacon(from, message.map_version).await?;
        Ok(Response::new(v1::BeaconReply { from: Some(member.into()), map_version }))
    }

    async fn stop_reads(
        &self,
        request: Request<v1::StopReadsRequest>,
    ) -> Result<Response<v1::StopReadsReply>, Status> {
        let request = StopReads::try_from(request.into_inner())?;
        let stopped = self.replication.stop_reads(request).await?;
        let shards = stopped.into_iter().map(|shard| shard.get().into()).collect();
        Ok(Response::new(v1::StopReadsReply { shards }))
    }
}
