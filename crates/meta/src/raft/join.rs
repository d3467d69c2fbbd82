//! How a new voter gets into a cluster, and how one that moved tells its new address.

use std::time::Duration;
use tokio::time::timeout;

use super::{
    node::RaftMeta,
    peers::{Forwarded, ForwardedAnswer, PeerAnswer, PeerCall, PeerHeader, mismatched},
};
use crate::store::{MemberChange, Membership, MetaError, MetaStore};

/// One attempt: long enough for a snapshot to arrive.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(20);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

impl RaftMeta {
    /// Asks the members at `addresses` to make this voter one, under its id and its address; they call it back at that
    /// address, so it must be served there by then. Tries for `limit`, as the members may be starting as well.
    ///
    /// A voter that is a member at its address already needs nothing. [`MetaError::Invalid`] where its id was used
    /// before, or its directory is not the one that the members know.
    pub async fn join(&self, addresses: &[String], limit: Duration) -> Result<(), MetaError> {
        let deadline = self.clock.monotonic() + limit;
        loop {
            if self.is_voter_here() {
                return Ok(());
            }
            let mut error = MetaError::Unavailable("there is no member to ask".to_owned());
            if self.is_member() && self.has_leader() {
                match self.change_membership(self.as_added(), ATTEMPT_LIMIT).await {
                    Ok(_) => return Ok(()),
                    Err(e @ MetaError::Invalid(_)) => return Err(e),
                    Err(e) => error = e,
                }
            }
            for address in addresses.iter().filter(|address| **address != self.address) {
                match self.ask(address).await {
                    Ok(_) => return Ok(()),
                    Err(e @ MetaError::Invalid(_)) => return Err(e),
                    Err(e) => error = e,
                }
            }
            if self.clock.monotonic() >= deadline || self.has_ended() {
                return Err(error);
            }
            tracing::debug!(voter = self.id, %error, "not a member yet");
            let mut raft = self.raft.server_metrics();
            raft.mark_unchanged();
            let _ = timeout(PAUSE, raft.changed()).await;
        }
    }

    /// The cluster that is at any of `addresses`, if there is one.
    pub(super) async fn cluster_at(&self, addresses: &[String]) -> Option<String> {
        for address in addresses.iter().filter(|address| **address != self.address) {
            if let Ok(seen) = self.identify(address).await
                && !seen.cluster.is_empty()
            {
                return Some(seen.cluster);
            }
        }
        None
    }

    fn as_added(&self) -> MemberChange {
        MemberChange::Add { id: self.id, address: self.address.clone() }
    }

    fn has_leader(&self) -> bool {
        self.raft.metrics().borrow().current_leader.is_some()
    }

    /// Whether the voter knows itself as a member, as after a restart.
    pub fn is_member(&self) -> bool {
        self.raft.metrics().borrow().membership_config.membership().get_node(&self.id).is_some()
    }

    fn is_voter_here(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let config = &metrics.membership_config;
        // The members do not know the directory of a founder that began from a backup.
        let here = config
            .membership()
            .get_node(&self.id)
            .is_some_and(|node| node.addr == self.address && node.disk == self.identity.disk);
        here && metrics.current_leader.is_some() && config.voter_ids().any(|id| id == self.id)
    }

    async fn ask(&self, address: &str) -> Result<Membership, MetaError> {
        let seen = self.identify(address).await?;
        let mine = self.identity.cluster();
        if seen.cluster.is_empty() {
            return Err(MetaError::Unavailable(format!("voter {} is in no cluster yet", seen.id)));
        }
        if !mine.is_empty() && mine != seen.cluster {
            return Err(MetaError::Invalid(format!(
                "this voter is in cluster {mine}, the one at {address} in cluster {}",
                seen.cluster
            )));
        }
        let header = PeerHeader { cluster: seen.cluster, from: self.id, to: seen.id, to_disk: seen.disk };
        let peer = self.network.peers.peer(address).map_err(super::peers::PeerError::into_meta)?;
        match peer.call(&header, PeerCall::Join(self.as_added()), ATTEMPT_LIMIT).await {
            Ok(PeerAnswer::Forwarded(answer)) => match answer? {
                ForwardedAnswer::Membership(membership) => Ok(membership),
                other => Err(MetaError::Unknown(format!("an answer of another kind: {other:?}"))),
            },
            Ok(other) => Err(mismatched(&other).into_meta()),
            Err(error) => Err(error.into_meta()),
        }
    }

    /// A voter asks to be taken in: any member may be asked.
    pub(super) async fn let_join(&self, change: MemberChange, limit: Duration) -> PeerAnswer {
        PeerAnswer::Forwarded(self.at_leader(Forwarded::Change(change), false, limit).await)
    }
}
