//! The Raft log, vote and commit index on disk.
//!
//! # To ensure correctness
//! - An append, a vote, a truncation and a purge are one durable commit each, finished before the call returns; openraft
//!   calls one after the other, and redb lets only one writer in, so a vote and an append keep their order.
//! - The flushed callback is called after the commit.
//! - An append must follow the last entry, purged ones included: there are no holes.
//! - Nothing is purged before the snapshot that has it is on disk: openraft orders both when a snapshot is installed,
//!   and does not wait for the one before the other.
//! - The commit index is written without a sync of its own: the entries are durable, so a lost index only means that a
//!   leader has to confirm them again before they are applied.

mod stopped;

use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{LogFlushed, RaftLogStorage},
};
use redb::{Durability, ReadableTable};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt::Debug,
    ops::{Bound, Range, RangeBounds},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

use super::{
    document,
    log_db::{FACTS, LOG, LogDb, LogError},
    types::{Entry, LogId, StorageError, StorageIoError, TypeConfig, Vote},
};

const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";
const VOTER_ID: &str = "voter_id";
const CLUSTER: &str = "cluster";
const DISK: &str = "disk";

/// Bytes of entries that one replication message carries, unless a single one is larger.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// For a snapshot that is being installed to be on disk, before the log that it stands for is purged.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(120);

/// The log. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct LogStore {
    db: Arc<LogDb>,
    /// The last entry of the snapshot on disk; `None`: there are no snapshots beside this log.
    snapshot: Option<watch::Receiver<Option<LogId>>>,
}

impl LogStore {
    pub(super) fn new(db: Arc<LogDb>) -> Self {
        Self { db, snapshot: None }
    }

    /// The same log, of which nothing is purged that the snapshot on disk does not have yet.
    pub(super) fn purged_after(self, snapshot: watch::Receiver<Option<LogId>>) -> Self {
        Self { snapshot: Some(snapshot), ..self }
    }

    /// The id that this log belongs to: `id`, if none had claimed it. Blocks on the disk.
    pub(super) fn claim(&self, id: u64) -> Result<u64, LogError> {
        match self.fact(VOTER_ID)? {
            Some(owner) => Ok(owner),
            None => self.set_fact(VOTER_ID, &id, Durability::Immediate).map(|()| id),
        }
    }

    /// Names this directory: what was made before, or now. Blocks on the disk.
    pub(super) fn disk_or(&self, make: impl FnOnce() -> String) -> Result<String, LogError> {
        match self.fact(DISK)? {
            Some(name) => Ok(name),
            None => {
                let name = make();
                self.set_fact(DISK, &name, Durability::Immediate).map(|()| name)
            }
        }
    }

    /// The cluster that the log is of; empty before it is of one. Blocks on the disk.
    pub(super) fn cluster(&self) -> Result<String, LogError> {
        Ok(self.fact(CLUSTER)?.unwrap_or_default())
    }

    /// Makes the log one of a cluster. Blocks on the disk.
    pub(super) fn set_cluster(&self, cluster: &str) -> Result<(), LogError> {
        self.set_fact(CLUSTER, &cluster.to_owned(), Durability::Immediate)
    }

    /// The last entry that is known to be committed. Blocks on the disk.
    pub(super) fn committed(&self) -> Result<Option<LogId>, LogError> {
        Ok(self.fact::<Option<LogId>>(COMMITTED)?.flatten())
    }

    fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, LogError> {
        self.db.read(|txn| {
            let value = txn.open_table(FACTS)?.get(name)?;
            value.map(|value| document::decode(value.value()).map_err(LogError::from)).transpose()
        })
    }

    fn set_fact<T: Serialize>(&self, name: &str, value: &T, durability: Durability) -> Result<(), LogError> {
        let value = document::encode(value)?;
        self.db.write(durability, |txn| {
            txn.open_table(FACTS)?.insert(name, value.as_slice())?;
            Ok(())
        })
    }

    fn state(&self) -> Result<LogState<TypeConfig>, LogError> {
        self.db.read(|txn| {
            let purged = txn.open_table(FACTS)?.get(PURGED)?;
            let last_purged_log_id: Option<LogId> =
                purged.map(|value| document::decode(value.value())).transpose()?;
            let log = txn.open_table(LOG)?;
            let last = log.last()?.map(|(_, value)| document::decode::<Entry>(value.value())).transpose()?;
            let last_log_id = last.map(|entry| entry.log_id).or(last_purged_log_id);
            Ok(LogState { last_purged_log_id, last_log_id })
        })
    }

