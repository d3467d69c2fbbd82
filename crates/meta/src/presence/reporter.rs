//! The task with which a role tells the voters that it lives and how far its copy of the metadata is.

use headwater_types::{KeyId, UnixMillis};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

use crate::{
    cache::MetaCache,
    limits::{REPORT_EVERY, REPORT_KEYS_MAX},
    store::{Guidance, MetaStore, NodeReport, Report},
};

/// A new version is reported this long after it came, so that several that come together make one report.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// For one report.
const REPORT_LIMIT: Duration = Duration::from_secs(2);

/// What a role has to say beside its version.
pub trait ReportExtras: Send + Sync + fmt::Debug + 'static {
    /// What a storage node says of itself.
    fn node(&self) -> Option<NodeReport> {
        None
    }

    /// Takes the keys that granted a request since this was last asked, at most `max`. They are reported until a voter
    /// has them.
    fn take_keys_used(&self, max: usize) -> Vec<(KeyId, UnixMillis)> {
        let _ = max;
        Vec::new()
    }

    /// Takes what the leader wants.
    fn guided(&self, guidance: Guidance) {
        let _ = guidance;
    }
}

/// A role that has nothing more to say.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoExtras;

impl ReportExtras for NoExtras {}

/// Reports every [`REPORT_EVERY`], and within 50 ms after the copy has a new version, until the task is aborted.
///
/// `name`: role and id, such as `frontend-1`.
pub async fn run(
    store: Arc<dyn MetaStore>,
    cache: Arc<MetaCache>,
    name: String,
    extras: Arc<dyn ReportExtras>,
) {
    let mut version = cache.subscribe();
    let mut keys_used = Vec::new();
    loop {
        version.borrow_and_update();
        if keys_used.is_empty() {
            keys_used = extras.take_keys_used(REPORT_KEYS_MAX);
        }
        let report = Report {
            reporter: name.clone(),
            version: cache.version(),
            node: extras.node(),
            keys_used: keys_used.clone(),
            ..Report::default()
        };
        match timeout(REPORT_LIMIT, store.report(report)).await {
            Ok(Ok(reported)) => {
                keys_used.clear();
                if let Some(guidance) = reported.guidance {
                    extras.guided(guidance);
                }
            }
            Ok(Err(error)) => tracing::debug!(%name, %error, "no voter took the report"),
            Err(_) => tracing::debug!(%name, "no voter took the report within {REPORT_LIMIT:?}"),
        }
        // An error would mean that the copy is gone, which is held here.
        if timeout(REPORT_EVERY, version.changed()).await.is_ok() {
            sleep(DEBOUNCE).await;
        }
    }
}
