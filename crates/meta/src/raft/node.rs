//! A voter: Raft, its stores and its timers behind [`MetaStore`].

use headwater_types::Clock;
use openraft::{
    BasicNode, Raft, ServerState,
    error::{ClientWriteError, Fatal, InitializeError, RaftError},
};
use std::{collections::BTreeMap, fmt, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::timeout;

use super::{
    config::RaftMetaConfig,
    log_db::{LogDb, LogError},
    log_store::LogStore,
    network::Network,
    placement_worker,
    snapshot_file::{SnapshotFile, sync_dir},
    state_machine::StateMachine,
    types::{LogCommand, TypeConfig},
};
use crate::{
    command::{Command, Envelope},
    limits::COMMAND_BYTES_MAX,
    metrics::MetaMetrics,
    state::State,
    store::{Applied, Membership, MetaError, MetaStore, WatchEvents},
    watch::{self, Hub},
};

const LOG_FILE: &str = "raft.redb";

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
    /// Raft itself failed.
    #[error("raft: {0}")]
    Raft(String),
}

/// A running voter of the metadata group.
pub struct RaftMeta {
    id: u64,
    pub(super) raft: Raft<TypeConfig>,
    pub(super) hub: Arc<Hub>,
    pub(super) db: Arc<LogDb>,
    clock: Arc<dyn Clock>,
    metrics: MetaMetrics,
}

impl fmt::Debug for RaftMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaftMeta").field("id", &self.id).finish_non_exhaustive()
    }
}

impl RaftMeta {
    /// Opens the data directory and starts the voter on the current runtime; founds a cluster if it is told to and the
    /// directory is empty. Use [`Self::ready`] to wait for a leader.
    ///
    /// While it leads, the voter makes the shard map as soon as nodes of two zones have registered. Who registered
    /// nodes sees it in a watched state whose shards are not empty, [`RaftMetaConfig::placement_settle`] later.
    pub async fn start(config: RaftMetaConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, StartError> {
        let raft_config = Arc::new(config.to_openraft()?);
        let (id, dir) = (config.id, config.data_dir);
        let open = move || {
            std::fs::create_dir_all(&dir)?;
            let db = match LogDb::open(&dir.join(LOG_FILE)) {
                Err(LogError::Open(redb::DatabaseError::DatabaseAlreadyOpen)) => {
                    return Err(StartError::InUse(dir));
                }
                opened => opened?,
            };
            sync_dir(&dir)?;
            let (file, snapshot) = SnapshotFile::open(&dir)?;
            let log = LogStore::new(db.clone());
            let owner = log.claim(id)?;
            if owner != id {
                return Err(StartError::OtherVoter { owner, given: id });
            }
            let committed = log.committed()?;
            Ok((db, log, file, snapshot, committed))
        };
        let (db, log, file, snapshot, committed) =
            tokio::task::spawn_blocking(open).await.map_err(io::Error::other)??;

        let (hub, metrics) = (Hub::new(), MetaMetrics::new());
        let machine = StateMachine::new(hub.clone(), file, snapshot, committed, metrics.clone());
        let raft = Raft::new(id, raft_config, Network, log, machine).await.map_err(fatal)?;
        if config.bootstrap && !raft.is_initialized().await.map_err(fatal)? {
            let founder = BTreeMap::from([(id, BasicNode::new(config.address))]);
            match raft.initialize(founder).await {
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(e) => return Err(StartError::Raft(e.to_string())),
            }
        }
        tokio::spawn(measure(raft.clone(), metrics.clone()));
        let voter = Arc::new(Self { id, raft, hub, db, clock, metrics });
        tokio::spawn(placement_worker::run(Arc::downgrade(&voter), config.placement_settle));
        Ok(voter)
    }

    /// Waits until a leader is known and, if it is this voter, everything that was ever answered is applied.
    pub async fn ready(&self, limit: Duration) -> Result<(), MetaError> {
        let deadline = self.clock.monotonic() + limit;
        let left = || deadline.saturating_sub(self.clock.monotonic());
        let known = self.raft.wait(Some(limit)).metrics(|m| m.current_leader.is_some(), "a leader").await;
        let metrics = known.map_err(|e| MetaError::Unavailable(e.to_string()))?;
        if metrics.current_leader == Some(self.id) {
            self.confirm(left()).await?;
        }
        Ok(())
    }

    /// Resolves with the reason when Raft has failed for good, such as on a disk error: the process must end then, as
    /// nothing more will be applied. Does not resolve after [`Self::shutdown`].
    pub async fn failed(&self) -> String {
        let mut metrics = self.raft.metrics();
        let reason = match metrics.wait_for(|m| m.running_state.is_err()).await {
            Ok(ended) => match &ended.running_state {
                Err(Fatal::Stopped) => None,
                Err(fatal) => Some(fatal.to_string()),
                Ok(()) => Some("raft ended without a reason".to_owned()),
            },
            Err(_) => Some("raft ended without a reason".to_owned()),
        };
        match reason {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    /// Stops Raft and its workers, ends every watch and releases the data directory.
    pub async fn shutdown(&self) {
        if let Err(e) = self.raft.shutdown().await {
            tracing::warn!(voter = self.id, error = %e, "raft did not stop cleanly");
        }
        self.hub.stop();
        let db = self.db.clone();
        if let Err(e) = tokio::task::spawn_blocking(move || db.close()).await {
            tracing::warn!(voter = self.id, error = %e, "the log was not closed cleanly");
        }
    }

    /// What this voter measures, to be registered.
    pub fn metrics(&self) -> &MetaMetrics {
        &self.metrics
    }

    /// Confirms with a quorum that this voter leads, and waits until it has applied what was committed by now.
    async fn confirm(&self, limit: Duration) -> Result<(), MetaError> {
        match timeout(limit, self.raft.ensure_linearizable()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(MetaError::Unavailable(e.to_string())),
            Err(_) => Err(MetaError::Unavailable(format!("not confirmed within {limit:?}"))),
        }
    }

    async fn write(&self, command: Command, limit: Duration) -> Result<Applied, MetaError> {
        let envelope = Envelope::new(command, self.clock.unix_millis());
        let document = envelope.encode().map_err(|e| MetaError::Invalid(e.to_string()))?;
        if document.len() > COMMAND_BYTES_MAX {
            let len = document.len();
            return Err(MetaError::Invalid(format!(
                "a command of {len} bytes, at most {COMMAND_BYTES_MAX} are allowed"
            )));
        }
        let command = LogCommand::new(&document).map_err(|e| MetaError::Invalid(e.to_string()))?;
        let leader = self.raft.metrics().borrow().current_leader;
        if leader != Some(self.id) {
            return Err(MetaError::Unavailable(format!(
                "voter {} does not lead; the leader is {leader:?}",
                self.id
            )));
        }
        match timeout(limit, self.raft.client_write(command)).await {
            Ok(Ok(response)) => Ok(Applied { version: response.log_id.index, outcome: response.data }),
            // The lead was lost under way. Whether the entry was in the log by then cannot be told from this error.
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(e)))) => {
                Err(MetaError::Unknown(e.to_string()))
            }
            Ok(Err(e)) => Err(MetaError::Unknown(e.to_string())),
            Err(_) => Err(MetaError::Unknown(format!("no outcome within {limit:?}"))),
        }
    }
}

