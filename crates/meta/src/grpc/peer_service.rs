//! What serves a voter to the others.

use headwater_proto::v1::{
    self,
    raft_server::{Raft, RaftServer},
};
use headwater_types::limits::GRPC_MESSAGE_BYTES_MAX;
use std::{sync::Arc, time::Duration};
use tonic::{Request, Response, Status};

use crate::raft::{Peer, PeerCall, PeerError, PeerHeader};

/// The encoding of calls that this build writes and reads. In 1, a term could have several leaders.
pub(super) const FORMAT: u32 = 2;
/// The longest that a call may take, whatever its caller says.
const LIMIT_MAX: Duration = Duration::from_secs(60);

/// Serves a voter to the others.
#[derive(Debug)]
pub struct PeerService(Arc<dyn Peer>);

/// The gRPC service for other voters, to be added to [`headwater_proto::grpc::server_builder`].
pub fn peer_service(voter: Arc<dyn Peer>) -> RaftServer<PeerService> {
    RaftServer::new(PeerService(voter))
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX)
}

impl PeerService {
    async fn answer(
        &self,
        request: Request<v1::PeerRequest>,
        allowed: fn(&PeerCall) -> bool,
    ) -> Result<Response<v1::PeerReply>, Status> {
        let request = request.into_inner();
        if request.format != FORMAT {
            let format = request.format;
            return Err(Status::invalid_argument(format!("format {format}, this voter reads {FORMAT}")));
        }
        let mut call: PeerCall = serde_json::from_slice(&request.body)
            .map_err(|e| Status::invalid_argument(format!("a call that cannot be read: {e}")))?;
        if !allowed(&call) {
            return Err(Status::invalid_argument(format!("{call:?} is not for this method")));
        }
        if let PeerCall::Snapshot(rpc) = &mut call {
            rpc.data = request.data.into();
        }
        let header = PeerHeader {
            cluster: request.cluster,
            from: request.from,
            to: request.to,
            to_disk: request.to_disk,
        };
        let limit = Duration::from_millis(request.remaining_ms).min(LIMIT_MAX);
        let answer = self.0.call(&header, call, limit).await.map_err(to_status)?;
        let body = serde_json::to_vec(&answer).map_err(|e| Status::unknown(e.to_string()))?;
        Ok(Response::new(v1::PeerReply { format: FORMAT, body: body.into() }))
    }
}

fn to_status(error: PeerError) -> Status {
    match error {
        PeerError::Refused(message) => Status::failed_precondition(message),
        PeerError::Removed(message) => Status::permission_denied(message),
        PeerError::Unreachable(message) | PeerError::Lost(message) => Status::unknown(message),
    }
}

#[async_trait::async_trait]
impl Raft for PeerService {
    async fn vote(&self, request: Request<v1::PeerRequest>) -> Result<Response<v1::PeerReply>, Status> {
        self.answer(request, |call| matches!(call, PeerCall::Vote(_))).await
    }

    async fn append_entries(
        &self,
        request: Request<v1::PeerRequest>,
    ) -> Result<Response<v1::PeerReply>, Status> {
        self.answer(request, |call| matches!(call, PeerCall::Append(_))).await
    }

    async fn install_snapshot(
        &self,
        request: Request<v1::PeerRequest>,
    ) -> Result<Response<v1::PeerReply>, Status> {
        self.answer(request, |call| matches!(call, PeerCall::Snapshot(_))).await
    }

    async fn ask(&self, request: Request<v1::PeerRequest>) -> Result<Response<v1::PeerReply>, Status> {
        self.answer(request, |call| {
            !matches!(call, PeerCall::Vote(_) | PeerCall::Append(_) | PeerCall::Snapshot(_))
        })
        .await
    }
}
