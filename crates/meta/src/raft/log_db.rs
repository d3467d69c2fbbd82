//! The redb file under the log: opening, transactions, and an end that releases its lock.

use parking_lot::RwLock;
use redb::{
    Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, StorageError, TableDefinition,
    WriteTransaction,
};
use std::{fs::File, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

use super::document::DocumentError;

/// The file in a voter's data directory.
pub(super) const LOG_FILE: &str = "raft.redb";
/// Log entries by index: documents of `Entry`.
pub(super) const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
/// Single documents by name, see `log_store`.
pub(super) const FACTS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("facts");

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file could not be opened; another process may hold it.
    #[error("open: {0}")]
    Open(#[from] redb::DatabaseError),
    /// A transaction could not begin.
    #[error("begin: {0}")]
    Begin(#[from] Box<redb::TransactionError>),
    /// A table could not be opened.
    #[error("table: {0}")]
    Table(#[from] redb::TableError),
    /// A read or a write failed.
    #[error("storage: {0}")]
    Storage(#[from] redb::StorageError),
    /// A commit failed; what it wrote may be there or not.
    #[error("commit: {0}")]
    Commit(#[from] redb::CommitError),
    /// The kind of commit is not possible.
    #[error("durability: {0}")]
    Durability(#[from] redb::SetDurabilityError),
    /// What was read is damaged or from a newer build.
    #[error("document: {0}")]
    Document(String),
    /// The snapshot that has what is to be purged did not come.
    #[error("there is no snapshot up to entry {upto}, which is to be purged")]
    NoSnapshot {
        /// The last entry to be purged.
        upto: u64,
    },
    /// An append would leave a hole.
    #[error("entry {given} does not follow entry {last}")]
    Hole {
        /// The last entry that is there.
        last: u64,
        /// The one to be appended.
        given: u64,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// The thread that worked on it panicked or the runtime ended.
    #[error("task: {0}")]
    Task(String),
}

impl From<DocumentError> for LogError {
    fn from(error: DocumentError) -> Self {
        Self::Document(error.to_string())
    }
}

/// The open file. Its calls block on the disk.
#[derive(Debug)]
pub(super) struct LogDb(RwLock<Option<Database>>);

impl LogDb {
    /// Opens or makes the file. Its lock keeps other processes out.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, LogError> {
        // It holds the secrets of signing keys.
        let made = File::options().append(true).create(true).mode(0o600).open(path);
        drop(made.map_err(|e| DatabaseError::Storage(StorageError::Io(e)))?);
        let db = Arc::new(Self(RwLock::new(Some(Database::create(path)?))));
        db.write(Durability::Immediate, |txn| {
            txn.open_table(LOG)?;
            txn.open_table(FACTS)?;
            Ok(())
        })?;
        Ok(db)
    }

    /// Reads from a consistent view.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let db = self.0.read();
        let txn = db.as_ref().ok_or(LogError::Closed)?.begin_read().map_err(Box::new)?;
        work(&txn)
    }

    /// Commits what `work` writes, or nothing. Writers wait for each other. With [`Durability::Immediate`] it is on
    /// disk on return, with everything committed before.
    pub(super) fn write<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&WriteTransaction) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let db = self.0.read();
        let mut txn = db.as_ref().ok_or(LogError::Closed)?.begin_write().map_err(Box::new)?;
        txn.set_durability(durability)?;
        let result = work(&txn)?;
        txn.commit()?;
        Ok(result)
    }

    /// Waits for transactions under way, then releases the file. Every later call fails.
    pub(super) fn close(&self) {
        self.0.write().take();
    }
}
