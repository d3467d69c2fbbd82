//! Opening a voter's directory, and why a voter could not start.

use headwater_types::Rng;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    identity::Identity,
    log_db::{LOG_FILE, LogDb, LogError},
    log_store::LogStore,
    member_ids::MemberIds,
    snapshot_file::{SnapshotFile, StoredSnapshot},
    types::LogId,
};
use crate::durable;

/// Why a voter could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The timers do not fit together.
    #[error("configuration: {0}")]
    Config(#[from] Box<openraft::ConfigError>),
    /// The directory or the snapshot cannot be read or written.
    #[error("data directory: {0}")]
    Io(#[from] io::Error),
    /// Another process has the directory.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The log cannot be opened.
    #[error("log: {0}")]
    Log(#[from] LogError),
    /// The directory belongs to another voter.
    #[error("the data directory belongs to voter {owner}, not to voter {given}")]
    OtherVoter {
        /// Whose it is.
        owner: u64,
        /// Who was to be started.
        given: u64,
    },
    /// A second cluster would be founded.
    #[error(
        "there is cluster {0} already, and this voter's data directory is empty: remove it from there and let it join \
         under an id that was never used"
    )]
    Founded(String),
    /// Raft itself failed.
    #[error("raft: {0}")]
    Raft(String),
}

/// What a directory holds.
pub(super) struct Opened {
    pub db: Arc<LogDb>,
    pub log: LogStore,
    pub identity: Arc<Identity>,
    pub members: Arc<MemberIds>,
    pub file: SnapshotFile,
    pub snapshot: Option<StoredSnapshot>,
    pub committed: Option<LogId>,
}

impl Opened {
    /// Opens the directory of voter `id`, or makes it. Blocks on the disk.
    pub(super) fn open(dir: &Path, id: u64, rng: &dyn Rng) -> Result<Self, StartError> {
        std::fs::create_dir_all(dir)?;
        let db = match LogDb::open(&dir.join(LOG_FILE)) {
            Err(LogError::Open(redb::DatabaseError::DatabaseAlreadyOpen)) => {
                return Err(StartError::InUse(dir.to_owned()));
            }
            opened => opened?,
        };
        durable::sync_parent(&dir.join(LOG_FILE))?;
        let (file, snapshot) = SnapshotFile::open(dir)?;
        let log = LogStore::new(db.clone());
        let owner = log.claim(id)?;
        if owner != id {
            return Err(StartError::OtherVoter { owner, given: id });
        }
        let members = Arc::new(MemberIds::default());
        let identity = Arc::new(Identity::open(id, &log, rng, members.clone())?);
        let committed = log.committed()?;
        Ok(Self { db, log, identity, members, file, snapshot, committed })
    }
}
