//! openraft's own conformance suite, on the real stores.

use openraft::{
    StorageIOError,
    testing::{StoreBuilder, Suite},
};
use std::sync::Arc;
use tempfile::TempDir;

use crate::{
    metrics::MetaMetrics,
    raft::{
        log_db::LogDb,
        log_store::LogStore,
        snapshot_file::SnapshotFile,
        state_machine::StateMachine,
        types::{StorageError, TypeConfig},
    },
    watch::Hub,
};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError> {
        let dir = tempfile::tempdir().map_err(|e| StorageIOError::write(&e))?;
        let db = LogDb::open(&dir.path().join("raft.redb")).map_err(|e| StorageIOError::write(&e))?;
        let (file, snapshot) = SnapshotFile::open(dir.path()).map_err(|e| StorageIOError::write(&e))?;
        let machine = StateMachine::new(Hub::new(), file, snapshot, None, MetaMetrics::new(), Arc::default());
        Ok((dir, LogStore::new(db), machine))
    }
}

#[test]
fn openraft_conformance() {
    Suite::test_all(Builder).unwrap();
}
