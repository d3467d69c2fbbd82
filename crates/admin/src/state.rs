//! What the admin plane shows.

use headwater_meta::MetaCache;
use headwater_telemetry::{MetricsRegistry, Readiness};
use std::sync::Arc;

use crate::api::AdminApi;

/// What a role gives its admin plane. A clone shares everything.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// The role's copy of the metadata, if it keeps one; `/version` says how far it is.
    pub cache: Option<Arc<MetaCache>>,
    /// What `/metrics` encodes.
    pub metrics: Arc<MetricsRegistry>,
    /// What `/readyz` reports.
    pub readiness: Readiness,
    /// Where browsers reach the data plane, as the watch page suggests it: `https://host[:port]`.
    pub data_url: Option<String>,
    /// What the admin API is made from; without it there is none.
    pub api: Option<AdminApi>,
}
