//! Who a voter is: its id, its directory and its cluster, and whose calls it takes.

use headwater_types::Rng;
use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::watch;

use super::{
    log_db::LogError,
    log_store::LogStore,
    member_ids::MemberIds,
    peers::{PeerError, PeerHeader, PeerIdentity},
};

/// What a voter is known by.
///
/// # To ensure correctness
/// A voter that lost its directory has forgotten its votes. It comes back with another `disk`, so that no call that is
/// meant for the lost one reaches it, and it must join under a new id.
#[derive(Debug)]
pub(super) struct Identity {
    pub id: u64,
    /// Made when the directory was; names it among all directories that ever had this id.
    pub disk: String,
    /// Empty before the voter founds a cluster or is taken into one; then it never changes.
    cluster: RwLock<String>,
    members: Arc<MemberIds>,
    /// What a member said that knows this voter as removed.
    removed: watch::Sender<Option<String>>,
}

impl Identity {
    /// Reads or makes what the directory is known by. Blocks on the disk.
    pub(super) fn open(
        id: u64,
        log: &LogStore,
        rng: &dyn Rng,
        members: Arc<MemberIds>,
    ) -> Result<Self, LogError> {
        let disk = log.disk_or(|| random_name(rng))?;
        let cluster = RwLock::new(log.cluster()?);
        Ok(Self { id, disk, cluster, members, removed: watch::Sender::new(None) })
    }

    /// A member has said that this voter was removed.
    pub(super) fn was_removed(&self, why: &str) {
        self.removed.send_if_modified(|known| known.is_none() && known.replace(why.to_owned()).is_none());
    }

    /// Resolves with the reason once this voter is known to have been removed.
    pub(super) async fn removed(&self) -> String {
        let mut removed = self.removed.subscribe();
        match removed.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            // The sender is held here.
            _ => std::future::pending().await,
        }
    }

    /// The cluster; empty: none yet.
    pub(super) fn cluster(&self) -> String {
        self.cluster.read().clone()
    }

    /// Makes the voter one of `cluster` for ever, if it is of none. Blocks on the disk.
    pub(super) fn adopt(&self, log: &LogStore, cluster: &str) -> Result<(), LogError> {
        let mut mine = self.cluster.write();
        if mine.is_empty() {
            log.set_cluster(cluster)?;
            cluster.clone_into(&mut mine);
        }
        Ok(())
    }

    /// As others are told.
    pub(super) fn told(&self) -> PeerIdentity {
        PeerIdentity { id: self.id, cluster: self.cluster(), disk: self.disk.clone() }
    }

    /// Whether a call is for this voter, from one of its cluster.
    pub(super) fn check(&self, header: &PeerHeader) -> Result<(), PeerError> {
        let refuse = |message: String| Err(PeerError::Refused(message));
        let (me, mine) = (self.id, self.cluster.read());
        if header.to != me {
            return refuse(format!("this is voter {me}, not voter {}", header.to));
        }
        if mine.is_empty() {
            return refuse(format!("voter {me} is in no cluster yet"));
        }
        if *mine != header.cluster {
            return refuse(format!("voter {me} is in cluster {mine}, not in cluster {:?}", header.cluster));
        }
        if !header.to_disk.is_empty() && header.to_disk != self.disk {
            return refuse(format!(
                "voter {me} lost its directory: this one is {}, not {}; it has to be removed and to join under a new id",
                self.disk, header.to_disk
            ));
        }
        Ok(())
    }

    /// Whether the caller may still be a member, or become one: one that was removed and does not know it yet may not.
    pub(super) fn check_member(&self, header: &PeerHeader) -> Result<(), PeerError> {
        if self.members.was_removed(header.from) {
            return Err(PeerError::Removed(format!("voter {} was removed", header.from)));
        }
        Ok(())
    }
}

/// 128 random bits in hexadecimal.
pub(super) fn random_name(rng: &dyn Rng) -> String {
    format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
}
