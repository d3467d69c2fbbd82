//! The audit log: every change that an administrator made, as a line of the log, a line of a file and in a ring.

mod file;
#[cfg(test)]
mod tests;

use headwater_types::api::AuditEntry;
use parking_lot::Mutex;
use std::{collections::VecDeque, io, path::Path, sync::Arc};

use file::AuditFile;

/// Entries that a process remembers for `/v1/audit`.
pub const ENTRIES_KEPT: usize = 1_000;
/// Bytes at which the file becomes `<name>.1`, in place of the one before: at most twice as much is kept.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// An audit log. A clone writes to the same one.
#[derive(Debug, Clone, Default)]
pub struct AuditLog {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ring: Mutex<Ring>,
    file: Option<Arc<Mutex<AuditFile>>>,
}

/// The last entries, each with its number since the process started.
#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<(u64, AuditEntry)>,
    recorded: u64,
}

impl AuditLog {
    /// Keeps entries in memory and writes them to the log.
    pub fn memory() -> Self {
        Self::default()
    }

    /// Also appends them to a file as JSON lines. The file is made if it is not there, for its owner only.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bounded(path.as_ref(), FILE_BYTES_MAX)
    }

    fn bounded(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = Some(Arc::new(Mutex::new(AuditFile::open(path, bytes_max)?)));
        Ok(Self { inner: Arc::new(Inner { ring: Mutex::default(), file }) })
    }

    /// Writes an entry; it is in the file and synced when this returns. A file that cannot be written is an error in the
    /// log, where the entry stands too: the change was made already.
    pub async fn record(&self, entry: AuditEntry) {
        let line = serde_json::to_string(&entry).unwrap_or_default();
        tracing::info!(target: "audit", action = %entry.action, target_name = %entry.target, who = %entry.who, entry = %line, "change");
        if let Some(file) = self.inner.file.clone() {
            let written = tokio::task::spawn_blocking(move || file.lock().append(&line)).await;
            if let Err(error) = written.map_err(io::Error::other).and_then(|written| written) {
                tracing::error!(%error, action = %entry.action, "the audit file was not written");
            }
        }
        let mut ring = self.inner.ring.lock();
        if ring.entries.len() >= ENTRIES_KEPT {
            ring.entries.pop_front();
        }
        let number = ring.recorded;
        ring.entries.push_back((number, entry));
        ring.recorded += 1;
    }

    /// The last entries, newest first.
    pub fn last(&self, limit: usize) -> Vec<AuditEntry> {
        self.before(None).take(limit).map(|(_, entry)| entry).collect()
    }

    /// Entries with their numbers, newest first; those that are older than the one of this number.
    pub(crate) fn before(&self, number: Option<u64>) -> impl Iterator<Item = (u64, AuditEntry)> {
        let ring = self.inner.ring.lock();
        let older = |(at, _): &&(u64, AuditEntry)| number.is_none_or(|number| *at < number);
        ring.entries.iter().rev().filter(older).cloned().collect::<Vec<_>>().into_iter()
    }
}
