//! Other voters over gRPC.

use async_trait::async_trait;
use headwater_proto::{
    grpc::channel,
    v1::{self, raft_client::RaftClient},
};
use headwater_types::limits::GRPC_MESSAGE_BYTES_MAX;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::timeout;
use tonic::{Code, Request, Status, transport::Channel};

use super::{convert::never_connected, peer_service::FORMAT};
use crate::raft::{Peer, PeerAnswer, PeerCall, PeerError, PeerHeader, Peers};

/// Connections that are kept: members, and those that were members or may become some.
const CONNECTIONS_MAX: usize = 64;

/// Connections to voters, one an address.
#[derive(Debug, Default)]
pub struct GrpcPeers(Mutex<BTreeMap<String, RaftClient<Channel>>>);

impl GrpcPeers {
    /// No connections yet. They are made within the runtime of who calls first.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Peers for GrpcPeers {
    fn peer(&self, address: &str) -> Result<Arc<dyn Peer>, PeerError> {
        let mut known = self.0.lock();
        if let Some(client) = known.get(address) {
            return Ok(Arc::new(GrpcPeer(client.clone())));
        }
        let client = RaftClient::new(channel(address).map_err(|e| PeerError::Unreachable(e.to_string()))?)
            .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX);
        if known.len() >= CONNECTIONS_MAX {
            known.clear();
        }
        known.insert(address.to_owned(), client.clone());
        Ok(Arc::new(GrpcPeer(client)))
    }
}

#[derive(Debug)]
struct GrpcPeer(RaftClient<Channel>);

#[async_trait]
impl Peer for GrpcPeer {
    async fn call(
        &self,
        header: &PeerHeader,
        mut call: PeerCall,
        limit: Duration,
    ) -> Result<PeerAnswer, PeerError> {
        // As bytes, not as a list of numbers.
        let data = match &mut call {
            PeerCall::Snapshot(rpc) => std::mem::take(&mut rpc.data),
            _ => Vec::new(),
        };
        let body = serde_json::to_vec(&call).map_err(|e| PeerError::Refused(e.to_string()))?;
        let PeerHeader { cluster, from, to, to_disk } = header.clone();
        let remaining_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let mut request = Request::new(v1::PeerRequest {
            cluster,
            from,
            to,
            to_disk,
            remaining_ms,
            format: FORMAT,
            body: body.into(),
            data: data.into(),
        });
        request.set_timeout(limit);
        let mut client = self.0.clone();
        let reply = async {
            match call {
                PeerCall::Vote(_) => client.vote(request).await,
                PeerCall::Append(_) => client.append_entries(request).await,
                PeerCall::Snapshot(_) => client.install_snapshot(request).await,
                _ => client.ask(request).await,
            }
        };
        match timeout(limit, reply).await {
            Ok(Ok(reply)) => serde_json::from_slice(&reply.into_inner().body)
                .map_err(|e| PeerError::Lost(format!("an answer that cannot be read: {e}"))),
            Ok(Err(status)) => Err(failed(&status)),
            Err(_) => Err(PeerError::Lost(format!("nothing within {limit:?}"))),
        }
    }
}

/// What a failed call means. A connection that was never made has done nothing.
fn failed(status: &Status) -> PeerError {
    let message = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::FailedPrecondition | Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => {
            PeerError::Refused(status.message().to_owned())
        }
        Code::PermissionDenied => PeerError::Removed(status.message().to_owned()),
        _ if never_connected(status) => PeerError::Unreachable(message),
        _ => PeerError::Lost(message),
    }
}
