//! What the worker measures.

use headwater_types::UnixMillis;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// The metrics of backups. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct BackupMetrics {
    last_success: Gauge,
    last_version: Gauge,
    failures: Counter,
}

impl BackupMetrics {
    /// Adds them to a registry, as `headwater_meta_backup_*` if that has the prefix `headwater`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("meta_backup");
        registry.register(
            "last_success_seconds",
            "Unix time of the newest backup that this voter made or found while it led; 0 before the first",
            self.last_success.clone(),
        );
        registry.register(
            "last_version",
            "Version of the metadata in the newest backup that this voter made or found while it led",
            self.last_version.clone(),
        );
        registry.register("failures", "Backups that could not be made", self.failures.clone());
    }

    pub(super) fn succeeded(&self, at: UnixMillis, version: u64) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.last_success.set(gauge(at.0 / 1000));
        self.last_version.set(gauge(version));
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> (i64, i64, u64) {
        (self.last_success.get(), self.last_version.get(), self.failures.get())
    }
}
