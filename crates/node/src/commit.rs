//! From staged to clean: a staged version is sent until every member of the current epoch holds it.

use headwater_proto::{ReplicateCommit, StorageError};
use headwater_store::{Inserted, Record};
use headwater_types::Member;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tracing::Instrument;

use crate::{arrivals::Arrival, node::StorageNode, outgoing::Outgoing};

/// How long one attempt to hand a version to one member may take.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Pause between attempts, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// A version that the head has given and not every member holds yet.
#[derive(Debug)]
pub struct Staged {
    /// What is written.
    pub record: Arc<Record>,
    acked: Mutex<Vec<Member>>,
    done: watch::Sender<bool>,
}

impl Staged {
    /// A version that nobody else holds.
    pub fn new(record: Arc<Record>) -> Arc<Self> {
        Arc::new(Self { record, acked: Mutex::new(Vec::new()), done: watch::Sender::new(false) })
    }

    /// Waits until it is clean, at most `limit`; `false` if it is not by then.
    pub async fn wait_clean(&self, limit: Duration) -> bool {
        let mut done = self.done.subscribe();
        let clean = tokio::time::timeout(limit, done.wait_for(|done| *done)).await;
        matches!(clean, Ok(Ok(_)))
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
            tokio::select! {
                () = node.hand_over(&staged, opened) => {
                    if let Some(arrival) = &arrival {
                        arrival.committed();
                    }
                    staged.done.send_replace(true);
                }
                () = node.stopped() => {}
            }
        };
        self.tasks().spawn(work.in_current_span());
    }

    /// Waits until a staged version is clean; after `limit` its outcome is unknown to the caller.
    pub(crate) async fn until_clean(&self, staged: &Staged, limit: Duration) -> Result<(), StorageError> {
        if staged.wait_clean(limit).await {
            return Ok(());
        }
        Err(StorageError::OutcomeUnknown("not every member has acknowledged in time".into()))
    }

    async fn hand_over(self: &Arc<Self>, staged: &Arc<Staged>, opened: Vec<Outgoing>) {
        let record = &staged.record;
        let started = self.clock().monotonic();
        // The calls that were opened while the body arrived need the commit only.
        let calls = opened.into_iter().map(|outgoing| self.send_commit(staged, outgoing));
        futures_util::future::join_all(calls).await;

        let mut pause = BACKOFF.0;
        loop {
            let (epoch, missing) = {
                let core = self.shard(record.shard).lock();
                (core.epoch(), core.missing(&staged.acked()))
            };
            if missing.is_empty() {
                break;
            }
            let calls = missing.into_iter().map(|member| {
                let outgoing = self.open_whole(staged, epoch, member);
                self.send_commit(staged, outgoing)
            });
            let acked = futures_util::future::join_all(calls).await;
            if !acked.into_iter().all(|ok| ok) {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
        self.make_clean(staged).await;
        self.metrics().replication_seconds.observe((self.clock().monotonic() - started).as_secs_f64());
    }

    /// Sends the commit on an open call; `true` once the member has acknowledged.
    async fn send_commit(&self, staged: &Staged, outgoing: Outgoing) -> bool {
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
        let member = outgoing.member;
        let result = match tokio::time::timeout(ATTEMPT, outgoing.commit(commit)).await {
            Ok(result) => result,
            Err(_) => Err(StorageError::OutcomeUnknown("no acknowledgement in time".into())),
        };
        match result {
            Ok(_) => {
                staged.acked.lock().push(member);
                true
            }
            Err(error) => {
                self.metrics().replication_retries.inc();
                tracing::debug!(shard = %record.shard, version = %meta.version, %member, %error, "not acknowledged, sent again");
                false
            }
        }
    }

    /// Into the store, off the staged ones, and whoever waits is told: in this order, so that a reader who finds the key
    /// clean finds the new version.
    async fn make_clean(&self, staged: &Arc<Staged>) {
        let record = &staged.record;
        if record.tombstone {
            self.arrivals().cut_followers(&record.object);
        }
        match self.tier().insert(record.clone()).await {
            Ok(Inserted::Applied(_) | Inserted::Stale) => {}
            Ok(Inserted::DoesNotFit) => {
                tracing::error!(shard = %record.shard, bytes = record.cost(), "a staged object does not fit the hot tier");
            }
            Err(error) => tracing::error!(shard = %record.shard, %error, "a staged object was not kept"),
        }
        self.shard(record.shard).lock().clean(record.meta.version);
    }
}
