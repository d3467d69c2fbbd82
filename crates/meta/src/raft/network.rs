//! openraft's connections to other voters, over [`Peers`].

use openraft::{
    RaftNetwork, RaftNetworkFactory,
    error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable},
    network::{Backoff, RPCOption},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
        VoteRequest, VoteResponse,
    },
};
use std::{sync::Arc, time::Duration};

use super::{
    identity::Identity,
    peers::{PeerAnswer, PeerCall, PeerError, PeerHeader, Peers, mismatched},
    types::{TypeConfig, VoterNode},
};

/// Pauses after a voter could not be reached double between these.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_millis(400);

/// Makes connections to other voters.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub identity: Arc<Identity>,
    pub peers: Arc<dyn Peers>,
}

/// A connection to one voter.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    network: Network,
    target: u64,
    node: VoterNode,
}

type RpcError<E> = RPCError<u64, VoterNode, E>;

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &VoterNode) -> Connection {
        Connection { network: self.clone(), target, node: node.clone() }
    }
}

impl Network {
    /// Asks the voter that is a member as `target` and `node`.
    pub(super) async fn call(
        &self,
        target: u64,
        node: &VoterNode,
        call: PeerCall,
        limit: Duration,
    ) -> Result<PeerAnswer, PeerError> {
        let header = PeerHeader {
            cluster: self.identity.cluster(),
            from: self.identity.id,
            to: target,
            to_disk: node.disk.clone(),
        };
        let answer = self.peers.peer(&node.addr)?.call(&header, call, limit).await;
        if let Err(PeerError::Removed(why)) = &answer {
            self.identity.was_removed(why);
        }
        answer
    }
}

impl Connection {
    async fn call(&self, call: PeerCall, option: RPCOption) -> Result<PeerAnswer, PeerError> {
        self.network.call(self.target, &self.node, call, option.hard_ttl()).await
    }

    /// What an answer of the right kind says.
    #[expect(clippy::result_large_err, reason = "openraft's trait fixes the type")]
    fn answered<T, E: std::error::Error>(&self, result: Result<T, E>) -> Result<T, RpcError<E>> {
        result.map_err(|e| RPCError::RemoteError(RemoteError::new(self.target, e)))
    }
}

/// A voter that was not reached, or is not the one, is left alone for a while; an answer that was lost is asked for
/// again at once.
fn failed<E: std::error::Error>(error: &PeerError) -> RpcError<E> {
    match error {
        PeerError::Unreachable(_) | PeerError::Refused(_) | PeerError::Removed(_) => {
            RPCError::Unreachable(Unreachable::new(error))
        }
        PeerError::Lost(_) => RPCError::Network(NetworkError::new(error)),
    }
}

impl RaftNetwork<TypeConfig> for Connection {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RpcError<RaftError<u64>>> {
        match self.call(PeerCall::Append(rpc), option).await {
            Ok(PeerAnswer::Append(answer)) => self.answered(answer),
            Ok(other) => Err(failed(&mismatched(&other))),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, RpcError<RaftError<u64, InstallSnapshotError>>> {
        match self.call(PeerCall::Snapshot(rpc), option).await {
            Ok(PeerAnswer::Snapshot(answer)) => self.answered(answer),
            Ok(other) => Err(failed(&mismatched(&other))),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, RpcError<RaftError<u64>>> {
        match self.call(PeerCall::Vote(rpc), option).await {
            Ok(PeerAnswer::Vote(answer)) => self.answered(answer),
            Ok(other) => Err(failed(&mismatched(&other))),
            Err(error) => Err(failed(&error)),
        }
    }

    fn backoff(&self) -> Backoff {
        let pauses = std::iter::successors(Some(BACKOFF_MIN), |last| Some((*last * 2).min(BACKOFF_MAX)));
        Backoff::new(pauses)
    }
}
