//! Nodes, shards, zones and the metadata group.

use headwater_types::api::{Cluster, MetaGroup, NewMetaMember, Node, Shard};
use reqwest::Method;
use std::time::Duration;

use super::{Admin, Paged};
use crate::error::Error;

/// A new voter catches up within the call, for which the server allows 30 s, and reads before and after it.
const MEMBER_CHANGE_WAIT: Duration = Duration::from_secs(60);

impl Admin {
    /// The cluster as a whole.
    pub async fn cluster(&self) -> Result<Cluster, Error> {
        self.look(&["cluster"]).read().await
    }

    /// The storage nodes.
    pub fn nodes(&self) -> Paged<'_, Node> {
        self.paged(&["nodes"], &[])
    }

    /// One storage node.
    pub async fn node(&self, id: u64) -> Result<Node, Error> {
        self.look(&["nodes", &id.to_string()]).read().await
    }

    /// Moves the shards of a node elsewhere, for good. [`Self::node`] says how far it is.
    pub async fn drain_node(&self, id: u64) -> Result<(), Error> {
        self.call(Method::POST, &["nodes", &id.to_string(), "drain"]).done().await
    }

    /// Takes a drain back: the node gets shards again.
    pub async fn activate_node(&self, id: u64) -> Result<(), Error> {
        self.call(Method::POST, &["nodes", &id.to_string(), "activate"]).done().await
    }

    /// Forgets a node that holds no shard. Doing it again is no error.
    pub async fn remove_node(&self, id: u64) -> Result<(), Error> {
        self.call(Method::DELETE, &["nodes", &id.to_string()]).done().await
    }

    /// The shards; only the degraded ones if asked for.
    pub fn shards(&self, degraded_only: bool) -> Paged<'_, Shard> {
        let state = if degraded_only { "degraded" } else { "" };
        self.paged(&["shards"], &[("state", state)])
    }

    /// The metadata group.
    pub async fn meta(&self) -> Result<MetaGroup, Error> {
        self.call(Method::GET, &["cluster", "meta"]).read().await
    }

    /// Adds a voter: it catches up as a learner first.
    pub async fn add_meta_member(&self, member: &NewMetaMember) -> Result<(), Error> {
        let call = self.call(Method::POST, &["cluster", "meta"]).json(member);
        call.patient(MEMBER_CHANGE_WAIT).done().await
    }

    /// Removes a voter or learner; its id must never be used again.
    pub async fn remove_meta_member(&self, id: u64) -> Result<(), Error> {
        let call = self.call(Method::DELETE, &["cluster", "meta", &id.to_string()]);
        call.patient(MEMBER_CHANGE_WAIT).done().await
    }

    /// Takes a zone out: its nodes take no part until the fence is lifted.
    pub async fn fence_zone(&self, zone: &str) -> Result<(), Error> {
        self.call(Method::POST, &["cluster", "zones", zone, "fence"]).done().await
    }

    /// Lifts the fence of a zone.
    pub async fn unfence_zone(&self, zone: &str) -> Result<(), Error> {
        self.call(Method::DELETE, &["cluster", "zones", zone, "fence"]).done().await
    }
}
