//! Reports of this node to the metadata: that it lives, how far its map is, what it holds and how full its memory is.

use headwater_meta::{MetaStore, NodeReport, Report, limits::REPORT_EVERY};
use std::sync::Arc;

use crate::node::StorageNode;

impl StorageNode {
    /// Reports for as long as the node runs, and follows what the leader answers. Nobody waits for a report: one that
    /// fails is followed by the next, and its answer is not followed any more then.
    pub(crate) async fn run_reports(self: Arc<Self>, meta: Arc<dyn MetaStore>) {
        for seq in 1.. {
            let sent = tokio::time::timeout(REPORT_EVERY * 2, meta.report(self.report(seq))).await;
            match sent {
                Ok(Ok(reported)) => {
                    if let Some(guidance) = reported.guidance {
                        self.shares().follow(&guidance, self.tier());
                    }
                }
                Ok(Err(error)) => tracing::debug!(%error, "the metadata did not take a report"),
                Err(_) => tracing::debug!("the metadata did not take a report in time"),
            }
            tokio::time::sleep(REPORT_EVERY).await;
        }
    }

    fn report(&self, seq: u64) -> Report {
        let member = self.member();
        let (spaces, left_out) = self.shares().report(self.tier().namespaces(), self.clock().monotonic());
        self.metrics().spaces_left_out.set(left_out as i64);
        Report {
            reporter: format!("node-{}", member.node),
            version: self.map_version(),
            node: Some(NodeReport {
                member,
                hot_bytes: self.tier().used_bytes(),
                hot_capacity_bytes: self.tier().capacity_bytes(),
            }),
            seq,
            spaces,
            ..Report::default()
        }
    }
}
