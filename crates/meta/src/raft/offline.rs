//! A voter's data directory while no voter runs on it: reading it, and founding a new group.
//!
//! # To ensure correctness
//! A founded group goes on where no earlier one can have been: its versions, the epochs of all shards and its Raft term
//! begin [`RAISE`] above the state that it is founded from, and at the milliseconds since 1970 at least. So no
//! configuration, watch or vote of an earlier group is newer, one that was founded from the same state included, unless
//! that group got [`RAISE`] steps further than the state that was saved of it and made one a millisecond since it was
//! founded, or was founded by a clock that was ahead. Frontends and nodes that
//! followed the earlier group take the new one's state as a snapshot of a higher version.
//!
//! Voters of the earlier group must never run again: they do not know that they were replaced.

mod error;
mod fence;
mod found;
mod read;
#[cfg(test)]
mod tests;

pub use error::OfflineError;
pub use fence::{Fenced, fence};
pub use found::{found, replace};
pub use read::{Offline, read};

/// By how much versions, epochs and the term of a founded group are at least above those of the state that it is founded
/// from.
pub const RAISE: u64 = 1 << 20;

use std::{path::Path, sync::Arc};

use super::log_db::{LOG_FILE, LogDb, LogError};

/// Opens the log in a directory, which keeps voters out of it.
fn open_log(dir: &Path) -> Result<Arc<LogDb>, OfflineError> {
    match LogDb::open(&dir.join(LOG_FILE)) {
        Err(LogError::Open(redb::DatabaseError::DatabaseAlreadyOpen)) => {
            Err(OfflineError::InUse(dir.to_owned()))
        }
        opened => Ok(opened?),
    }
}
