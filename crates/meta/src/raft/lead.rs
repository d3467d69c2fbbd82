//! What only the leader does itself: proposing and confirming that it leads.

use openraft::{
    ServerState,
    error::{ClientWriteError, RaftError},
};
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::time::timeout;

use super::{
    node::RaftMeta,
    peers::{Forwarded, ForwardedAnswer},
    types::LogCommand,
};
use crate::{
    command::{Envelope, Outcome},
    limits::PROPOSALS_MAX,
    presence::{Lead, Led},
    state::State,
    store::{Applied, MetaError, Report, Reported},
    watch::Hub,
};

/// A leader guides nobody once no quorum has answered it for this long: another one may by then.
const GUIDES_WITHIN: Duration = Duration::from_secs(1);

/// A leader takes nothing on once no quorum has answered it for this long.
const QUORUM_WITHIN: Duration = Duration::from_secs(1);

/// A voter as its own board sees it, which does not keep it alive.
#[derive(Debug)]
pub(super) struct OwnBoard {
    pub voter: Weak<RaftMeta>,
    pub hub: Arc<Hub>,
}

impl Led for OwnBoard {
    fn state(&self) -> Arc<State> {
        self.hub.state()
    }

    fn lead(&self) -> Option<Lead> {
        let voter = self.voter.upgrade()?;
        let state = voter.leading(GUIDES_WITHIN)?;
        let term = voter.raft.metrics().borrow().current_term;
        Some(Lead { term, state })
    }
}

impl RaftMeta {
    /// The state as applied, if this voter leads and a quorum answered it within the last `within`. A deposed leader
    /// that has not noticed yet answers `None` once that time has passed.
    pub fn leading(&self, within: Duration) -> Option<Arc<State>> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let answered = metrics.millis_since_quorum_ack.map(Duration::from_millis);
        let leads = metrics.state == ServerState::Leader && metrics.running_state.is_ok();
        (leads && answered.is_some_and(|ago| ago <= within)).then(|| self.hub.state())
    }

    /// Whether this voter hears of what is decided: a quorum answers the leader, or the leader this follower.
    pub(super) fn in_touch(&self, within: Duration) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        if metrics.current_leader == Some(self.id) {
            return metrics.millis_since_quorum_ack.is_none_or(|ago| Duration::from_millis(ago) <= within);
        }
        self.silence() <= within
    }

    /// A leader that this voter follows has called, or it has voted for one.
    pub(super) fn heard_leader(&self) {
        let micros = u64::try_from(self.clock.monotonic().as_micros()).unwrap_or(u64::MAX);
        self.heard.store(micros, Ordering::Relaxed);
    }

    /// Takes a role's report for this voter alone.
    pub(super) fn take_report(&self, report: Report) -> Result<Reported, MetaError> {
        let guidance = self.board.record(report)?;
        Ok(Reported { version: self.hub.state().version, guidance })
    }

    /// Does what only the leader may, within `limit`. [`MetaError::Unavailable`] where this voter does not lead.
    pub(super) async fn lead(
        &self,
        request: Forwarded,
        limit: Duration,
    ) -> Result<ForwardedAnswer, MetaError> {
        let leader = self.raft.metrics().borrow().current_leader;
        if leader != Some(self.id) {
            return Err(MetaError::Unavailable(format!(
                "voter {} does not lead; the leader is {leader:?}",
                self.id
            )));
        }
        if self.has_ended() {
            return Err(MetaError::Unavailable(format!("voter {} has stopped", self.id)));
        }
        // What is written without a quorum waits for ever, and may still be there when its proposer has long given up.
        if !self.in_touch(QUORUM_WITHIN) {
            return Err(MetaError::Unavailable(format!(
                "no quorum has answered voter {}, the leader, for {QUORUM_WITHIN:?}",
                self.id
            )));
        }
        match request {
            // What this voter does not know it would refuse where a newer one applies it: it may not be in the log.
            Forwarded::Propose(command) => {
                match Envelope::decode(&command.to_bytes()).and_then(Envelope::check_proposed) {
                    Ok(_) => self.write(command, limit).await.map(ForwardedAnswer::Applied),
                    Err(refusal) => {
                        Ok(ForwardedAnswer::Applied(Applied { version: 0, outcome: Outcome::from(refusal) }))
                    }
                }
            }
            Forwarded::Read => self.confirm(limit).await.map(ForwardedAnswer::Version),
            Forwarded::Change(change) => self.change(change, limit).await.map(ForwardedAnswer::Membership),
        }
    }

    /// Confirms with a quorum that this voter leads, waits until it has applied what was committed by now, and answers
    /// the version of that.
    pub(super) async fn confirm(&self, limit: Duration) -> Result<u64, MetaError> {
        match timeout(limit, self.raft.ensure_linearizable()).await {
            Ok(Ok(at)) => Ok(at.map_or(0, |id| id.index)),
            Ok(Err(e)) => Err(MetaError::Unavailable(e.to_string())),
            Err(_) => Err(MetaError::Unavailable(format!("not confirmed within {limit:?}"))),
        }
    }

    async fn write(&self, command: LogCommand, limit: Duration) -> Result<Applied, MetaError> {
        let Ok(_place) = self.proposing.try_acquire() else {
            return Err(MetaError::Unavailable(format!("{PROPOSALS_MAX} proposals are under way")));
        };
        match timeout(limit, self.raft.client_write(command)).await {
            Ok(Ok(response)) => Ok(Applied { version: response.log_id.index, outcome: response.data }),
            // The lead was lost under way. The entry may never have been in the log, or it was and had to give way
            // to another leader's: then a third voter may still have it.
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(e)))) => {
                Err(MetaError::Unknown(e.to_string()))
            }
            Ok(Err(e)) => Err(MetaError::Unknown(e.to_string())),
            Err(_) => Err(MetaError::Unknown(format!("no outcome within {limit:?}"))),
        }
    }
}
