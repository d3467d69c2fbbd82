//! The node's part in moves: as a head it asks for the members of empty shards, as one that leaves it stops reading.

use headwater_meta::{Command, MetaError, MetaStore, Outcome, ShardChange};
use headwater_proto::{StopReads, StorageError};
use headwater_types::{Epoch, Member, ShardId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{node::StorageNode, shard::Wanted};

/// With nothing new in the map, heads look again this often: what a shard held may have expired.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two rounds of asking.
const ROUND_PAUSE: Duration = Duration::from_millis(5);
/// For one proposal.
const PROPOSE_LIMIT: Duration = Duration::from_secs(5);
/// How long a member that leaves waits for the configuration that it is asked about.
const CONFIGURATION_WAIT: Duration = Duration::from_secs(1);
/// After a refusal, the next round begins so many shards further: a prime, so that every shard comes first at some time.
const SHARDS_PASSED: usize = 37;
/// Shards of one proposal: what a command may have.
const BATCH: usize = headwater_meta::limits::SHARD_CHANGES_MAX;

impl StorageNode {
    /// Takes part in what the metadata decide: reports that this node lives, and asks for members that join its empty
    /// shards to be in sync. To be called once, when the node is registered; ends when the node stops.
    pub fn take_part(self: &Arc<Self>, meta: Arc<dyn MetaStore>) {
        self.worker(|node| node.run_reports(meta.clone()));
        self.worker(|node| node.run_moves(meta));
    }

    async fn run_moves(self: Arc<Self>, meta: Arc<dyn MetaStore>) {
        let mut installed = self.installed();
        let (mut batch, mut refusals) = (BATCH, 0);
        loop {
            installed.borrow_and_update();
            match self.ask(meta.as_ref(), batch, refusals).await {
                Asked::Nothing => {
                    // A limit that passes is a reason to look again.
                    let _ = tokio::time::timeout(LOOK_EVERY, installed.changed()).await;
                }
                Asked::Done => (batch, refusals) = (BATCH, 0),
                // Applied as a whole or not at all: a smaller one, of other shards, gets past the one that is refused.
                Asked::Refused(shards) => (batch, refusals) = ((shards / 2).max(1), refusals + 1),
                Asked::Failed => tokio::time::sleep(LOOK_EVERY).await,
            }
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }

    /// One round: what the shards want, whom it needs, one command.
    async fn ask(&self, meta: &dyn MetaStore, batch: usize, refusals: usize) -> Asked {
        let mut wanted = self.wanted(batch, refusals);
        let joined = self.joined(&wanted).await;
        wanted.retain(|want| {
            want.joins.is_none_or(|(member, version)| joined.get(&member).is_some_and(|at| *at >= version))
        });
        let stopped = self.stop_peers(&wanted).await;
        wanted.retain(|want| {
            let (shard, epoch) = (want.change.shard, want.change.expect_epoch);
            want.leaves.is_none_or(|member| {
                stopped.contains(&(member, shard)) && self.shard(shard).lock().has_stopped(epoch)
            })
        });
        if wanted.is_empty() {
            return Asked::Nothing;
        }
        let changes: Vec<ShardChange> = wanted.iter().map(|want| want.change.clone()).collect();
        let proposed = meta.propose(Command::Reconfigure { changes }, PROPOSE_LIMIT).await;
        let (asked, is_unknown) = match proposed {
            Ok(applied) => match applied.outcome {
                Outcome::Refused { code, message } => {
                    tracing::debug!(code, message, shards = wanted.len(), "configurations were refused");
                    (Asked::Refused(wanted.len()), false)
                }
                _ => {
                    // What comes of it arrives by the watch: asking again before that would only be refused.
                    self.map_at(applied.version, LOOK_EVERY).await;
                    (Asked::Done, true)
                }
            },
            Err(error) => {
                tracing::debug!(%error, "configurations were not changed");
                (Asked::Failed, matches!(error, MetaError::Unknown(_)))
            }
        };
        // A change that may still come about keeps its shard frozen: what was staged now could not be handed over by
        // someone who is not the head any more.
        if !is_unknown {
            for want in &wanted {
                self.shard(want.change.shard).lock().unfreeze(want.change.expect_epoch);
            }
        }
        asked
    }

    /// At most `batch`; which ones come first changes with the number of `refusals`.
    fn wanted(&self, batch: usize, refusals: usize) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        let shards = self.shards();
        let first = refusals * SHARDS_PASSED % shards.len();
        for core in shards.iter().cycle().skip(first).take(shards.len()) {
            let mut core = core.lock();
            if core.entry().is_none_or(|entry| entry.syncing.is_empty()) {
                continue;
            }
            let holds = self.tier().holds(core.shard());
            wanted.extend(core.wanted(holds, |node| self.zone_of(node)));
            if wanted.len() == batch {
                break;
            }
        }
        wanted
    }

    /// How far the members that join have installed the map.
    async fn joined(&self, wanted: &[Wanted]) -> BTreeMap<Member, u64> {
        let members: BTreeSet<Member> = wanted.iter().filter_map(|want| Some(want.joins?.0)).collect();
        let calls =
            members.into_iter().map(|member| async move { Some((member, self.beacon(member).await?)) });
        futures_util::future::join_all(calls).await.into_iter().flatten().collect()
    }

    /// Asks those that leave to stop reading; answers who does, and of what.
    async fn stop_peers(&self, wanted: &[Wanted]) -> BTreeSet<(Member, ShardId)> {
        let mut leaving: BTreeMap<Member, Vec<(ShardId, Epoch)>> = BTreeMap::new();
        for want in wanted {
            let Some(member) = want.leaves else { continue };
            let (shard, epoch) = (want.change.shard, want.change.expect_epoch);
            self.shard(shard).lock().asked_to_stop(epoch);
            leaving.entry(member).or_default().push((shard, epoch));
        }
        let calls = leaving.into_iter().map(|(to, shards)| async move {
            let request = StopReads { from: self.member(), to, shards };
            match self.peer(to).stop_reads(request).await {
                Ok(stopped) => stopped.into_iter().map(|shard| (to, shard)).collect(),
                Err(error) => {
                    tracing::debug!(%to, %error, "a member that leaves goes on reading");
                    Vec::new()
                }
            }
        });
        futures_util::future::join_all(calls).await.into_iter().flatten().collect()
    }

    pub(crate) async fn do_stop_reads(&self, request: StopReads) -> Result<Vec<ShardId>, StorageError> {
        let StopReads { from, to, shards } = request;
        if to != self.member() {
            let me = self.member();
            return Err(StorageError::NotServing(format!("{to} was called, this is {me}")));
        }
        let mut stopped = Vec::new();
        for (shard, epoch) in shards {
            // It is on its way by the watch.
            self.map_at_epoch(shard, epoch, CONFIGURATION_WAIT).await;
            if self.shard(shard).lock().stop_reads(epoch, from) {
                stopped.push(shard);
            }
        }
        Ok(stopped)
    }

    /// Waits until the map is installed up to `version`, at most `limit`.
    async fn map_at(&self, version: u64, limit: Duration) {
        // Whether it is or not, the next round goes by what is installed.
        let _ = tokio::time::timeout(limit, self.installed().wait_for(|have| *have >= version)).await;
    }
}

/// What came of a round.
enum Asked {
    /// There is nothing to ask for.
    Nothing,
    /// It was applied.
    Done,
    /// It was refused, with so many shards.
    Refused(usize),
    /// The metadata did not answer.
    Failed,
}
