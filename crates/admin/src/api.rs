//! The admin API: JSON under `/v1`, described by [`crate::openapi`].
//!
//! Handlers read the metadata as a quorum has it now, and change them by proposals; objects are asked of the nodes.

pub mod auth;
pub mod error;
pub mod input;
pub(crate) mod key_uses;
pub mod metadata;
pub mod paging;

pub(crate) mod audit_entries;
pub(crate) mod channels;
pub(crate) mod cluster;
pub(crate) mod confirm;
pub(crate) mod convert;
pub(crate) mod keys;
pub(crate) mod listing;
pub(crate) mod meta_members;
pub(crate) mod namespaces;
pub(crate) mod new_key;
pub(crate) mod nodes;
pub(crate) mod objects;
pub(crate) mod purges;
pub(crate) mod routes;
pub(crate) mod settings;
pub(crate) mod shards;
pub(crate) mod signing_keys;
pub(crate) mod usage;

use headwater_meta::{MetaCache, MetaStore};
use headwater_proto::Directory;
use headwater_types::{Clock, Rng};
use ipnet::IpNet;
use std::{sync::Arc, time::Duration};

use crate::audit::AuditLog;
pub use auth::BootstrapToken;
pub use key_uses::KeyUses;

/// What the admin API is made from. A clone shares everything.
#[derive(Debug, Clone)]
pub struct AdminApi {
    /// Role and id of the process, such as `frontend-1`, as it reports to the voters.
    pub name: String,
    /// Where changes are proposed.
    pub store: Arc<dyn MetaStore>,
    /// A copy of the metadata that follows `store`.
    pub cache: Arc<MetaCache>,
    /// How nodes are reached, for listings of objects; without it these answer 503.
    pub directory: Option<Arc<dyn Directory>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for keys and request ids.
    pub rng: Arc<dyn Rng>,
    /// Where changes are written down.
    pub audit: AuditLog,
    /// A token that is valid beside the admin keys.
    pub bootstrap_token: Option<BootstrapToken>,
    /// Every key is refused once the metadata has not been heard for so long; `None`: what is known stays good.
    pub auth_max_staleness: Option<Duration>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Which keys have been told to the voters as used.
    pub key_uses: Arc<KeyUses>,
}
