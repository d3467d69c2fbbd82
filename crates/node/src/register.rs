//! Registering processes of nodes with the metadata, which gives each its incarnation.

#[cfg(test)]
mod tests;

use headwater_meta::{Command, MetaCache, MetaError, MetaStore, Outcome, Registration, State, refusal};
use headwater_types::{Clock, DiskId, Member, NodeId};
use std::time::Duration;

/// For one attempt: reading whom the process follows, and the proposal, each.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Processes that are registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The version from which on the map shows them.
    pub version: u64,
    /// They, with their incarnations, in the order in which they were given.
    pub members: Vec<Member>,
}

/// Why a process was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The metadata did not answer.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// Another process of the node registered first, again and again.
    #[error("another process of this node registers at the same time: {0}")]
    Overtaken(String),
    /// The metadata refused the node.
    #[error("the metadata refused this node: {0}")]
    Refused(String),
}

impl RegisterError {
    /// Whether another attempt may end otherwise.
    fn may_pass(&self) -> bool {
        match self {
            Self::Meta(MetaError::Unavailable(_) | MetaError::Unknown(_)) | Self::Overtaken(_) => true,
            Self::Meta(MetaError::Invalid(_)) | Self::Refused(_) => false,
        }
    }
}

/// Registers new processes of nodes, several at once where one process holds them.
///
/// Each attempt reads which incarnations are registered and follows those: a process that was overtaken by another one
/// (the late registration of a process that is gone) reads again. One that was registered and then replaced is refused
/// for good. Tries again while the metadata do not answer, at most for `limit`; the last attempt may go on for 10 s
/// after it.
pub async fn register(
    meta: &dyn MetaStore,
    cache: &MetaCache,
    clock: &dyn Clock,
    mut nodes: Vec<Registration>,
    limit: Duration,
) -> Result<Registered, RegisterError> {
    let until = clock.monotonic() + limit;
    let mut other_disks = None;
    loop {
        match attempt(meta, cache, &mut nodes, &mut other_disks).await {
            Err(error) if error.may_pass() && clock.monotonic() < until => {
                tracing::debug!(%error, "not registered yet");
                tokio::time::sleep(PAUSE).await;
            }
            Ok(registered) => {
                other_disks.iter().flatten().for_each(OtherDisk::warn);
                return Ok(registered);
            }
            refused => return refused,
        }
    }
}

/// Tries once. `other_disks` is what the first attempt finds that reads the metadata: later ones may find these very
/// processes there, whose registration was applied while its answer was lost.
async fn attempt(
    meta: &dyn MetaStore,
    cache: &MetaCache,
    nodes: &mut [Registration],
    other_disks: &mut Option<Vec<OtherDisk>>,
) -> Result<Registered, RegisterError> {
    let state = cache.linearizable(meta, ATTEMPT_LIMIT).await?;
    other_disks.get_or_insert_with(|| nodes.iter().filter_map(|node| OtherDisk::of(&state, node)).collect());
    for node in nodes.iter_mut() {
        node.follows = state.nodes.get(&node.id).map(|known| known.incarnation);
    }
    let applied = meta.propose(Command::Register { nodes: nodes.to_vec() }, ATTEMPT_LIMIT).await?;
    match applied.outcome {
        Outcome::Registered { members } => Ok(Registered { version: applied.version, members }),
        Outcome::Refused { code, message } if code == refusal::STALE_INCARNATION => {
            Err(RegisterError::Overtaken(message))
        }
        Outcome::Refused { message, .. } => Err(RegisterError::Refused(message)),
        other => Err(MetaError::Invalid(format!("a registration was answered with {other:?}")).into()),
    }
}

/// A node whose new process has another data directory than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OtherDisk {
    node: NodeId,
    disk: DiskId,
    before: DiskId,
}

impl OtherDisk {
    /// Compares a new process with the registered one of its node.
    fn of(state: &State, node: &Registration) -> Option<Self> {
        let before = state.nodes.get(&node.id)?.process.as_ref()?.disk_id;
        (before != node.disk_id).then_some(Self { node: node.id, disk: node.disk_id, before })
    }

    /// A directory that was emptied or exchanged is worth a warning: what the node had is on no disk of it any more.
    fn warn(&self) {
        let Self { node, disk, before } = self;
        tracing::warn!(
            %node, %disk, %before,
            "the data directory is not the one that the node had: it joins as a new member and takes no old place"
        );
    }
}
