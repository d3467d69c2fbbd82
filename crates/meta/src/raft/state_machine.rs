//! The state machine as openraft sees it: applies entries to the [`Hub`], takes and installs snapshots.
//!
//! The state lives in memory. After a start it is the last snapshot's, and openraft applies the log behind it up to the
//! last known commit index again.

use bytes::Bytes;
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder, SnapshotMeta as OpenraftSnapshotMeta,
    storage::RaftStateMachine,
};
use std::{
    collections::BTreeSet,
    io::{self, Cursor},
    sync::Arc,
};

use super::{
    member_ids::MemberIds,
    snapshot_file::{SnapshotFile, StoredSnapshot},
    types::{
        Entry, LogId, Snapshot, SnapshotMeta, StorageError, StorageIoError, StoredMembership, TypeConfig,
        VoterNode,
    },
};
use crate::{
    command::Outcome,
    metrics::MetaMetrics,
    state::{Effect, State},
    watch::Hub,
};

/// Drives the state.
#[derive(Debug)]
pub(super) struct StateMachine {
    hub: Arc<Hub>,
    file: Arc<SnapshotFile>,
    metrics: MetaMetrics,
    members: Arc<MemberIds>,
    last_applied: Option<LogId>,
    membership: StoredMembership,
    /// Entries up to here were applied by an earlier process, which reported what they lost.
    reported: Option<LogId>,
}

impl StateMachine {
    /// Continues from a snapshot. `reported`: the last entry that an earlier process had committed.
    pub(super) fn new(
        hub: Arc<Hub>,
        file: SnapshotFile,
        snapshot: Option<StoredSnapshot>,
        reported: Option<LogId>,
        metrics: MetaMetrics,
        members: Arc<MemberIds>,
    ) -> Self {
        let (mut last_applied, mut membership) = (None, StoredMembership::default());
        if let Some(StoredSnapshot { meta, state, member_ids }) = snapshot {
            hub.install(state);
            members.restore(member_ids, &meta.last_membership);
            last_applied = meta.last_log_id;
            membership = meta.last_membership;
        }
        Self { hub, file: Arc::new(file), metrics, members, last_applied, membership, reported }
    }

    fn apply_one(&mut self, entry: Entry) -> Outcome {
        let log_id = entry.log_id;
        self.last_applied = Some(log_id);
        let command = match entry.payload {
            EntryPayload::Blank => Bytes::new(),
            EntryPayload::Normal(command) => command.to_bytes(),
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(log_id), membership);
                self.members.note(&self.membership);
                Bytes::new()
            }
        };
        let Effect { outcome, lost } = self.hub.apply(log_id.index, command);
        if Some(log_id) > self.reported {
            if lost.incomplete > 0 {
                tracing::error!(
                    version = log_id.index,
                    shards = lost.incomplete,
                    "the last in-sync member of shards restarted: acknowledged objects may be lost"
                );
            }
            if lost.empty > 0 {
                tracing::info!(
                    version = log_id.index,
                    shards = lost.empty,
                    "every member of shards restarted: what was only in their memory is gone"
                );
            }
            self.metrics.lost(lost);
        }
        outcome
    }
}

/// A copy of the state to be written as a snapshot.
#[derive(Debug)]
pub(super) struct SnapshotBuilder {
    file: Arc<SnapshotFile>,
    state: Arc<State>,
    last_applied: Option<LogId>,
    membership: StoredMembership,
    member_ids: BTreeSet<u64>,
}

/// Runs blocking work on a thread that may block.
async fn run<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn open_stored(stored: StoredSnapshot) -> io::Result<Snapshot> {
    let (meta, bytes) = stored.carry().map_err(io::Error::other)?;
    Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        // The state is a function of the log, so the log's position names the snapshot.
        let snapshot_id = self.last_applied.map_or_else(|| "empty".to_owned(), |id| id.to_string());
        let meta = SnapshotMeta {
            last_log_id: self.last_applied,
            last_membership: self.membership.clone(),
            snapshot_id,
        };
        let (file, state, signature) = (self.file.clone(), self.state.clone(), meta.signature());
        let member_ids = self.member_ids.clone();
        let work = move || {
            let stored = StoredSnapshot { meta, state: Arc::unwrap_or_clone(state), member_ids };
            file.save(&stored)?;
            open_stored(stored)
        };
        run(work).await.map_err(|e| StorageIoError::write_snapshot(Some(signature), &e).into())
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Outcome>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        Ok(entries.into_iter().map(|entry| self.apply_one(entry)).collect())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            file: self.file.clone(),
            state: self.hub.state(),
            last_applied: self.last_applied,
            membership: self.membership.clone(),
            member_ids: self.members.ever(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &OpenraftSnapshotMeta<u64, VoterNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let (file, received) = (self.file.clone(), meta.clone());
        let work = move || {
            let stored = StoredSnapshot::receive(received, snapshot.get_ref()).map_err(io::Error::other)?;
            file.save(&stored)?;
            Ok(stored)
        };
        let StoredSnapshot { state, member_ids, .. } = run(work)
            .await
            .map_err(|e| StorageError::from(StorageIoError::write_snapshot(Some(meta.signature()), &e)))?;
        self.last_applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.members.restore(member_ids, &self.membership);
        self.hub.install(state);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        let file = self.file.clone();
        let loaded = run(move || file.load()?.map(open_stored).transpose()).await;
        loaded.map_err(|e| StorageIoError::read_snapshot(None, &e).into())
    }
}
