//! Disaster recovery of the metadata: backups on demand, a new group from a backup or from what one voter has.

mod backup;
mod force_zone;
mod restore;
#[cfg(test)]
mod tests;

pub use backup::{BackupArgs, backup};
pub use force_zone::{ForceZoneArgs, force_zone};
pub use restore::{RestoreArgs, restore};

use anyhow::Result;
use headwater_types::UnixMillis;
use serde::Serialize;
use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

/// A time as people read it.
fn date(at: UnixMillis) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_millis(at.0))
}

/// Prints what a command did: for people, or as one line of JSON.
fn print(json: bool, document: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
    let text = if json { serde_json::to_string(document)? } else { text() };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

/// Runs work that blocks on the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
