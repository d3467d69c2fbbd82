//! A storage node inside the process of `headwater dev`.

use anyhow::Result;
use headwater_meta::{MetaCache, Registration};
use headwater_node::{Identity, NodeConfig, NodeDeps, NodeMetrics, StorageNode, node::NodeService};
use headwater_proto::directory::LocalDirectory;
use headwater_store::{HotConfig, HotTier};
use headwater_types::{Clock, Member, NodeId, Rng, ZoneName};
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

/// A node that has its directory and is not registered yet.
pub struct Unregistered {
    identity: Identity,
    id: NodeId,
    zone: ZoneName,
    hot_capacity: u64,
}

impl Unregistered {
    /// Takes a node's directory.
    pub fn take(options: &DevOptions, id: NodeId, zone: ZoneName, rng: &dyn Rng) -> Result<Self> {
        let identity = Identity::take(&options.data_dir.join(format!("node-{id}")), id, rng)?;
        Ok(Self { identity, id, zone, hot_capacity: options.hot_capacity })
    }

    /// What it registers with.
    pub fn registration(&self) -> Registration {
        let address = format!("in-process:{}", self.id);
        self.identity.registration(self.zone.clone(), address, self.hot_capacity)
    }
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
    /// Starts one that is registered as `member`.
    pub fn start(
        options: &DevOptions,
        node: Unregistered,
        member: Member,
        parts: LocalParts<'_>,
    ) -> Result<Self> {
        let Unregistered { mut identity, id, zone, hot_capacity } = node;
        identity.registered(member.incarnation)?;
        let tier = Arc::new(HotTier::new(HotConfig::with_capacity(hot_capacity), parts.clock.clone()));
        let config = NodeConfig {
            member,
            zone: zone.clone(),
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
