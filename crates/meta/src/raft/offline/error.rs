//! Why a data directory was not read or made.

use std::{io, path::PathBuf};

use crate::{raft::log_db::LogError, store::MetaError};

/// Why a data directory was not read or made. Nothing was changed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// There is no log in it.
    #[error("{0} is not the data directory of a metadata voter")]
    NotAVoter(PathBuf),
    /// A voter runs on it.
    #[error("{0} is in use: stop the voter first")]
    InUse(PathBuf),
    /// Something is in it.
    #[error("{0} is not empty: a new group is founded in an empty directory only")]
    NotEmpty(PathBuf),
    /// An id of an earlier group was given to the new voter.
    #[error("voter id {id} was used already: take one that is none of {used:?}")]
    UsedId {
        /// The id.
        id: u64,
        /// Ids that the directory knows.
        used: Vec<u64>,
    },
    /// The new voter's id or address cannot be one.
    #[error("{0}")]
    Voter(String),
    /// Entries are missing between the snapshot and the log, or inside of it.
    #[error("entry {expected} is missing: the snapshot and the log do not fit together")]
    Hole {
        /// The first one that is not there.
        expected: u64,
    },
    /// The disk.
    #[error("{path}: {error}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The log cannot be read or written.
    #[error("log: {0}")]
    Log(#[from] LogError),
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] MetaError),
}

impl OfflineError {
    /// Names where it happened.
    pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, error }
    }
}
