//! When a voter stands for election: by timers of our own, and only after the others said that it would win.
//!
//! openraft 0.9 draws a voter's timeout once for its whole process and stands without asking: two voters that are close
//! split their votes again and again, one whose log is behind makes the others wait, and one that was away deposes a
//! leader that the others still hear. So its elections are off, and this one asks first: Pre-Vote (Ongaro, "Consensus:
//! Bridging Theory and Practice", 2014, section 9.6).

use futures_util::{StreamExt, stream::FuturesUnordered};
use headwater_types::Rng;
use openraft::ServerState;
use std::{
    collections::BTreeSet,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::time::sleep;

use super::{
    node::RaftMeta,
    peers::{PeerAnswer, PeerCall},
    types::{LogId, VoterNode},
};

/// Between two attempts of a voter: random within this range, so that two do not stay in step.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(250));
/// For asking another voter.
const ASK_LIMIT: Duration = Duration::from_millis(300);
/// A voter that leads or does not vote looks again this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Stands for election when no leader was heard for a random time within `silence`, until the voter ends.
pub(super) async fn run(voter: Weak<RaftMeta>, rng: Arc<dyn Rng>, silence: (Duration, Duration)) {
    let mut patience = random(&*rng, silence);
    loop {
        let pause = match voter.upgrade() {
            None => return,
            Some(voter) if voter.has_ended() => return,
            Some(voter) => match voter.may_stand() {
                Standing::Not => {
                    patience = random(&*rng, silence);
                    LOOK_EVERY
                }
                Standing::Alone => {
                    voter.stand().await;
                    LOOK_EVERY
                }
                Standing::After(silent) if silent < patience => {
                    // Heard again meanwhile, it waits anew.
                    (patience - silent).min(LOOK_EVERY)
                }
                Standing::After(_) => {
                    if voter.would_win().await {
                        voter.stand().await;
                    }
                    random(&*rng, AGAIN)
                }
            },
        };
        sleep(pause).await;
    }
}

fn random(rng: &dyn Rng, (from, to): (Duration, Duration)) -> Duration {
    let micros = u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u64::MAX).max(1);
    from + Duration::from_micros(rng.next_u64() % micros)
}

/// Whether a voter has reason to stand.
enum Standing {
    /// It leads, or has no vote.
    Not,
    /// There is no other voter.
    Alone,
    /// It has heard no leader for so long.
    After(Duration),
}

impl RaftMeta {
    fn may_stand(&self) -> Standing {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let config = &metrics.membership_config;
        let votes = config.voter_ids().any(|id| id == self.id);
        if metrics.state == ServerState::Leader || !votes {
            return Standing::Not;
        }
        match config.voter_ids().count() {
            1 if metrics.state == ServerState::Candidate => Standing::Not,
            1 => Standing::Alone,
            _ => Standing::After(self.silence()),
        }
    }

    async fn stand(&self) {
        // An error means that Raft has ended, which is seen next.
        let _ = self.raft.trigger().elect().await;
    }

    /// For how long this voter has heard no leader, nor given its vote away.
    pub(super) fn silence(&self) -> Duration {
        let heard = Duration::from_micros(self.heard.load(Ordering::Relaxed));
        self.clock.monotonic().saturating_sub(heard)
    }

    /// Whether this voter would vote for one whose log ends with `last`: it hears no leader, is none, and its own log has
    /// no more. Changes nothing.
    pub(super) fn would_vote_for(&self, last: Option<LogId>) -> bool {
        let leads = self.raft.metrics().borrow().state == ServerState::Leader && self.in_touch(self.lease);
        !leads && self.silence() >= self.lease && last >= self.last_log()
    }

    /// Where its log ends, or ended a moment ago: the vote itself looks again.
    fn last_log(&self) -> Option<LogId> {
        self.raft.data_metrics().borrow().last_log
    }

    /// Whether so many voters would vote for this one that it would lead: of a change of the members that is under way,
    /// a majority of the old ones and of the new ones.
    async fn would_win(&self) -> bool {
        let last = self.last_log();
        let (sets, others) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let config = &metrics.membership_config;
            let voters: BTreeSet<u64> = config.voter_ids().filter(|id| *id != self.id).collect();
            let nodes = config.nodes().filter(|(id, _)| voters.contains(id));
            let others: Vec<(u64, VoterNode)> = nodes.map(|(id, node)| (*id, node.clone())).collect();
            (config.membership().get_joint_config().clone(), others)
        };
        let mut votes = BTreeSet::from([self.id]);
        let ask = |(id, node): (u64, VoterNode)| async move {
            let call = PeerCall::PreVote { last };
            matches!(self.network.call(id, &node, call, ASK_LIMIT).await, Ok(PeerAnswer::PreVote(true)))
                .then_some(id)
        };
        let mut answers: FuturesUnordered<_> = others.into_iter().map(ask).collect();
        while !has_majorities(&sets, &votes) {
            match answers.next().await {
                Some(vote) => votes.extend(vote),
                None => return false,
            }
        }
        true
    }
}

fn has_majorities(sets: &[BTreeSet<u64>], votes: &BTreeSet<u64>) -> bool {
    sets.iter().all(|set| set.intersection(votes).count() > set.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_set_of_voters_more_than_half_is_needed() {
        let set = |ids: &[u64]| ids.iter().copied().collect::<BTreeSet<u64>>();
        assert!(!has_majorities(&[set(&[1, 2, 3])], &set(&[1])));
        assert!(has_majorities(&[set(&[1, 2, 3])], &set(&[1, 3])));
        assert!(!has_majorities(&[set(&[1, 2, 3, 4])], &set(&[1, 3])));
        assert!(!has_majorities(&[set(&[1, 2, 3]), set(&[3, 4, 5])], &set(&[1, 2, 3])));
        assert!(has_majorities(&[set(&[1, 2, 3]), set(&[3, 4, 5])], &set(&[1, 3, 5])));
    }
}
