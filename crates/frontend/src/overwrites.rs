//! Media that is stored again under its name: caches may go on serving what it was before.

use headwater_telemetry::redact_text;
use headwater_types::ObjectKey;
use parking_lot::Mutex;
use prometheus_client::metrics::{counter::Counter, family::Family};
use std::{sync::Arc, time::Duration};

use crate::metrics::NamespaceLabel;

/// Overwrites are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Counts overwrites by namespace, and logs them sparingly: an encoder that has restarted its counter overwrites each of
/// its segments.
#[derive(Debug)]
pub(crate) struct Overwrites {
    count: Family<NamespaceLabel, Counter>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    unlogged: u64,
    logged_at: Option<Duration>,
}

impl Overwrites {
    /// Counts into `count`.
    pub fn new(count: Family<NamespaceLabel, Counter>) -> Self {
        Self { count, log: Mutex::default() }
    }

    /// A PUT has replaced an object of class media, now by the monotonic clock.
    pub fn note(&self, namespace: &Arc<str>, key: &ObjectKey, now: Duration) {
        self.count.get_or_create(&NamespaceLabel { namespace: namespace.clone() }).inc();
        if let Some(overwrites) = self.log.lock().due(now) {
            let key = redact_text(key.as_str());
            tracing::info!(%namespace, %key, overwrites, "media was overwritten: caches may still serve what it was");
        }
    }
}

impl Log {
    /// Overwrites since the last line, if another line may be written.
    fn due(&mut self, now: Duration) -> Option<u64> {
        self.unlogged += 1;
        if self.logged_at.is_some_and(|at| now.saturating_sub(at) < LOG_INTERVAL) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_once_in_the_interval_and_tells_of_all_since_the_last() {
        let mut log = Log::default();
        let due: Vec<_> = [0, 1, 59, 60, 61].map(|second| log.due(Duration::from_secs(second))).into();
        assert_eq!(due, [Some(1), None, None, Some(3), None]);
    }
}
