//! The last report of each role, and when keys last granted a request.

use headwater_types::{Clock, KeyId, UnixMillis};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::keys_used::{self, KeysUsed};
use crate::{
    limits::{REPORT_KEYS_MAX, REPORT_STALE, REPORTER_BYTES_MAX, REPORTERS_MAX},
    store::{MetaError, NodeReport, Presence, Report, Reporter},
};

/// How long a role that is gone is still shown, so that one sees that it is.
const FORGET_AFTER: Duration = Duration::from_secs(10 * 60);

#[derive(Debug, Clone)]
struct Seen {
    version: u64,
    node: Option<NodeReport>,
    at: Duration,
}

/// What roles reported to this voter. A new voter starts without, but for the times of keys.
pub struct PresenceBoard {
    clock: Arc<dyn Clock>,
    path: Option<PathBuf>,
    seen: Mutex<BTreeMap<String, Seen>>,
    pub(super) keys: Mutex<KeysUsed>,
}

impl fmt::Debug for PresenceBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceBoard").finish_non_exhaustive()
    }
}

/// What an earlier process left: a board without a clock yet.
#[derive(Debug)]
pub struct BoardFile {
    path: PathBuf,
    keys: KeysUsed,
}

impl BoardFile {
    /// The board that goes on from it.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> PresenceBoard {
        PresenceBoard { clock, path: Some(self.path), seen: Mutex::default(), keys: Mutex::new(self.keys) }
    }
}

impl PresenceBoard {
    /// Nobody has reported, and nothing outlives the process.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, path: None, seen: Mutex::default(), keys: Mutex::default() })
    }

    /// Reads what an earlier process left in `dir`. Blocks on the disk.
    pub fn open(dir: &Path) -> io::Result<BoardFile> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join(keys_used::FILE);
        Ok(BoardFile { keys: KeysUsed::load(&path), path })
    }

    /// Takes a report.
    ///
    /// # Errors
    /// [`MetaError::Invalid`] where it is larger than it may be, [`MetaError::Unavailable`] for a new reporter past
    /// [`REPORTERS_MAX`]. A report of an older process than one before is ignored.
    pub fn record(&self, report: Report) -> Result<(), MetaError> {
        check(&report)?;
        let now = self.clock.monotonic();
        {
            let mut seen = self.seen.lock();
            if !seen.contains_key(&report.reporter) && seen.len() >= REPORTERS_MAX {
                seen.retain(|_, last| now.saturating_sub(last.at) < REPORT_STALE);
                if seen.len() >= REPORTERS_MAX {
                    return Err(MetaError::Unavailable(format!("{REPORTERS_MAX} roles report already")));
                }
            }
            let incarnation = |node: &Option<NodeReport>| node.as_ref().map(|node| node.member.incarnation);
            let last = seen.get(&report.reporter).and_then(|last| incarnation(&last.node));
            if last.is_some() && last > incarnation(&report.node) {
                return Ok(());
            }
            seen.insert(report.reporter, Seen { version: report.version, node: report.node, at: now });
        }
        self.keys.lock().note(report.keys_used);
        Ok(())
    }

    /// What is known, by name. A role that has been silent for ten minutes is not in it any more.
    pub fn presence(&self) -> Presence {
        let now = self.clock.monotonic();
        let mut seen = self.seen.lock();
        seen.retain(|_, last| now.saturating_sub(last.at) < FORGET_AFTER);
        let reporter = |(name, last): (&String, &Seen)| Reporter {
            name: name.clone(),
            version: last.version,
            node: last.node,
            ago: now.saturating_sub(last.at),
        };
        let reporters = seen.iter().map(reporter).collect();
        drop(seen);
        Presence { reporters, keys_used: self.keys_used() }
    }

    /// When keys last granted a request.
    pub fn keys_used(&self) -> BTreeMap<KeyId, UnixMillis> {
        self.keys.lock().times().clone()
    }

    /// Writes the keys' times to their file, if any changed. Blocks on the disk.
    pub fn save(&self) {
        let Some(path) = &self.path else { return };
        let Some(document) = self.keys.lock().changed() else { return };
        if let Err(error) = keys_used::write(path, &document) {
            tracing::warn!(%error, path = %path.display(), "when keys were last used could not be saved");
        }
    }
}

fn check(report: &Report) -> Result<(), MetaError> {
    let (name, keys) = (&report.reporter, report.keys_used.len());
    if name.is_empty() || name.len() > REPORTER_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(MetaError::Invalid(format!(
            "a reporter's name has 1 to {REPORTER_BYTES_MAX} bytes and no control characters"
        )));
    }
    if keys > REPORT_KEYS_MAX {
        return Err(MetaError::Invalid(format!("a report of {keys} keys, at most {REPORT_KEYS_MAX}")));
    }
    Ok(())
}
