//! `[backup]` of a metadata voter.

use headwater_meta::backup::{EVERY_DEFAULT, KEEP_DEFAULT, Target};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::{ConfigError, value};

/// Seconds between backups.
const EVERY_S: std::ops::RangeInclusive<u64> = 10..=86_400;
/// Backups in a target.
const KEEP: std::ops::RangeInclusive<usize> = 1..=10_000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupLow {
    target: String,
    every_s: Option<u64>,
    keep: Option<usize>,
}

/// The leader's regular backups.
#[derive(Debug, Clone)]
pub struct BackupReady {
    /// Where to.
    pub target: Target,
    /// How often.
    pub every: Duration,
    /// How many stay.
    pub keep: usize,
}

impl BackupLow {
    pub(super) fn ready(self) -> Result<BackupReady, ConfigError> {
        let target = Target::open(&self.target).map_err(|e| value("backup.target", &self.target, e))?;
        let every_s = self.every_s.unwrap_or(EVERY_DEFAULT.as_secs());
        if !EVERY_S.contains(&every_s) {
            let allowed = format!("{} to {} seconds", EVERY_S.start(), EVERY_S.end());
            return Err(value("backup.every_s", every_s, allowed));
        }
        let keep = self.keep.unwrap_or(KEEP_DEFAULT);
        if !KEEP.contains(&keep) {
            return Err(value("backup.keep", keep, format!("{} to {}", KEEP.start(), KEEP.end())));
        }
        Ok(BackupReady { target, every: Duration::from_secs(every_s), keep })
    }
}
