//! Whether the other members are in reach: beacons, and waiting for a link before anything is staged.

use headwater_proto::StorageError;
use headwater_types::{Epoch, Member, ShardId};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

use crate::node::{StorageNode, refused};

/// Time between two beacons to a peer.
const BEACON_EVERY: Duration = Duration::from_millis(150);
/// A peer that has not answered for so long counts as out of reach.
const SUSPECT_AFTER: Duration = Duration::from_millis(900);

/// When each peer answered last, by this node's monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Links {
    heard: Mutex<BTreeMap<Member, Duration>>,
    changed: Notify,
}

impl Links {
    fn hear(&self, peer: Member, now: Duration) {
        let before = self.heard.lock().insert(peer, now);
        if before.is_none_or(|before| now.saturating_sub(before) > SUSPECT_AFTER) {
            self.changed.notify_waiters();
        }
    }

    fn is_up(&self, peer: Member, now: Duration) -> bool {
        self.heard.lock().get(&peer).is_some_and(|heard| now.saturating_sub(*heard) <= SUSPECT_AFTER)
    }

    fn keep_only(&self, peers: &BTreeSet<Member>) {
        self.heard.lock().retain(|peer, _| peers.contains(peer));
    }

    /// Peers that are in reach.
    pub(crate) fn up(&self, now: Duration) -> usize {
        self.heard.lock().values().filter(|heard| now.saturating_sub(**heard) <= SUSPECT_AFTER).count()
    }
}

impl StorageNode {
    /// Sends beacons for as long as the node runs.
    pub(crate) async fn run_beacons(self: Arc<Self>) {
        let mut tick = tokio::time::interval(BEACON_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let peers = self.peers();
            self.links().keep_only(&peers);
            self.resends().keep_only(&peers);
            let calls = peers.into_iter().map(|peer| self.beacon(peer));
            futures_util::future::join_all(calls).await;
        }
    }

    /// Asks a peer whether it is there; its map version if it is.
    pub(crate) async fn beacon(&self, peer: Member) -> Option<u64> {
        let call = self.peer(peer);
        let answer =
            tokio::time::timeout(SUSPECT_AFTER / 2, call.beacon(self.member(), self.map_version())).await;
        match answer {
            Ok(Ok((from, version))) if from == peer => {
                self.links().hear(peer, self.clock().monotonic());
                return Some(version);
            }
            Ok(Ok((from, _))) => tracing::debug!(%peer, %from, "another incarnation answers"),
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no beacon"),
            Err(_) => tracing::debug!(%peer, "no beacon in time"),
        }
        None
    }

    /// Every other member of a shard that this node belongs to.
    fn peers(&self) -> BTreeSet<Member> {
        let me = self.member();
        let mut peers = BTreeSet::new();
        for core in self.shards() {
            if let Some(entry) = core.lock().entry()
                && entry.writers().any(|member| member == me)
            {
                peers.extend(entry.writers().filter(|member| *member != me));
            }
        }
        peers
    }

    /// Waits until every other member of the shard is in reach. The caller bounds the wait.
    pub(crate) async fn links_up(&self, shard: ShardId, epoch: Epoch) -> Result<(), StorageError> {
        loop {
            let changed = self.links().changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let missing = {
                let core = self.shard(shard).lock();
                core.check_head(epoch).map_err(|r| refused(&core, r, self.map_version()))?;
                core.missing(&[])
            };
            let now = self.clock().monotonic();
            if missing.iter().all(|peer| self.links().is_up(*peer, now)) {
                return Ok(());
            }
            // A new configuration may name other members: look again now and then, too.
            let _ = tokio::time::timeout(BEACON_EVERY, changed).await;
        }
    }
}
