//! Moves shards to where the plan wants them: the driver of [`Planner`].

use headwater_types::{Clock, Member};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::leader::Leader;
use crate::{
    command::{Command, ShardChange},
    limits::{REPORT_STALE, SHARD_CHANGES_MAX},
    placement::{Planner, moves},
    state::State,
    store::MetaStore,
};

/// With nothing new in the state, moves are looked at this often: nodes come and go, and patience ends.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two looks at a state that changes all the time: a plan costs milliseconds.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// How often the gauges are counted.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// Runs until the voter ends.
pub(super) async fn run(mut leader: Leader, clock: Arc<dyn Clock>) {
    let mut planner = Planner::default();
    let mut batch = SHARD_CHANGES_MAX;
    let mut refusals = 0;
    let mut counted = None;
    while let Some(state) = leader.leads().await {
        let Some(voter) = leader.voter() else { return };
        let presence = voter.presence(&[]).await;
        let now = clock.monotonic();
        if counted.is_none_or(|at| now.saturating_sub(at) >= COUNT_EVERY) {
            counted = Some(now);
            let counts = moves(&state);
            voter.metrics().moves(&counts);
        }
        drop(voter);
        let alive = presence.map(|presence| alive(&presence)).unwrap_or_default();
        let mut changes = planner.steps(&state, &alive, now);
        // Not always the same one first: a change that is refused must not stop the others.
        let first = refusals % changes.len().max(1);
        changes.rotate_left(first);
        changes.truncate(batch);
        if changes.is_empty() {
            leader.changed(LOOK_EVERY).await;
            tokio::time::sleep(LOOK_PAUSE).await;
            continue;
        }
        let next = propose(&leader, &state, changes, batch).await;
        refusals = if next < batch || next == 1 { refusals + 1 } else { 0 };
        batch = next;
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Proposes steps; answers how many the next command may have. A command is applied as a whole or not at all, and a head
/// may have been faster in one of its shards: smaller ones then get through.
async fn propose(leader: &Leader, state: &State, changes: Vec<ShardChange>, batch: usize) -> usize {
    let shards = changes.len();
    match leader.propose(Command::Reconfigure { changes }).await {
        Ok(None) => {
            tracing::debug!(shards, version = state.version, "shards are being moved");
            SHARD_CHANGES_MAX
        }
        Ok(Some(why)) => {
            tracing::info!(shards, why, "steps of moves were refused");
            (batch.min(shards) / 2).max(1)
        }
        Err(error) => {
            tracing::info!(shards, %error, "steps of moves were not made yet");
            leader.clone().changed(LOOK_EVERY).await;
            batch
        }
    }
}

/// Processes of nodes that reported lately.
fn alive(presence: &crate::store::Presence) -> BTreeSet<Member> {
    let recent = presence.reporters.iter().filter(|reporter| reporter.ago <= REPORT_STALE);
    recent.filter_map(|reporter| Some(reporter.node.as_ref()?.member)).collect()
}
