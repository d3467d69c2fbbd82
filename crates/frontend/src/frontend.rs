//! A frontend: its parts, and the router that serves it.

use axum::body::Body;
use headwater_meta::MetaCache;
use headwater_proto::directory::Directory;
use headwater_telemetry::AccessLog;
use headwater_types::{Clock, Rng};
use http::{Request, Response};
use std::{fmt, sync::Arc};

use crate::{
    cache_control::PlaylistCache,
    config::FrontendConfig,
    dates::Dates,
    handle,
    hedge::HedgeBudget,
    ingest::{budget::IngestBudget, sizes::RecentSizes},
    metrics::Metrics,
    net::{ConnInfo, Handler},
    policy::Policies,
    response_body::ResponseBody,
    routes::Routes,
};

/// What a frontend is made of.
pub struct FrontendParts {
    /// Its settings.
    pub config: FrontendConfig,
    /// Its watched copy of the metadata.
    pub cache: Arc<MetaCache>,
    /// How to talk to storage nodes.
    pub directory: Arc<dyn Directory>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its randomness.
    pub rng: Arc<dyn Rng>,
    /// Where its access log goes.
    pub access_log: AccessLog,
}

/// The data plane of one process.
pub struct Frontend {
    pub(crate) config: FrontendConfig,
    pub(crate) cache: Arc<MetaCache>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) access_log: AccessLog,
    pub(crate) metrics: Metrics,
    pub(crate) routes: Routes,
    pub(crate) policies: Policies,
    pub(crate) budget: Arc<IngestBudget>,
    pub(crate) sizes: RecentSizes,
    pub(crate) hedges: HedgeBudget,
    pub(crate) playlists: PlaylistCache,
    pub(crate) dates: Dates,
}

impl fmt::Debug for Frontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frontend").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Frontend {
    /// Puts a frontend together.
    pub fn new(parts: FrontendParts) -> Arc<Self> {
        let metrics = Metrics::new();
        Arc::new(Self {
            routes: Routes::new(parts.cache.clone(), parts.directory, parts.config.zone.clone()),
            budget: IngestBudget::new(parts.config.ingest_budget_bytes, metrics.ingest_used.clone()),
            config: parts.config,
            cache: parts.cache,
            clock: parts.clock,
            rng: parts.rng,
            access_log: parts.access_log,
            metrics,
            policies: Policies::new(),
            sizes: RecentSizes::new(),
            hedges: HedgeBudget::new(),
            playlists: PlaylistCache::new(),
            dates: Dates::new(),
        })
    }

    /// What is counted, to be registered.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// It answers every path, those outside of `/cache/` with 404. Without a router between: paths are read raw, so that no
/// part of them is decoded twice.
impl Handler for Arc<Frontend> {
    type Body = ResponseBody;

    async fn handle(&self, connection: &Arc<ConnInfo>, request: Request<Body>) -> Response<ResponseBody> {
        handle::handle(self, connection, request).await
    }
}
