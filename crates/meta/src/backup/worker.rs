//! The leader's regular backup.

use headwater_types::Clock;
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

use super::{BackupError, BackupMetrics, Target};
use crate::state::State;

/// How often, unless told otherwise.
pub const EVERY_DEFAULT: Duration = Duration::from_secs(600);
/// How often the worker looks whether it leads and whether a backup is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For one backup, retries of the object store included.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(120);
/// After one that failed.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// What the leader of the group has.
#[derive(Debug, Clone)]
pub struct Leading {
    /// The state as applied.
    pub state: Arc<State>,
    /// The cluster's name; empty where it is not known.
    pub cluster: String,
}

/// Backs the metadata up every `every` while `leads` answers something, and keeps the newest `keep`. Runs until it is
/// aborted.
///
/// `leads` must answer `None` unless a quorum has lately confirmed the lead: a deposed leader's older state must not
/// become the newest backup. A new leader goes on with the pace of the one before, by the newest backup that it finds.
/// A state that has not changed is not written again.
pub async fn run(
    target: Target,
    every: Duration,
    keep: usize,
    leads: impl Fn() -> Option<Leading> + Send,
    clock: Arc<dyn Clock>,
    metrics: BackupMetrics,
) {
    let mut due = Duration::ZERO;
    loop {
        sleep(LOOK_EVERY.min(every)).await;
        let Some(leading) = leads().filter(|_| clock.monotonic() >= due) else { continue };
        let attempt = attempt(&target, every, keep, leading, &*clock, &metrics);
        let error = match timeout(ATTEMPT_LIMIT, attempt).await {
            Ok(Ok(next)) => {
                due = clock.monotonic() + next;
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not done within {ATTEMPT_LIMIT:?}"),
        };
        metrics.failed();
        tracing::warn!(%target, %error, "the metadata could not be backed up; trying again");
        due = clock.monotonic() + RETRY_AFTER.min(every);
    }
}

/// Backs up if the newest backup is old enough; answers when to look again.
async fn attempt(
    target: &Target,
    every: Duration,
    keep: usize,
    leading: Leading,
    clock: &dyn Clock,
    metrics: &BackupMetrics,
) -> Result<Duration, BackupError> {
    let now = clock.unix_millis();
    let version = leading.state.version;
    if let Some(newest) = target.list().await?.pop() {
        let age = Duration::from_millis(now.millis_since(newest.at));
        if age < every {
            metrics.succeeded(newest.at, newest.version);
            return Ok(every - age);
        }
        if newest.version == version {
            metrics.succeeded(now, version);
            return Ok(every);
        }
    }
    let saved = target.save(leading.state, &leading.cluster, now, keep).await?;
    metrics.succeeded(saved.at, saved.version);
    tracing::info!(%target, name = saved.name, bytes = saved.bytes, "the metadata is backed up");
    Ok(every)
}
