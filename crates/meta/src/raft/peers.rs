//! How voters call each other: directly within one process, over gRPC between processes.

mod local;

use async_trait::async_trait;
use openraft::{
    error::{InstallSnapshotError, RaftError},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
        VoteRequest, VoteResponse,
    },
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};

pub use local::LocalPeers;

use super::types::{LogCommand, LogId, TypeConfig};
use crate::store::{Applied, MemberChange, Membership, MetaError, Report, Reported};

/// Who calls whom. A voter answers only what is for it, by a member of its own cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerHeader {
    /// The cluster of the caller; empty before it has one.
    pub cluster: String,
    /// The caller.
    pub from: u64,
    /// Who is called; 0: whoever listens there.
    pub to: u64,
    /// The directory of who is called; empty: any.
    pub to_disk: String,
}

/// What a voter asks of another one.
#[derive(Clone, Serialize, Deserialize)]
pub enum PeerCall {
    /// Raft: entries, or a heartbeat.
    Append(AppendEntriesRequest<TypeConfig>),
    /// Raft: a vote.
    Vote(VoteRequest<u64>),
    /// Raft: a piece of a snapshot.
    Snapshot(InstallSnapshotRequest<TypeConfig>),
    /// Would it be voted for? Binds nobody.
    PreVote {
        /// The last entry of the caller's log.
        last: Option<LogId>,
    },
    /// Who listens there? Answered to everybody.
    Identify,
    /// Take this cluster as yours, if you have none. Answered to everybody.
    Adopt {
        /// Its id.
        cluster: String,
    },
    /// Make the caller a member, from one that is none yet.
    Join(MemberChange),
    /// For the leader, from a voter that is none: it must not go any further.
    Forward(Forwarded),
    /// A role's report, to be remembered.
    Report(Box<Report>),
}

impl fmt::Debug for PeerCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Append(_) => "Append",
            Self::Vote(_) => "Vote",
            Self::Snapshot(_) => "Snapshot",
            Self::PreVote { .. } => "PreVote",
            Self::Identify => "Identify",
            Self::Adopt { .. } => "Adopt",
            Self::Join(_) => "Join",
            Self::Forward(_) => "Forward",
            Self::Report(_) => "Report",
        })
    }
}

/// What a follower hands to the leader.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Forwarded {
    /// An encoded [`crate::command::Envelope`].
    Propose(LogCommand),
    /// Which version is it now?
    Read,
    /// A change of who takes part.
    Change(MemberChange),
}

/// The answer to a [`PeerCall`], of the same kind.
#[derive(Debug, Serialize, Deserialize)]
pub enum PeerAnswer {
    /// To an append.
    Append(Result<AppendEntriesResponse<u64>, RaftError<u64>>),
    /// To a vote request.
    Vote(Result<VoteResponse<u64>, RaftError<u64>>),
    /// To a piece of a snapshot.
    Snapshot(Result<InstallSnapshotResponse<u64>, RaftError<u64, InstallSnapshotError>>),
    /// To the question whether the caller would be voted for.
    PreVote(bool),
    /// To the question who listens, and to an adoption.
    Identity(PeerIdentity),
    /// To what was forwarded, and to who wants to join.
    Forwarded(Result<ForwardedAnswer, MetaError>),
    /// To a report.
    Reported(Reported),
}

/// The leader's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ForwardedAnswer {
    /// To a proposal.
    Applied(Applied),
    /// To a read.
    Version(u64),
    /// To a change of who takes part.
    Membership(Membership),
}

/// Who a voter is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerIdentity {
    /// Its id.
    pub id: u64,
    /// Its cluster; empty before it has one.
    pub cluster: String,
    /// Names its directory.
    pub disk: String,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It never got there.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// It got there and was not for whom it met; nothing was done.
    #[error("refused: {0}")]
    Refused(String),
    /// It got there, and the caller is no member any more; nothing was done.
    #[error("refused: {0}")]
    Removed(String),
    /// It may have been done.
    #[error("no answer: {0}")]
    Lost(String),
}

impl PeerError {
    /// What that means for who waits for an outcome.
    pub(super) fn into_meta(self) -> MetaError {
        match self {
            Self::Unreachable(_) | Self::Refused(_) | Self::Removed(_) => {
                MetaError::Unavailable(self.to_string())
            }
            Self::Lost(_) => MetaError::Unknown(self.to_string()),
        }
    }
}

/// A voter as the others see it.
#[async_trait]
pub trait Peer: Send + Sync + fmt::Debug + 'static {
    /// Asks it. The answer is of the call's kind and comes within `limit`, or there is none.
    async fn call(
        &self,
        header: &PeerHeader,
        call: PeerCall,
        limit: Duration,
    ) -> Result<PeerAnswer, PeerError>;
}

/// Ways to the other voters.
pub trait Peers: Send + Sync + fmt::Debug + 'static {
    /// The voter at `address`. Connects when it is first called, and again whenever its connection is lost.
    fn peer(&self, address: &str) -> Result<Arc<dyn Peer>, PeerError>;
}

/// A voter that is alone: nobody is reached.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeers;

impl Peers for NoPeers {
    fn peer(&self, address: &str) -> Result<Arc<dyn Peer>, PeerError> {
        Err(PeerError::Unreachable(format!("there is no transport to {address:?}")))
    }
}

/// An answer of another kind than the call.
pub(super) fn mismatched(answer: &PeerAnswer) -> PeerError {
    PeerError::Lost(format!("an answer of another kind: {answer:?}"))
}
