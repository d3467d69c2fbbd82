//! What a voter does when another one calls.

use async_trait::async_trait;
use openraft::raft::AppendEntriesResponse;
use std::time::Duration;

use super::{
    node::RaftMeta,
    peers::{Peer, PeerAnswer, PeerCall, PeerError, PeerHeader},
};
use crate::store::MetaError;

#[async_trait]
impl Peer for RaftMeta {
    async fn call(
        &self,
        header: &PeerHeader,
        call: PeerCall,
        limit: Duration,
    ) -> Result<PeerAnswer, PeerError> {
        if !matches!(call, PeerCall::Identify | PeerCall::Adopt { .. }) {
            self.identity.check(header)?;
        }
        // Who asks to join is told by the change itself which id it needs.
        if !matches!(call, PeerCall::Identify | PeerCall::Adopt { .. } | PeerCall::Join(_)) {
            self.identity.check_member(header)?;
        }
        match call {
            PeerCall::Append(rpc) => {
                let answer = self.raft.append_entries(rpc).await;
                if answer.as_ref().is_ok_and(|answer| !matches!(answer, AppendEntriesResponse::HigherVote(_)))
                {
                    self.heard_leader();
                }
                Ok(PeerAnswer::Append(answer))
            }
            PeerCall::Vote(rpc) => {
                let answer = self.raft.vote(rpc).await;
                if answer.as_ref().is_ok_and(|answer| answer.vote_granted) {
                    self.heard_leader();
                }
                Ok(PeerAnswer::Vote(answer))
            }
            PeerCall::PreVote { last } => Ok(PeerAnswer::PreVote(self.would_vote_for(last))),
            PeerCall::Snapshot(rpc) => Ok(PeerAnswer::Snapshot(self.raft.install_snapshot(rpc).await)),
            PeerCall::Identify => Ok(PeerAnswer::Identity(self.identity.told())),
            PeerCall::Adopt { cluster } => self.adopted(header, cluster).await,
            PeerCall::Join(change) => Ok(self.let_join(change, limit).await),
            PeerCall::Forward(request) if limit.is_zero() => Ok(PeerAnswer::Forwarded(Err(
                MetaError::Unavailable(format!("no time was left for {request:?}")),
            ))),
            PeerCall::Forward(request) => Ok(PeerAnswer::Forwarded(self.lead(request, limit).await)),
            PeerCall::Report(report) => {
                let reported = self.take_report(*report).map_err(|e| PeerError::Refused(e.to_string()))?;
                Ok(PeerAnswer::Reported(reported))
            }
        }
    }
}

impl RaftMeta {
    async fn adopted(&self, header: &PeerHeader, cluster: String) -> Result<PeerAnswer, PeerError> {
        let told = self.identity.told();
        if header.to != told.id || header.to_disk != told.disk {
            return Err(PeerError::Refused(format!("this is voter {}, not voter {}", told.id, header.to)));
        }
        self.adopt(cluster).await.map_err(|e| PeerError::Lost(e.to_string()))?;
        Ok(PeerAnswer::Identity(self.identity.told()))
    }
}
