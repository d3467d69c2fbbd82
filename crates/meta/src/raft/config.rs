//! How a voter is set up.

use std::{path::PathBuf, time::Duration};

/// Settings of a voter.
#[derive(Debug, Clone)]
pub struct RaftMetaConfig {
    /// Its id, never used again: a voter that lost its disk comes back under another one.
    pub id: u64,
    /// Where it is reached by the other voters, as `host:port`.
    pub address: String,
    /// Its log and snapshots. Made if it is not there; one process at a time.
    pub data_dir: PathBuf,
    /// Found a new cluster with this voter alone, if the directory is empty.
    pub bootstrap: bool,
    /// With `bootstrap`: if a voter of a cluster is at any of these addresses, none is founded. So a founder that lost
    /// its directory does not make a second cluster.
    pub founders_checked: Vec<String>,
    /// Between two heartbeats of the leader.
    pub heartbeat: Duration,
    /// A follower that hears no leader for a random time within this range stands for election, if the others would vote
    /// for it; nobody votes for another one within the shorter time after the leader was heard.
    pub election: (Duration, Duration),
    /// A snapshot is taken, and the log before it purged, every so many entries.
    pub snapshot_entries: u64,
    /// Entries before a snapshot that are kept for voters that are a little behind.
    pub log_entries_kept: u64,
    /// How long after a new node registered the leader makes the shard map, so that nodes that start together all get
    /// shards. Of no effect once there is a map.
    pub placement_settle: Duration,
}

impl RaftMetaConfig {
    /// The defaults, for a voter of this id at this place.
    pub fn new(id: u64, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            id,
            address: String::new(),
            data_dir: data_dir.into(),
            bootstrap: false,
            founders_checked: Vec::new(),
            heartbeat: Duration::from_millis(100),
            election: (Duration::from_millis(400), Duration::from_millis(800)),
            snapshot_entries: 5_000,
            log_entries_kept: 1_000,
            placement_settle: Duration::from_millis(200),
        }
    }

    /// As openraft wants it; an error names what does not fit together.
    pub(super) fn to_openraft(&self) -> Result<openraft::Config, Box<openraft::ConfigError>> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        openraft::Config {
            cluster_name: "headwater".to_owned(),
            heartbeat_interval: millis(self.heartbeat),
            // Its own elections are off: of these it uses the second as the leader's lease, and the first, which must be
            // less, as the limit of a call for a vote.
            election_timeout_min: millis(self.election.0 * 3 / 4),
            election_timeout_max: millis(self.election.0),
            install_snapshot_timeout: 10_000,
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            max_in_snapshot_log_to_keep: self.log_entries_kept,
            ..openraft::Config::default()
        }
        .validate()
        .map_err(Box::new)
    }
}
