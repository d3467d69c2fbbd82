//! The log of a voter that is not running: reading it whole, and beginning one behind a snapshot.

use redb::Durability;

use super::{COMMITTED, LogStore, PURGED, READ_BYTES_MAX, VOTE, VOTER_ID};
use crate::raft::{
    document,
    log_db::{FACTS, LogError},
    types::{Entry, LogId, Vote},
};

/// What the log says besides its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::raft) struct Facts {
    /// Whose it is; `None`: no voter has started on it.
    pub voter: Option<u64>,
    pub vote: Option<Vote>,
    pub committed: Option<LogId>,
    /// The last entry, purged ones included.
    pub last: Option<LogId>,
}

impl LogStore {
    /// Reads what stands beside the entries. Blocks on the disk.
    pub(in crate::raft) fn facts(&self) -> Result<Facts, LogError> {
        Ok(Facts {
            voter: self.fact(VOTER_ID)?,
            vote: self.fact(VOTE)?,
            committed: self.committed()?,
            last: self.state()?.last_log_id,
        })
    }

    /// Some of the entries from `index` on; empty if there are none. Blocks on the disk.
    pub(in crate::raft) fn entries_from(&self, index: u64) -> Result<Vec<Entry>, LogError> {
        self.read(index..u64::MAX, READ_BYTES_MAX)
    }

    /// Makes the empty log of `voter` one that goes on after `last`, which a snapshot holds. One durable commit. Blocks
    /// on the disk.
    pub(in crate::raft) fn begin_after(&self, voter: u64, vote: Vote, last: LogId) -> Result<(), LogError> {
        let facts = [
            (VOTER_ID, document::encode(&voter)?),
            (VOTE, document::encode(&vote)?),
            (COMMITTED, document::encode(&Some(last))?),
            (PURGED, document::encode(&last)?),
        ];
        self.db.write(Durability::Immediate, |txn| {
            let mut table = txn.open_table(FACTS)?;
            for (name, value) in &facts {
                table.insert(*name, value.as_slice())?;
            }
            Ok(())
        })
    }
}
