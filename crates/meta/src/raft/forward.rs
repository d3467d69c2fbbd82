//! Finding the leader, and trying again while there is none.

use std::time::Duration;
use tokio::time::timeout;

use super::{
    node::RaftMeta,
    peers::{Forwarded, ForwardedAnswer, PeerAnswer, PeerCall, mismatched},
};
use crate::{command::Command, store::MetaError};

/// One attempt, where another one may follow: a leader that hangs must not take all the time there is.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);
/// Between two attempts, unless a leader is seen before.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether a repetition of the command answers what the first one would have, so that one whose outcome is unknown may
/// be repeated without its proposer seeing the difference. The others are safe to repeat as well, but a compare-and-swap
/// that was made is refused the second time: only its proposer can tell what that means.
pub(crate) fn repeats_alike(command: &Command) -> bool {
    matches!(
        command,
        Command::CreateKey { .. }
            | Command::RevokeKey { .. }
            | Command::Register { .. }
            | Command::CreateMap { .. }
            | Command::DeleteNamespace { expect_version: None, .. }
            | Command::CreateSigningKey { .. }
            | Command::RevokeSigningKey { .. }
            | Command::PurgeProgress { .. }
    )
}

impl RaftMeta {
    /// Has the leader do it, this voter or another one, at most for `limit`.
    ///
    /// Where nothing was done, it is tried again until then: a change of the leader is ridden over. Where the outcome is
    /// unknown it is tried again only if `again` says that the answer will be the same.
    pub(super) async fn at_leader(
        &self,
        request: Forwarded,
        again: bool,
        limit: Duration,
    ) -> Result<ForwardedAnswer, MetaError> {
        let deadline = self.clock.monotonic() + limit;
        // A change of who takes part waits for a new voter to catch up.
        let attempt_max = match request {
            Forwarded::Change(_) => limit,
            _ if again => ATTEMPT_LIMIT,
            _ => limit,
        };
        let mut unknown = None;
        loop {
            let left = deadline.saturating_sub(self.clock.monotonic());
            // A receiver that is cloned has not seen what its original has: without this the pause below would be none.
            let mut raft = self.raft.server_metrics();
            raft.mark_unchanged();
            let error = match self.attempt(request.clone(), left.min(attempt_max)).await {
                Err(error @ MetaError::Unavailable(_)) => error,
                Err(error @ MetaError::Unknown(_)) if again => {
                    unknown = Some(error.clone());
                    error
                }
                other => return other,
            };
            let left = deadline.saturating_sub(self.clock.monotonic());
            if left <= PAUSE || self.has_ended() {
                return Err(unknown.unwrap_or(error));
            }
            let _ = timeout(PAUSE, raft.changed()).await;
        }
    }

    async fn attempt(&self, request: Forwarded, limit: Duration) -> Result<ForwardedAnswer, MetaError> {
        let (id, node) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let id = metrics
                .current_leader
                .ok_or_else(|| MetaError::Unavailable(format!("voter {} knows no leader", self.id)))?;
            (id, metrics.membership_config.membership().get_node(&id).cloned())
        };
        if id == self.id {
            return self.lead(request, limit).await;
        }
        let node =
            node.ok_or_else(|| MetaError::Unavailable(format!("the leader, voter {id}, is no member")))?;
        let asked = async {
            match self.network.call(id, &node, PeerCall::Forward(request), limit).await {
                Ok(PeerAnswer::Forwarded(answer)) => answer,
                Ok(other) => Err(mismatched(&other).into_meta()),
                Err(error) => Err(error.into_meta()),
            }
        };
        // One that hangs is not waited for once there is another leader.
        tokio::select! {
            answer = asked => answer,
            () = self.follows_another(id) => {
                Err(MetaError::Unknown(format!("voter {id} lost the lead while it was asked")))
            }
        }
    }

    async fn follows_another(&self, leader: u64) {
        let mut raft = self.raft.server_metrics();
        let another = |id: Option<u64>| id.is_some_and(|id| id != leader);
        if raft.wait_for(|now| another(now.current_leader)).await.is_err() {
            // Raft has ended, which the call will show.
            std::future::pending::<()>().await;
        }
    }

    /// Whether Raft has stopped or failed: nothing more can come of it.
    pub(super) fn has_ended(&self) -> bool {
        self.raft.metrics().borrow().running_state.is_err()
    }
}
