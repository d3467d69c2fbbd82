//! Founding a new group of one voter from a state.

use headwater_types::UnixMillis;
use openraft::{CommittedLeaderId, Membership};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use super::{OfflineError, RAISE, open_log, read::read};
use crate::{
    durable,
    limits::ADDRESS_BYTES_MAX,
    raft::{
        log_db::LOG_FILE,
        log_store::LogStore,
        snapshot_file::{FILE as SNAPSHOT_FILE, SnapshotFile, StoredSnapshot},
        types::{LogId, SnapshotMeta, StoredMembership, Vote, VoterNode},
    },
    state::State,
};

/// Where the files of a new group are made before they take their places.
const FOUNDING: &str = "founding";
/// What a file system of its own begins with.
const LOST_AND_FOUND: &str = "lost+found";

/// Makes the data directory of voter `id`, reached at `address`, the only one of a new group whose state is `state` with
/// its version and every epoch raised by [`RAISE`], and to the time `now`. The
/// directory must be empty or not there. Answers the version that
/// the group begins at. Start a voter of that id on it, and add others; it needs no bootstrap. Blocks on the disk.
///
/// A crash leaves a directory that no voter starts on: empty it and found again.
pub fn found(dir: &Path, id: u64, address: &str, state: State, now: UnixMillis) -> Result<u64, OfflineError> {
    fs::create_dir_all(dir).map_err(OfflineError::at(dir))?;
    for entry in fs::read_dir(dir).map_err(OfflineError::at(dir))? {
        if entry.map_err(OfflineError::at(dir))?.file_name() != LOST_AND_FOUND {
            return Err(OfflineError::NotEmpty(dir.to_owned()));
        }
    }
    let version = prepare(dir, id, address, state, now)?;
    install(dir)?;
    Ok(version)
}

/// Founds a new group, as [`found`] does, in the directory of a stopped voter. What is there is kept aside, in the
/// directory `before-<version>` beside the new files: the answer is the version and that directory. `id` must be new to
/// the group. Blocks on the disk.
///
/// A crash leaves a directory that no voter starts on; what was there is in `before-<version>` then.
pub fn replace(
    dir: &Path,
    id: u64,
    address: &str,
    state: State,
    now: UnixMillis,
) -> Result<(u64, PathBuf), OfflineError> {
    let known = read(dir)?;
    let used: BTreeSet<u64> = known.members.iter().map(|member| member.id).chain(known.voter).collect();
    if used.contains(&id) {
        return Err(OfflineError::UsedId { id, used: used.into_iter().collect() });
    }
    // Held to the end: no voter may start in between.
    let held = open_log(dir)?;
    let version = prepare(dir, id, address, state, now)?;
    let aside = keep_aside(dir, version)?;
    install(dir)?;
    held.close();
    Ok((version, aside))
}

/// Writes the new files into a directory of their own.
fn prepare(
    dir: &Path,
    id: u64,
    address: &str,
    mut state: State,
    now: UnixMillis,
) -> Result<u64, OfflineError> {
    check_voter(id, address)?;
    state.raise_epochs(RAISE, now);
    let version = state.version;
    // The term is above every earlier one too, as long as fewer elections than that failed: those that succeed write an
    // entry each. A voter that votes in it takes part in elections of later terms only.
    let term = version;
    let last = LogId::new(CommittedLeaderId::new(term, id), version);
    let nodes = BTreeMap::from([(id, VoterNode { addr: address.to_owned(), ..VoterNode::default() })]);
    let membership = Membership::new(vec![BTreeSet::from([id])], nodes);
    let meta = SnapshotMeta {
        last_log_id: Some(last),
        last_membership: StoredMembership::new(Some(last), membership),
        snapshot_id: format!("founded-{last}"),
    };

    let founding = dir.join(FOUNDING);
    remove_leftovers(&founding)?;
    fs::create_dir(&founding).map_err(OfflineError::at(&founding))?;
    let (file, _) = SnapshotFile::open(&founding).map_err(OfflineError::at(&founding))?;
    file.save(&StoredSnapshot { meta, state, member_ids: BTreeSet::from([id]) })
        .map_err(OfflineError::at(&founding))?;
    let db = open_log(&founding)?;
    let begun = LogStore::new(db.clone()).begin_after(id, Vote::new(term, id), last);
    db.close();
    begun?;
    Ok(version)
}

fn check_voter(id: u64, address: &str) -> Result<(), OfflineError> {
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let port = port.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port > 0);
    if id == 0 {
        return Err(OfflineError::Voter("a voter's id is at least 1".to_owned()));
    }
    if port.is_none() || address.len() > ADDRESS_BYTES_MAX {
        let message = format!("address {address:?} is not host:port of at most {ADDRESS_BYTES_MAX} bytes");
        return Err(OfflineError::Voter(message));
    }
    Ok(())
}

/// The files of a founding that did not end.
fn remove_leftovers(founding: &Path) -> Result<(), OfflineError> {
    match fs::remove_dir_all(founding) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(OfflineError::at(founding)(e)),
        _ => Ok(()),
    }
}

/// Gives the voter's files a second name, which they keep when the first one is taken from them.
fn keep_aside(dir: &Path, version: u64) -> Result<PathBuf, OfflineError> {
    let aside = dir.join(format!("before-{version}"));
    fs::create_dir(&aside).map_err(OfflineError::at(&aside))?;
    for name in [LOG_FILE, SNAPSHOT_FILE] {
        let (from, to) = (dir.join(name), aside.join(name));
        if from.exists() {
            // Some file systems have no second names.
            let kept = fs::hard_link(&from, &to).or_else(|_| {
                fs::copy(&from, &to)?;
                fs::File::open(&to)?.sync_all()
            });
            kept.map_err(OfflineError::at(&to))?;
        }
    }
    durable::sync_parent(&aside.join(LOG_FILE)).map_err(OfflineError::at(&aside))?;
    durable::sync_parent(&aside).map_err(OfflineError::at(dir))?;
    Ok(aside)
}

/// Puts the new files in their places: the log first, since a log that goes on after a snapshot which is not there is
/// one that no voter starts on.
fn install(dir: &Path) -> Result<(), OfflineError> {
    let founding = dir.join(FOUNDING);
    for name in [LOG_FILE, SNAPSHOT_FILE] {
        fs::rename(founding.join(name), dir.join(name)).map_err(OfflineError::at(dir.join(name)))?;
        durable::sync_parent(&dir.join(name)).map_err(OfflineError::at(dir))?;
    }
    fs::remove_dir(&founding).map_err(OfflineError::at(&founding))
}
