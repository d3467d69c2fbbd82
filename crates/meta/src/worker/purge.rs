//! Purges: a job over all shards, driven by the leader, which lists what is below the prefix and deletes it at the heads.

mod sweep;
#[cfg(test)]
mod tests;

use headwater_types::{ShardId, UnixMillis, limits::SHARD_COUNT};
use std::{sync::Arc, time::Duration};

use super::{WorkerParts, leader::Leader};
use crate::{command::Command, records::PurgeRecord, state::State};
use sweep::Sweep;

/// Shards of one step. What a step has done is remembered when it is complete: a leader that takes over does at most
/// one step again.
const SHARDS_PER_STEP: u16 = 64;
/// A progress with nothing but a larger count is proposed this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// With nothing to purge, the state is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After a step that failed, as where a node is away: at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Runs until the voter ends.
///
/// Purges are done one after the other, the oldest first. Every delete is a versioned write of the shard's head, as if
/// a client had asked for it. It takes what was stored before the purge was asked for, by the head's clock against the
/// leader's; what was stored later stays, unless it replaces an older object between the look and the delete. Where the
/// namespace is gone everything is taken.
pub(super) async fn run(mut leader: Leader, parts: WorkerParts) {
    let mut pause = BACKOFF.0;
    while let Some(state) = leader.leads().await {
        let Some(purge) = state.purges.values().find(|purge| purge.finished_at.is_none()).cloned() else {
            leader.changed(LOOK_EVERY).await;
            continue;
        };
        match step(&leader, &parts, &state, &purge).await {
            Ok(()) => pause = BACKOFF.0,
            Err(why) => {
                tracing::info!(purge = purge.id, namespace = %purge.name, shards_done = purge.shards_done, why, "a purge waits");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
}

/// One step of a purge and its progress. An error leaves the step to be done again.
async fn step(
    leader: &Leader,
    parts: &WorkerParts,
    state: &Arc<State>,
    purge: &PurgeRecord,
) -> Result<(), String> {
    let end = purge.shards_done.saturating_add(SHARDS_PER_STEP).min(SHARD_COUNT);
    // Without a map nothing was ever stored.
    let end = if state.shards.is_empty() { SHARD_COUNT } else { end };
    let sweep = Sweep::new(parts, state, purge, older_than(state, purge));
    let shards: Vec<ShardId> = (purge.shards_done..end).filter_map(ShardId::new).collect();
    {
        let work = sweep.run(&shards);
        tokio::pin!(work);
        loop {
            match tokio::time::timeout(PROGRESS_EVERY, &mut work).await {
                Ok(Ok(())) => break,
                Ok(Err(why)) => {
                    // What it has removed counts, though the step is done again.
                    progress(leader, purge, purge.shards_done, sweep.removed()).await?;
                    return Err(why);
                }
                Err(_) if leader.still_leads() => {
                    progress(leader, purge, purge.shards_done, sweep.removed()).await?;
                }
                Err(_) => return Err("this voter does not lead any more".to_owned()),
            }
        }
    }
    progress(leader, purge, end, sweep.removed()).await
}

/// What is stored before this is taken; `None`: everything.
fn older_than(state: &State, purge: &PurgeRecord) -> Option<UnixMillis> {
    state.namespaces.contains_key(&purge.namespace).then_some(purge.created_at)
}

async fn progress(
    leader: &Leader,
    purge: &PurgeRecord,
    shards_done: u16,
    removed: u64,
) -> Result<(), String> {
    let removed = purge.removed + removed;
    let command = Command::PurgeProgress { id: purge.id, shards_done, removed };
    match leader.propose(command).await {
        Ok(None) => Ok(()),
        Ok(Some(refused)) => Err(refused),
        Err(error) => Err(error.to_string()),
    }
}
