//! Finishes a change of the members that a leader began and did not live to finish.

use openraft::ServerState;
use std::{sync::Weak, time::Duration};
use tokio::time::sleep;

use super::node::RaftMeta;

/// For a change that is under way, before it counts as left over.
const SETTLE: Duration = Duration::from_millis(500);
/// For finishing one.
const FINISH_LIMIT: Duration = Duration::from_secs(5);

/// Runs until the voter ends.
pub(super) async fn run(voter: Weak<RaftMeta>) {
    let Some(mut raft) = voter.upgrade().map(|voter| voter.raft.server_metrics()) else { return };
    loop {
        let leads = raft.borrow_and_update().state == ServerState::Leader;
        let joint = voter.upgrade().is_some_and(|voter| leads && voter.is_joint());
        if !joint {
            if raft.changed().await.is_err() {
                return;
            }
            continue;
        }
        sleep(SETTLE).await;
        let Some(voter) = voter.upgrade() else { return };
        if voter.has_ended() {
            return;
        }
        match voter.finish_joint(FINISH_LIMIT).await {
            Ok(()) => {
                if !voter.is_joint() {
                    tracing::info!(voter = voter.id, "a change of the metadata voters is finished");
                }
            }
            // The lead may be lost, or the voters that are needed do not answer: seen again in a moment.
            Err(error) => {
                tracing::info!(voter = voter.id, %error, "a change of the metadata voters is not finished yet");
            }
        }
    }
}
