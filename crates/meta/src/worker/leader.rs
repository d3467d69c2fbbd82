//! A worker's view of its voter: whether it leads, what it has applied.

use openraft::{ServerState, metrics::RaftServerMetrics};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

use crate::{
    command::{Command, Outcome},
    raft::RaftMeta,
    state::State,
    store::{Applied, MetaError, MetaStore},
    watch::{Hub, Progress},
};

/// For one proposal.
const PROPOSE_LIMIT: Duration = Duration::from_secs(10);

/// A voter as its workers see it. Does not keep it alive.
#[derive(Clone)]
pub(super) struct Leader {
    voter: Weak<RaftMeta>,
    hub: Arc<Hub>,
    applied: watch::Receiver<Progress>,
    raft: watch::Receiver<RaftServerMetrics<u64, crate::raft::types::VoterNode>>,
}

impl Leader {
    pub fn of(voter: &Arc<RaftMeta>) -> Self {
        let hub = voter.hub.clone();
        Self { voter: Arc::downgrade(voter), applied: hub.progress(), hub, raft: voter.raft.server_metrics() }
    }

    /// Waits until the voter leads; its state then, or `None` once it has ended. What changes from here on wakes
    /// [`Self::changed`].
    pub async fn leads(&mut self) -> Option<Arc<State>> {
        loop {
            let open = self.applied.borrow_and_update().open;
            let leads = self.raft.borrow_and_update().state == ServerState::Leader;
            if !open || self.raft.has_changed().is_err() {
                return None;
            }
            if leads {
                return Some(self.hub.state());
            }
            // An error means that the voter has ended, which is looked at above.
            tokio::select! {
                _ = self.applied.changed() => {}
                _ = self.raft.changed() => {}
            }
        }
    }

    /// Waits for a change of the state or of the lead, at most `limit`.
    pub async fn changed(&mut self, limit: Duration) {
        let change = async {
            tokio::select! {
                _ = self.applied.changed() => {}
                _ = self.raft.changed() => {}
            }
        };
        // Nothing is lost by a limit that passes: the caller looks again.
        let _ = timeout(limit, change).await;
    }

    /// Whether the voter leads as far as it knows.
    pub fn still_leads(&self) -> bool {
        self.raft.borrow().state == ServerState::Leader
    }

    /// The voter, unless it has ended.
    pub fn voter(&self) -> Option<Arc<RaftMeta>> {
        self.voter.upgrade()
    }

    /// Proposes a command; `Ok(None)` if it was applied, else why it was refused.
    pub async fn propose(&self, command: Command) -> Result<Option<String>, MetaError> {
        let ended = || MetaError::Unavailable("the voter has ended".to_owned());
        let voter = self.voter().ok_or_else(ended)?;
        let Applied { outcome, .. } = voter.propose(command, PROPOSE_LIMIT).await?;
        Ok(match outcome {
            Outcome::Refused { code, message } => Some(format!("{code}: {message}")),
            _ => None,
        })
    }
}
