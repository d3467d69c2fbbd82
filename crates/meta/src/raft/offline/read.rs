//! Reading the directory of a stopped voter.

use headwater_types::UnixMillis;
use openraft::EntryPayload;
use std::{collections::BTreeSet, path::Path};

use super::{OfflineError, open_log};
use crate::{
    command::Envelope,
    raft::{
        log_db::LOG_FILE,
        log_store::LogStore,
        snapshot_file::SnapshotFile,
        types::{Entry, StoredMembership, VoterNode},
    },
    state::State,
    store::MetaMember,
};

/// What a stopped voter has.
#[derive(Debug, Clone)]
pub struct Offline {
    /// The state with every entry that the voter has, those included of which it does not know whether they are
    /// committed: one that was acknowledged may be among them, and who was told that the outcome is unknown must be
    /// ready for either.
    pub state: State,
    /// Whose directory it is.
    pub voter: Option<u64>,
    /// The highest term that it took part in.
    pub term: u64,
    /// The last entry that it knows to be committed.
    pub committed: u64,
    /// The last entry that it has.
    pub last: u64,
    /// When the last command that it has was proposed, by the proposer's clock.
    pub last_at: Option<UnixMillis>,
    /// Who took part in the group, as far as it knows.
    pub members: Vec<MetaMember>,
}

/// Reads the data directory of a stopped voter: its snapshot with the entries behind it. Refused while a voter runs on
/// it. Changes nothing but what opening the log after a crash repairs. Blocks on the disk.
pub fn read(dir: &Path) -> Result<Offline, OfflineError> {
    if !dir.join(LOG_FILE).is_file() {
        return Err(OfflineError::NotAVoter(dir.to_owned()));
    }
    let db = open_log(dir)?;
    let offline = read_open(dir, &LogStore::new(db.clone()));
    db.close();
    offline
}

fn read_open(dir: &Path, log: &LogStore) -> Result<Offline, OfflineError> {
    let (_, snapshot) = SnapshotFile::open(dir).map_err(OfflineError::at(dir))?;
    let facts = log.facts()?;
    let mut reading = Reading::default();
    let mut committed = 0;
    if let Some(stored) = snapshot {
        // What is in a snapshot was committed.
        committed = stored.meta.last_log_id.map_or(0, |id| id.index);
        reading.next = stored.meta.last_log_id.map_or(0, |id| id.index + 1);
        reading.membership = stored.meta.last_membership;
        reading.state = stored.state;
    }
    loop {
        let entries = log.entries_from(reading.next)?;
        if entries.is_empty() {
            break;
        }
        entries.into_iter().try_for_each(|entry| reading.apply(entry))?;
    }
    // Entries that were purged are in the snapshot that was taken before.
    if facts.last.is_some_and(|last| last.index >= reading.next) {
        return Err(OfflineError::Hole { expected: reading.next });
    }
    Ok(Offline {
        voter: facts.voter,
        term: facts.vote.map_or(0, |vote| vote.leader_id().term),
        committed: facts.committed.map_or(0, |id| id.index).max(committed),
        last: reading.next.saturating_sub(1),
        last_at: reading.last_at,
        members: members(&reading.membership),
        state: reading.state,
    })
}

#[derive(Default)]
struct Reading {
    state: State,
    /// The index of the entry to come: the first one of a log is 0.
    next: u64,
    last_at: Option<UnixMillis>,
    membership: StoredMembership,
}

impl Reading {
    fn apply(&mut self, entry: Entry) -> Result<(), OfflineError> {
        let (expected, log_id) = (self.next, entry.log_id);
        if log_id.index != expected {
            return Err(OfflineError::Hole { expected });
        }
        self.next = expected + 1;
        match entry.payload {
            EntryPayload::Blank => drop(self.state.apply(expected, &[])),
            EntryPayload::Normal(command) => {
                let command = command.to_bytes();
                let at = Envelope::decode(&command).ok().map(|envelope| envelope.at);
                self.last_at = self.last_at.max(at);
                self.state.apply(expected, &command);
            }
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(log_id), membership);
                self.state.apply(expected, &[]);
            }
        }
        Ok(())
    }
}

fn members(membership: &StoredMembership) -> Vec<MetaMember> {
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    let member = |(id, node): (&u64, &VoterNode)| MetaMember {
        id: *id,
        address: node.addr.clone(),
        voter: voters.contains(id),
        matched: None,
    };
    membership.nodes().map(member).collect()
}
