//! From staged to clean: a staged version is sent until every member of the current epoch holds it.

use headwater_proto::{ReplicateCommit, StorageError};
use headwater_store::{Inserted, Record, TierError};
use headwater_types::{BodyShare, Epoch, Member, ShardId};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tracing::Instrument;

use crate::{arrivals::Arrival, node::StorageNode, outgoing::Outgoing};

/// Pause between attempts, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// A version that the head has given and not every member holds yet.
#[derive(Debug)]
pub struct Staged {
    /// What is written.
    pub record: Arc<Record>,
    acked: Mutex<Vec<Member>>,
    /// The memory of its body is counted until it is settled.
    charge: Mutex<Option<BodyShare>>,
    outcome: watch::Sender<Outcome>,
}

/// What became of a staged version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Open,
    /// Every member holds it, or a newer one of its key.
    Clean,
    /// This node cannot hand it over any more; other members may have it.
    GivenUp,
}

impl Staged {
    /// A version that nobody else holds.
    pub fn new(record: Arc<Record>) -> Arc<Self> {
        Self::charged(record, None)
    }

    /// A version whose body is counted.
    pub(crate) fn charged(record: Arc<Record>, charge: Option<BodyShare>) -> Arc<Self> {
        let outcome = watch::Sender::new(Outcome::Open);
        Arc::new(Self { record, acked: Mutex::default(), charge: Mutex::new(charge), outcome })
    }

    /// Waits until it is clean or given up, at most `limit`; `false` if it is neither by then.
    pub async fn is_settled_within(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.settled()).await.is_ok()
    }

    /// This node is no member any more that could hand it over.
    pub fn give_up(&self) {
        self.settle(Outcome::GivenUp);
    }

    /// Whether it was given up.
    pub fn is_given_up(&self) -> bool {
        *self.outcome.borrow() == Outcome::GivenUp
    }

    async fn settled(&self) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        // Cannot fail: `self` holds the sender.
        outcome.wait_for(|outcome| *outcome != Outcome::Open).await.map_or(Outcome::Open, |outcome| *outcome)
    }

    /// Whoever waits learns it last, so that what it held is free by then.
    fn settle(&self, outcome: Outcome) {
        drop(self.charge.lock().take());
        self.outcome.send_if_modified(|now| {
            let is_open = *now == Outcome::Open;
            if is_open {
                *now = outcome;
            }
            is_open
        });
    }

    fn acked(&self) -> Vec<Member> {
        self.acked.lock().clone()
    }
}

impl StorageNode {
    /// Drives a staged version until it is clean. Runs as a task of its own: whoever asked for the write may give up
    /// waiting, the version may not be given up. Readers that follow `arrival` get their clean end then.
    pub(crate) fn drive(
        self: &Arc<Self>,
        staged: Arc<Staged>,
        opened: Vec<Outgoing>,
        arrival: Option<Arrival>,
    ) {
        let node = self.clone();
        let work = async move {
            let handed_over = async {
                tokio::select! {
                    biased;
                    // A newer version of the key was first, or this node is no member any more.
                    _ = staged.settled() => {}
                    () = node.hand_over(&staged, opened) => node.make_clean(&staged).await,
                }
                staged.settled().await
            };
            tokio::select! {
                outcome = handed_over => {
                    if let (Outcome::Clean, Some(arrival)) = (outcome, &arrival) {
                        arrival.committed();
                    }
                }
                () = node.stopped() => {}
            }
        };
        self.tasks().spawn(work.in_current_span());
    }

    /// Waits until a staged version is clean; after `limit` its outcome is unknown to the caller.
    pub(crate) async fn until_clean(&self, staged: &Staged, limit: Duration) -> Result<(), StorageError> {
        match tokio::time::timeout(limit, staged.settled()).await {
            Ok(Outcome::Clean) => Ok(()),
            Ok(_) => Err(StorageError::OutcomeUnknown("this node left the shard meanwhile".into())),
            Err(_) => Err(StorageError::OutcomeUnknown("not every member has acknowledged in time".into())),
        }
    }

    /// Until every member has acknowledged it. Calls that were opened while the body arrived need the commit only.
    async fn hand_over(&self, staged: &Staged, mut opened: Vec<Outgoing>) {
        let record = &staged.record;
        let started = self.clock().monotonic();
        let mut pause = BACKOFF.0;
        loop {
            let (epoch, is_head, missing) = {
                let core = self.shard(record.shard).lock();
                let epoch = core.epoch();
                (epoch, core.check_head(epoch).is_ok(), core.missing(&staged.acked()))
            };
            if !is_head {
                // Nobody takes it from this member now.
                self.epoch_after(record.shard, epoch).await;
                continue;
            }
            if missing.is_empty() {
                break;
            }
            let calls = missing.into_iter().map(|member| {
                let open = opened.iter().position(|outgoing| outgoing.member == member);
                self.send(staged, epoch, member, open.map(|at| opened.swap_remove(at)))
            });
            let calls = futures_util::future::join_all(calls.collect::<Vec<_>>());
            tokio::select! {
                acked = calls => if !acked.into_iter().all(|ok| ok) {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(BACKOFF.1);
                },
                // Members of the epoch before do not take it any more.
                () = self.epoch_after(record.shard, epoch) => pause = BACKOFF.0,
            }
        }
        self.metrics().replication_seconds.observe((self.clock().monotonic() - started).as_secs_f64());
    }

