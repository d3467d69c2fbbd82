//! Soft state of the nodes: what they last said of themselves. Never in the log; a new voter starts without.

use headwater_types::{Clock, Member, NodeId};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{limits::NODES_MAX, store::MetaError};

/// What a node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeReport {
    /// The node and its process.
    pub member: Member,
    /// The version of its copy of the metadata.
    pub map_version: u64,
    /// Bytes in its hot tier.
    pub hot_bytes: u64,
    /// Bytes that its hot tier may take.
    pub hot_capacity_bytes: u64,
}

/// A report and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The last report of the node's newest process.
    pub report: NodeReport,
    /// When it came, by the monotonic clock of the voter.
    pub at: Duration,
}

/// The last report of each node, at most [`NODES_MAX`].
#[derive(Debug)]
pub struct Heartbeats {
    clock: Arc<dyn Clock>,
    seen: Mutex<BTreeMap<NodeId, Seen>>,
}

impl Heartbeats {
    /// Nobody has been seen.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, seen: Mutex::default() })
    }

    /// Takes a report. One of an older process than was seen before is ignored; past the bound new nodes are refused.
    pub fn record(&self, report: NodeReport) -> Result<(), MetaError> {
        let now = self.clock.monotonic();
        let mut seen = self.seen.lock();
        let member = report.member;
        match seen.get(&member.node) {
            Some(last) if last.report.member.incarnation > member.incarnation => return Ok(()),
            None if seen.len() >= NODES_MAX => {
                return Err(MetaError::Unavailable(format!("{NODES_MAX} nodes have reported already")));
            }
            _ => {}
        }
        seen.insert(member.node, Seen { report, at: now });
        Ok(())
    }

    /// What is known of each node, by id.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().values().copied().collect()
    }
}
