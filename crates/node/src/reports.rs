//! Reports of this node to the metadata: that it lives, how far its map is, how full its memory is.

use headwater_meta::{MetaStore, NodeReport, Report, limits::REPORT_EVERY};
use std::sync::Arc;

use crate::node::StorageNode;

impl StorageNode {
    /// Reports for as long as the node runs. Nobody waits for a report: one that fails is followed by the next.
    pub(crate) async fn run_reports(self: Arc<Self>, meta: Arc<dyn MetaStore>) {
        loop {
            let sent = tokio::time::timeout(REPORT_EVERY * 2, meta.report(self.report())).await;
            if let Ok(Err(error)) = sent {
                tracing::debug!(%error, "the metadata did not take a report");
            }
            tokio::time::sleep(REPORT_EVERY).await;
        }
    }

    fn report(&self) -> Report {
        let member = self.member();
        Report {
            reporter: format!("node-{}", member.node),
            version: self.map_version(),
            node: Some(NodeReport {
                member,
                hot_bytes: self.tier().used_bytes(),
                hot_capacity_bytes: self.tier().capacity_bytes(),
            }),
            keys_used: Vec::new(),
        }
    }
}
