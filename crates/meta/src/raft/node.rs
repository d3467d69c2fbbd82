//! A voter: Raft, its stores and its timers.

use headwater_types::{Clock, Rng, SystemRng};
use openraft::{
    Raft, ServerState,
    error::{Fatal, InitializeError, RaftError},
};
use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Weak, atomic::AtomicU64},
    time::Duration,
};
use tokio::sync::{Mutex, Semaphore, watch};

use super::{
    campaign,
    config::RaftMetaConfig,
    identity::{Identity, random_name},
    joint_worker,
    lead::OwnBoard,
    log_db::{LogDb, LogError},
    log_store::LogStore,
    member_ids::MemberIds,
    network::Network,
    open::{Opened, StartError},
    peers::{NoPeers, Peers},
    placement_worker,
    state_machine::StateMachine,
    types::{TypeConfig, VoterNode},
};
use crate::{
    limits::PROPOSALS_MAX,
    metrics::MetaMetrics,
    presence::PresenceBoard,
    store::{MetaError, MetaStore},
    watch::{Hub, Progress},
};

/// Before a voter that could not confirm its lead looks again.
const READY_PAUSE: Duration = Duration::from_millis(50);

/// Between applying its own removal and ending for it.
const REMOVAL_GRACE: Duration = Duration::from_secs(1);

/// What a voter is given by the process that it runs in.
#[derive(Debug, Clone)]
pub struct VoterDeps {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names clusters and directories.
    pub rng: Arc<dyn Rng>,
    /// The other voters.
    pub peers: Arc<dyn Peers>,
}

/// A running voter of the metadata group.
pub struct RaftMeta {
    pub(super) own: Weak<Self>,
    pub(super) id: u64,
    pub(super) address: String,
    pub(crate) raft: Raft<TypeConfig>,
    pub(crate) hub: Arc<Hub>,
    pub(super) db: Arc<LogDb>,
    pub(super) log: LogStore,
    pub(super) identity: Arc<Identity>,
    pub(super) member_ids: Arc<MemberIds>,
    pub(super) network: Network,
    /// Held while this voter, as the leader, changes who takes part.
    pub(super) changing: Mutex<()>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: MetaMetrics,
    pub(super) board: Arc<PresenceBoard>,
    /// Places of proposals that are under way.
    pub(super) proposing: Semaphore,
    /// When the leader last called, or this voter started: microseconds of the monotonic clock.
    pub(super) heard: AtomicU64,
    /// Who has heard a leader within this time votes for nobody else.
    pub(super) lease: Duration,
}

impl fmt::Debug for RaftMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaftMeta").field("id", &self.id).finish_non_exhaustive()
    }
}

impl RaftMeta {
    /// Like [`Self::start_with`], for a voter that is alone: no other one can join it.
    pub async fn start(config: RaftMetaConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, StartError> {
        let deps = VoterDeps { clock, rng: Arc::new(SystemRng), peers: Arc::new(NoPeers) };
        Self::start_with(config, deps).await
    }

    /// Opens the data directory and starts the voter on the current runtime; founds a cluster if it is told to and the
    /// directory is empty. Use [`Self::ready`] to wait for a leader, and [`Self::join`] to be taken into a cluster.
    ///
    /// While it leads, the voter makes the shard map as soon as nodes of two zones have registered. Who registered
    /// nodes sees it in a watched state whose shards are not empty, [`RaftMetaConfig::placement_settle`] later.
    pub async fn start_with(config: RaftMetaConfig, deps: VoterDeps) -> Result<Arc<Self>, StartError> {
        let raft_config = Arc::new(config.to_openraft()?);
        let (id, dir, rng) = (config.id, config.data_dir.clone(), deps.rng.clone());
        let open = move || {
            let board = PresenceBoard::open(&dir)?;
            Ok::<_, StartError>((Opened::open(&dir, id, &*rng)?, board))
        };
        let (opened, seen) = tokio::task::spawn_blocking(open).await.map_err(io::Error::other)??;
        let Opened { db, log, identity, members, file, snapshot, committed } = opened;
        let log = log.purged_after(file.newest());

        let (hub, metrics) = (Hub::new(), MetaMetrics::new());
        let machine =
            StateMachine::new(hub.clone(), file, snapshot, committed, metrics.clone(), members.clone());
        let network = Network { identity: identity.clone(), peers: deps.peers };
        let raft = Raft::new(id, raft_config, network.clone(), log.clone(), machine).await.map_err(fatal)?;
        raft.runtime_config().elect(false);
        let voter = Arc::new_cyclic(|own| Self {
            own: own.clone(),
            id,
            address: config.address,
            raft,
            hub,
            db,
            log,
            identity,
            member_ids: members,
            network,
            changing: Mutex::new(()),
            board: Arc::new(seen.with_clock(deps.clock.clone())),
            clock: deps.clock,
            metrics,
            proposing: Semaphore::new(PROPOSALS_MAX),
            heard: AtomicU64::new(0),
            lease: config.election.0,
        });
        voter.heard_leader();
        voter.board.belong_to(Box::new(OwnBoard { voter: voter.own.clone(), hub: voter.hub.clone() }));
        voter.found(config.bootstrap, &config.founders_checked, &*deps.rng).await?;
        tokio::spawn(measure(voter.raft.clone(), voter.metrics.clone()));
        tokio::spawn(placement_worker::run(Arc::downgrade(&voter), config.placement_settle));
        tokio::spawn(campaign::run(voter.own.clone(), deps.rng.clone(), config.election));
        tokio::spawn(joint_worker::run(Arc::downgrade(&voter)));
        tokio::spawn(notice_removal(voter.own.clone(), voter.hub.progress()));
        tokio::spawn(crate::presence::keep(voter.board.clone(), voter.hub.progress()));
        Ok(voter)
    }

    /// Founds a cluster if that is wanted and there is none in the directory. A log of version 0.1, whose one voter had
    /// no name for its cluster, gets one.
    async fn found(&self, bootstrap: bool, others: &[String], rng: &dyn Rng) -> Result<(), StartError> {
        let initialized = self.raft.is_initialized().await.map_err(fatal)?;
        if bootstrap
            && !initialized
            && let Some(cluster) = self.cluster_at(others).await
        {
            self.shutdown().await;
            return Err(StartError::Founded(cluster));
        }
        if self.identity.cluster().is_empty() && (bootstrap || initialized) {
            self.adopt(random_name(rng)).await?;
        }
        if !bootstrap || initialized {
            return Ok(());
        }
        let node = VoterNode { addr: self.address.clone(), disk: self.identity.disk.clone() };
        match self.raft.initialize(BTreeMap::from([(self.id, node)])).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(e) => Err(StartError::Raft(e.to_string())),
        }
    }

