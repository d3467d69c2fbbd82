//! Connections to other voters. There is no transport yet: every voter but oneself is unreachable.

use openraft::{
    RaftNetwork, RaftNetworkFactory,
    error::{InstallSnapshotError, RPCError, RaftError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
        VoteRequest, VoteResponse,
    },
};

use super::types::TypeConfig;

/// Makes connections to other voters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network;

/// A connection to a voter that cannot be reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoConnection {
    target: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no transport to voter {0}")]
struct NoTransport(u64);

type RpcError<E> = RPCError<u64, openraft::BasicNode, E>;

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = NoConnection;

    async fn new_client(&mut self, target: u64, _node: &openraft::BasicNode) -> NoConnection {
        NoConnection { target }
    }
}

impl NoConnection {
    #[expect(clippy::result_large_err, reason = "openraft's trait fixes the type")]
    fn unreachable<T, E: std::error::Error>(&self) -> Result<T, RpcError<E>> {
        Err(RPCError::Unreachable(Unreachable::new(&NoTransport(self.target))))
    }
}

impl RaftNetwork<TypeConfig> for NoConnection {
    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RpcError<RaftError<u64>>> {
        self.unreachable()
    }

    async fn install_snapshot(
        &mut self,
        _rpc: InstallSnapshotRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, RpcError<RaftError<u64, InstallSnapshotError>>> {
        self.unreachable()
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<u64>,
        _option: RPCOption,
    ) -> Result<VoteResponse<u64>, RpcError<RaftError<u64>>> {
        self.unreachable()
    }
}