fn fatal(error: Fatal<u64>) -> StartError {
    StartError::Raft(error.to_string())
}

/// Copies Raft's own metrics until it ends.
async fn measure(raft: Raft<TypeConfig>, metrics: MetaMetrics) {
    let mut source = raft.metrics();
    drop(raft);
    loop {
        {
            let now = source.borrow_and_update();
            let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
            metrics.term.set(gauge(now.current_term));
            metrics.applied.set(gauge(now.last_applied.map_or(0, |id| id.index)));
            metrics.leader_known.set(i64::from(now.current_leader.is_some()));
            if now.state == ServerState::Shutdown {
                return;
            }
        }
        if source.changed().await.is_err() {
            return;
        }
    }
}

#[async_trait::async_trait]
impl MetaStore for RaftMeta {
    async fn propose(&self, command: Command, limit: Duration) -> Result<Applied, MetaError> {
        let start = self.clock.monotonic();
        let result = self.write(command, limit).await;
        self.metrics.proposed(self.clock.monotonic().saturating_sub(start), result.is_ok());
        result
    }

    async fn linearizable_read(&self, limit: Duration) -> Result<State, MetaError> {
        self.confirm(limit).await?;
        Ok(Arc::unwrap_or_clone(self.hub.state()))
    }

    async fn watch(&self, after_version: u64) -> Result<WatchEvents, MetaError> {
        watch::events(&self.hub, after_version, self.metrics.watcher())
    }

    async fn membership(&self) -> Result<Membership, MetaError> {
        let metrics = self.raft.metrics().borrow().clone();
        Ok(Membership {
            id: self.id,
            leader: metrics.current_leader,
            term: metrics.current_term,
            applied: self.hub.state().version,
            voters: metrics.membership_config.voter_ids().collect(),
        })
    }
}