    /// Becomes one of `cluster`, if it is of none.
    pub(super) async fn adopt(&self, cluster: String) -> Result<(), LogError> {
        let (identity, log) = (self.identity.clone(), self.log.clone());
        let work = move || identity.adopt(&log, &cluster);
        tokio::task::spawn_blocking(work).await.map_err(|e| LogError::Task(e.to_string()))?
    }

    /// Waits until a leader is known and, if it is this voter, everything that was ever answered is applied.
    pub async fn ready(&self, limit: Duration) -> Result<(), MetaError> {
        let deadline = self.clock.monotonic() + limit;
        let left = || deadline.saturating_sub(self.clock.monotonic());
        loop {
            let wait = self.raft.wait(Some(left()));
            let known = wait.metrics(|m| m.current_leader.is_some(), "a leader").await;
            let metrics = known.map_err(|e| MetaError::Unavailable(e.to_string()))?;
            if metrics.current_leader != Some(self.id) {
                return Ok(());
            }
            match self.confirm(left()).await {
                // A leader that was killed and is back takes itself for one until it hears of the next.
                Err(_) if !left().is_zero() => tokio::time::sleep(READY_PAUSE.min(left())).await,
                confirmed => return confirmed.map(drop),
            }
        }
    }

    /// Resolves with the reason when nothing more will be applied, and the process must end: Raft has failed for good,
    /// such as on a disk error, or this voter was removed. Does not resolve after [`Self::shutdown`].
    pub async fn failed(&self) -> String {
        tokio::select! {
            reason = self.raft_failed() => reason,
            why = self.identity.removed() => format!(
                "{why}: it is no member of the metadata any more; for another one, empty its data directory and let it \
                 join under an id that was never used"
            ),
        }
    }

    /// Waits until this voter knows that it is still a member, which only the others can tell one that was away: as the
    /// leader, or from the leader.
    pub async fn is_still_member(&self, limit: Duration) -> Result<(), MetaError> {
        tokio::select! {
            read = self.linearizable_read(limit) => read.map(drop),
            why = self.failed() => Err(MetaError::Invalid(why)),
        }
    }

    async fn raft_failed(&self) -> String {
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
        let (db, board) = (self.db.clone(), self.board.clone());
        let close = move || {
            board.save();
            db.close();
        };
        if let Err(e) = tokio::task::spawn_blocking(close).await {
            tracing::warn!(voter = self.id, error = %e, "the log was not closed cleanly");
        }
    }

    /// What this voter measures, to be registered.
    pub fn metrics(&self) -> &MetaMetrics {
        &self.metrics
    }

    /// What roles reported to this voter.
    pub fn board(&self) -> &Arc<PresenceBoard> {
        &self.board
    }
}

/// Tells a voter that it was removed, once it has applied that and had time to answer who removed it. One that was away
/// then hears it from the others.
async fn notice_removal(voter: Weak<RaftMeta>, mut progress: watch::Receiver<Progress>) {
    loop {
        let removed = match voter.upgrade() {
            Some(voter) => voter.member_ids.was_removed(voter.id),
            None => return,
        };
        if removed {
            tokio::time::sleep(REMOVAL_GRACE).await;
            if let Some(voter) = voter.upgrade() {
                voter.identity.was_removed(&format!("voter {} was removed", voter.id));
            }
            return;
        }
        if !progress.borrow_and_update().open || progress.changed().await.is_err() {
            return;
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
            metrics.observe(&now);
            if now.state == ServerState::Shutdown {
                return;
            }
        }
        if source.changed().await.is_err() {
            return;
        }
    }
}
