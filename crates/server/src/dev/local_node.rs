//! A storage node inside the process of `headwater dev`.

use anyhow::Result;
use headwater_meta::MetaCache;
use headwater_node::{Identity, NodeConfig, NodeDeps, NodeMetrics, StorageNode, node::NodeService};
use headwater_proto::directory::LocalDirectory;
use headwater_store::{HotConfig, HotTier};
use headwater_types::{Clock, NodeId, ZoneName};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;

use super::DevOptions;

/// A running node, its hot tier and its directory's lock.
pub struct LocalNode {
    /// The node.
    pub node: Arc<StorageNode>,
    /// Where it keeps objects.
    pub tier: Arc<HotTier>,
    /// Where it stands.
    pub zone: ZoneName,
    directory: Arc<LocalDirectory>,
    expiry: JoinHandle<()>,
    _identity: Identity,
}

/// What the nodes of the process share, and the metrics of one.
pub struct LocalParts<'a> {
    /// The watched metadata.
    pub cache: &'a Arc<MetaCache>,
    /// Where nodes find each other.
    pub directory: &'a Arc<LocalDirectory>,
    /// Time.
    pub clock: &'a Arc<dyn Clock>,
    /// What this node counts.
    pub metrics: NodeMetrics,
}

impl LocalNode {
    /// Starts one; it serves once it is registered with the metadata.
    pub fn start(options: &DevOptions, id: NodeId, zone: ZoneName, parts: LocalParts<'_>) -> Result<Self> {
        let identity = Identity::take(&options.data_dir.join(format!("node-{id}")), id)?;
        let tier =
            Arc::new(HotTier::new(HotConfig::with_capacity(options.hot_capacity), parts.clock.clone()));
        let config = NodeConfig {
            member: identity.member(),
            zone: zone.clone(),
            address: format!("in-process:{id}"),
            inflight_bytes_max: options.ingest_budget.saturating_mul(2),
        };
        let deps = NodeDeps {
            tier: tier.clone(),
            cache: parts.cache.clone(),
            directory: parts.directory.clone(),
            clock: parts.clock.clone(),
            metrics: parts.metrics,
        };
        let node = StorageNode::start(config, deps);
        let service = Arc::new(NodeService(node.clone()));
        parts.directory.register(id, service.clone(), service);
        let expiry = tokio::spawn(tier.clone().run_expiry());
        Ok(Self { node, tier, zone, directory: parts.directory.clone(), expiry, _identity: identity })
    }

    /// Stops it.
    pub async fn stop(self) {
        self.node.stop(Duration::from_millis(300)).await;
        // The directory and the node hold each other.
        self.directory.unregister(self.node.member().node);
        self.expiry.abort();
    }
}
