//! What the leader does by itself once there is a map: it moves shards, and purges.
//!
//! Every voter runs the workers and only the one that leads does anything. What they decide from may be behind the log,
//! as just after an election: each command is a compare-and-swap or idempotent, so that this is harmless.

mod leader;
mod moves;
mod purge;

use headwater_proto::directory::Directory;
use headwater_types::{Clock, Rng};
use std::sync::Arc;

use crate::raft::RaftMeta;
use leader::Leader;

/// What the workers need besides the voter.
#[derive(Debug, Clone)]
pub struct WorkerParts {
    /// How nodes are reached.
    pub directory: Arc<dyn Directory>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For request ids.
    pub rng: Arc<dyn Rng>,
}

impl RaftMeta {
    /// Starts the workers of a leader on the current runtime. They end with the voter. To be called once.
    ///
    /// They see which nodes are alive in the voter's own [`crate::MetaStore::presence`]: where no node reports, nothing
    /// is moved.
    pub fn start_workers(self: &Arc<Self>, parts: WorkerParts) {
        let leader = Leader::of(self);
        tokio::spawn(moves::run(leader.clone(), parts.clock.clone()));
        tokio::spawn(purge::run(leader, parts));
    }
}
