//! The last snapshot on disk.
//!
//! A snapshot is written to a temporary file, synced and renamed over the one before, and the directory is synced: a
//! crash leaves the old one or the new one. A temporary file that is found at the start is the rest of such a crash.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};
use tokio::sync::watch;

use super::{
    document::{self, DocumentError},
    types::{LogId, SnapshotMeta},
};
use crate::{durable, state::State};

/// The file in a voter's data directory.
pub(super) const FILE: &str = "snapshot.json";
const TEMPORARY: &str = "snapshot.json.tmp";

/// A snapshot as the file has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredSnapshot {
    pub meta: SnapshotMeta,
    pub state: State,
    /// Every id that a member ever had; absent in files of version 0.1.
    #[serde(default)]
    pub member_ids: BTreeSet<u64>,
}

/// A snapshot as voters send it to each other, beside its meta.
#[derive(Debug, Serialize, Deserialize)]
struct Carried {
    member_ids: BTreeSet<u64>,
    state: State,
}

impl StoredSnapshot {
    /// The document that is sent, and the meta that goes with it.
    pub(super) fn carry(self) -> Result<(SnapshotMeta, Vec<u8>), DocumentError> {
        let Self { meta, state, member_ids } = self;
        Ok((meta, document::encode(&Carried { member_ids, state })?))
    }

    /// From what was received.
    pub(super) fn receive(meta: SnapshotMeta, carried: &[u8]) -> Result<Self, DocumentError> {
        let Carried { member_ids, state } = document::decode(carried)?;
        Ok(Self { meta, state, member_ids })
    }
}

/// The directory of the snapshot. Its calls block on the disk.
#[derive(Debug)]
pub(super) struct SnapshotFile {
    dir: PathBuf,
    /// Held while the file is written.
    saving: Mutex<()>,
    /// What the file has.
    newest: watch::Sender<Option<LogId>>,
}

impl SnapshotFile {
    /// Opens the directory and reads what is there.
    pub(super) fn open(dir: &Path) -> io::Result<(Self, Option<StoredSnapshot>)> {
        match fs::remove_file(dir.join(TEMPORARY)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let file = Self { dir: dir.to_owned(), saving: Mutex::new(()), newest: watch::Sender::new(None) };
        let stored = file.load()?;
        file.newest.send_replace(stored.as_ref().and_then(|stored| stored.meta.last_log_id));
        Ok((file, stored))
    }

    /// The last entry that the snapshot on disk has.
    pub(super) fn newest(&self) -> watch::Receiver<Option<LogId>> {
        self.newest.subscribe()
    }

    /// Reads the snapshot, if there is one.
    pub(super) fn load(&self) -> io::Result<Option<StoredSnapshot>> {
        match fs::read(self.dir.join(FILE)) {
            Ok(document) => document::decode(&document).map(Some).map_err(io::Error::other),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Replaces the snapshot, unless a newer one is there already: one that was being built may be overtaken by one
    /// that a leader sent.
    pub(super) fn save(&self, snapshot: &StoredSnapshot) -> io::Result<()> {
        let document = document::encode(snapshot).map_err(io::Error::other)?;
        let _saving = self.saving.lock();
        if *self.newest.borrow() > snapshot.meta.last_log_id {
            return Ok(());
        }
        durable::replace(&self.dir.join(FILE), &document)?;
        self.newest.send_replace(snapshot.meta.last_log_id);
        Ok(())
    }
}