    /// Waits until a later configuration of the shard is installed.
    async fn epoch_after(&self, shard: ShardId, epoch: Epoch) {
        let mut installed = self.installed();
        while self.shard(shard).lock().epoch() <= epoch {
            if installed.changed().await.is_err() {
                return;
            }
        }
    }

    /// One attempt with one member; `true` once it has acknowledged.
    async fn send(&self, staged: &Staged, epoch: Epoch, member: Member, opened: Option<Outgoing>) -> bool {
        let is_first = opened.is_some();
        // Whole bodies again, and of all writes that wait for the member: only so many at a time.
        let _turn = if is_first { None } else { self.resends().turn(member).await };
        let outgoing = opened.unwrap_or_else(|| self.open_whole(staged, epoch, member));
        let record = &staged.record;
        let meta = &record.meta;
        let commit = ReplicateCommit {
            version: meta.version,
            tombstone: record.tombstone,
            digest: meta.digest,
            size: meta.size,
            stored_at: meta.stored_at,
            expires_at: meta.expires_at,
            request_ids: record.request_ids.to_vec(),
            clean_seq: self.shard(record.shard).lock().clean_seq(),
        };
        match outgoing.commit(commit).await {
            Ok(_) => {
                staged.acked.lock().push(member);
                true
            }
            Err(error) => {
                if is_first && matches!(error, StorageError::Overloaded(_)) {
                    self.no_room().note(
                        member,
                        record.object.namespace,
                        record.cost(),
                        self.clock().monotonic(),
                    );
                }
                self.metrics().replication_retries.inc();
                tracing::debug!(shard = %record.shard, version = %meta.version, %member, %error, "not acknowledged, sent again");
                false
            }
        }
    }

    /// Into the store, off the staged ones, and whoever waits is told: in this order, so that a reader who finds the key
    /// clean finds the new version. For as long as the store fails, the key stays dirty.
    async fn make_clean(&self, staged: &Staged) {
        let record = &staged.record;
        let version = record.meta.version;
        if record.tombstone {
            self.arrivals().cut_followers(&record.object);
        }
        let mut pause = BACKOFF.0;
        let mut failed = false;
        loop {
            match self.keep_staged(record).await {
                Ok(()) => return,
                Err(error) if failed => {
                    tracing::debug!(shard = %record.shard, %version, %error, "not kept, tried again")
                }
                Err(error) => {
                    tracing::error!(shard = %record.shard, %version, %error, "a staged version is not kept yet")
                }
            }
            failed = true;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    /// One attempt at [`StorageNode::make_clean`], under the key's lock: what is decided about the key meanwhile finds
    /// it either staged or stored.
    async fn keep_staged(&self, record: &Arc<Record>) -> Result<(), TierError> {
        let version = record.meta.version;
        let _lock = self.key_lock(&record.object).lock().await;
        {
            let mut core = self.shard(record.shard).lock();
            if !core.is_staged(version) {
                // A newer one is clean, and may have left the store again.
                return Ok(());
            }
            core.apply();
        }
        let _applying = Applying { node: self, shard: record.shard };
        self.keep(record).await?;
        let done = self.shard(record.shard).lock().clean_up_to(&record.object, version);
        done.iter().for_each(|staged| staged.settle(Outcome::Clean));
        Ok(())
    }

    /// Keeps a record that every member must take. What finds no room is as if it were evicted at once: nothing older
    /// may stay in its place.
    pub(crate) async fn keep(&self, record: &Arc<Record>) -> Result<(), TierError> {
        if let Inserted::DoesNotFit = self.tier().insert(record.clone()).await? {
            tracing::warn!(shard = %record.shard, bytes = record.cost(), "a version found no room and counts as evicted");
            self.tier().remove(&record.object, record.meta.version).await?;
        }
        Ok(())
    }
}

/// A version on its way into the store, counted by its shard until this is dropped.
pub(crate) struct Applying<'a> {
    pub node: &'a StorageNode,
    pub shard: ShardId,
}

impl Drop for Applying<'_> {
    fn drop(&mut self) {
        self.node.shard(self.shard).lock().applied();
    }
}
