//! Makes the shard map while this voter leads: the driver of [`placement::first_map`].

use openraft::ServerState;
use std::{sync::Weak, time::Duration};
use tokio::time::{sleep, timeout};

use super::node::RaftMeta;
use crate::{
    command::Outcome,
    placement,
    store::{Applied, MetaError, MetaStore},
};

/// For the proposal.
const PROPOSE_LIMIT: Duration = Duration::from_secs(10);
/// Before the next attempt after one that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Runs until there is a map or the voter ends.
///
/// `settle`: how long no new node must have registered. Nodes are never taken away and are bounded in number, so that
/// registrations put the map off only so often.
///
/// The state may be behind the log, as just after an election. A map that is in the log already is safe from this
/// one, which is applied after it and then changes nothing.
pub(super) async fn run(voter: Weak<RaftMeta>, settle: Duration) {
    let Some((hub, mut raft)) = voter.upgrade().map(|v| (v.hub.clone(), v.raft.server_metrics())) else {
        return;
    };
    let mut applied = hub.progress();
    loop {
        // Seen before they are used: what changes from here on wakes the wait below.
        let open = applied.borrow_and_update().open;
        let leads = raft.borrow_and_update().state == ServerState::Leader;
        let state = hub.state();
        let ended = !open || raft.has_changed().is_err();
        if ended || !state.shards.is_empty() {
            return;
        }
        if let Some(command) = leads.then(|| placement::first_map(&state)).flatten() {
            let known = state.nodes.len();
            let unsettled = applied.wait_for(|now| !now.open || hub.state().nodes.len() != known);
            if timeout(settle, unsettled).await.is_ok() {
                continue;
            }
            let Some(voter) = voter.upgrade() else { return };
            if !told(voter.propose(command, PROPOSE_LIMIT).await) {
                drop(voter);
                sleep(RETRY_PAUSE).await;
            }
            continue;
        }
        // An error means that the voter has ended, which is looked at above.
        tokio::select! {
            _ = applied.changed() => {}
            _ = raft.changed() => {}
        }
    }
}

/// Logs what became of a proposal; answers whether there is a map.
fn told(result: Result<Applied, MetaError>) -> bool {
    match result {
        Ok(Applied { outcome: Outcome::Refused { code, message }, .. }) => {
            tracing::warn!(code, message, "the planned shard map was refused");
            false
        }
        Ok(Applied { version, .. }) => {
            tracing::info!(version, "there is a shard map");
            true
        }
        // The lead may just have been lost; whoever has it then makes the map.
        Err(error) => {
            tracing::info!(%error, "the shard map is not made yet");
            false
        }
    }
}