    fn append_all(&self, entries: &[(u64, Vec<u8>)]) -> Result<(), LogError> {
        let purged = self.state()?.last_purged_log_id;
        self.db.write(Durability::Immediate, |txn| {
            let mut log = txn.open_table(LOG)?;
            let mut last = log.last()?.map(|(index, _)| index.value());
            for (index, entry) in entries {
                // An empty log may begin anywhere up to the entry after the last purged one.
                let begins = last.is_none() && purged.is_none_or(|purged| *index <= purged.index + 1);
                if !begins && last.is_none_or(|last| *index != last + 1) {
                    let last = last.or(purged.map(|purged| purged.index)).unwrap_or(0);
                    return Err(LogError::Hole { last, given: *index });
                }
                log.insert(index, entry.as_slice())?;
                last = Some(*index);
            }
            Ok(())
        })
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, LogError> {
        self.db.read(|txn| {
            let log = txn.open_table(LOG)?;
            let (mut entries, mut bytes) = (Vec::new(), 0);
            for item in log.range(range)? {
                let (_, value) = item?;
                bytes += value.value().len();
                if bytes > bytes_max && !entries.is_empty() {
                    break;
                }
                entries.push(document::decode(value.value())?);
            }
            Ok(entries)
        })
    }

    /// Runs blocking work on a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || work(&store)).await.map_err(|e| LogError::Task(e.to_string()))?
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(at) => *at,
        Bound::Excluded(at) => at.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(at) => at.saturating_add(1),
        Bound::Excluded(at) => *at,
        Bound::Unbounded => u64::MAX,
    };
    start..end.max(start)
}

fn read_error(error: LogError) -> StorageError {
    StorageIoError::read_logs(&error).into()
}

fn write_error(error: LogError) -> StorageError {
    StorageIoError::write_logs(&error).into()
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let range = half_open(&range);
        self.run(move |store| store.read(range, usize::MAX)).await.map_err(read_error)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        self.run(move |store| store.read(start..end, READ_BYTES_MAX)).await.map_err(read_error)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        self.run(Self::state).await.map_err(read_error)
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let vote = *vote;
        let saved = self.run(move |store| store.set_fact(VOTE, &vote, Durability::Immediate)).await;
        saved.map_err(|e| StorageIoError::write_vote(&e).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        self.run(|store| store.fact(VOTE)).await.map_err(|e| StorageIoError::read_vote(&e).into())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.run(move |store| store.set_fact(COMMITTED, &committed, Durability::None))
            .await
            .map_err(write_error)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        self.run(Self::committed).await.map_err(read_error)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let encode = |entry: Entry| Ok((entry.log_id.index, document::encode(&entry)?));
        let entries: Result<Vec<_>, LogError> = entries.into_iter().map(encode).collect();
        let entries = entries.map_err(write_error)?;
        self.run(move |store| store.append_all(&entries)).await.map_err(write_error)?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, since: LogId) -> Result<(), StorageError> {
        let work = move |store: &Self| {
            store.db.write(Durability::Immediate, |txn| {
                txn.open_table(LOG)?.retain_in(since.index.., |_, _| false)?;
                Ok(())
            })
        };
        self.run(work).await.map_err(write_error)
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        if let Some(snapshot) = &mut self.snapshot {
            let there = snapshot.wait_for(|newest| newest.is_some_and(|newest| newest.index >= upto.index));
            match timeout(SNAPSHOT_LIMIT, there).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return Err(write_error(LogError::NoSnapshot { upto: upto.index })),
            }
        }
        let work = move |store: &Self| {
            let purged = document::encode(&upto)?;
            store.db.write(Durability::Immediate, |txn| {
                txn.open_table(LOG)?.retain_in(..=upto.index, |_, _| false)?;
                txn.open_table(FACTS)?.insert(PURGED, purged.as_slice())?;
                Ok(())
            })
        };
        self.run(work).await.map_err(write_error)
    }
}
