//! A frontend: its parts, and the router that serves it.

use axum::body::Body;
use headwater_meta::{Guidance, MetaCache, limits::REPORT_KEYS_MAX};
use headwater_proto::directory::Directory;
use headwater_telemetry::{AccessLog, Readiness};
use headwater_types::{BodyBudget, Clock, ErrorCode, KeyId, Rng, UnixMillis};
use http::{Request, Response};
use std::{fmt, sync::Arc};

use crate::{
    cache_control::PlaylistCache,
    config::FrontendConfig,
    dates::Dates,
    encoding::{RECODED_BYTES_MAX, Recodings},
    handle, health,
    hedge::HedgeBudget,
    key_use::KeyUses,
    metrics::Metrics,
    near_cache::NearCache,
    net::{ConnInfo, Handler},
    overwrites::Overwrites,
    policy::Policies,
    quotas::Quotas,
    rates::Rates,
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
    /// What `/readyz` tells, here as at the admin listener.
    pub readiness: Readiness,
}

/// The data plane of one process.
pub struct Frontend {
    pub(crate) config: FrontendConfig,
    pub(crate) cache: Arc<MetaCache>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) access_log: AccessLog,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
    pub(crate) routes: Routes,
    pub(crate) policies: Policies,
    /// Memory for request bodies until their PUTs are answered.
    pub(crate) budget: Arc<BodyBudget>,
    pub(crate) hedges: HedgeBudget,
    pub(crate) playlists: PlaylistCache,
    pub(crate) near: Arc<NearCache>,
    pub(crate) recodings: Arc<Recodings>,
    pub(crate) dates: Dates,
    pub(crate) key_uses: KeyUses,
    pub(crate) quotas: Quotas,
    pub(crate) rates: Rates,
    pub(crate) overwrites: Overwrites,
    /// Of this process and this data plane: what makes the order of its requests its own.
    pub(crate) nonce: u64,
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
        let shown = metrics.ingest_used.clone();
        let near = NearCache::new(parts.config.near_cache_bytes, metrics.near_bytes.clone());
        let (recoded_bytes, recoded) = (metrics.recoded_bytes.clone(), metrics.recoded.clone());
        let recodings = Recodings::new(RECODED_BYTES_MAX, recoded_bytes, recoded);
        Arc::new(Self {
            routes: Routes::new(parts.cache.clone(), parts.directory, parts.config.zone.clone()),
            budget: BodyBudget::new(parts.config.ingest_budget_bytes, move |used| {
                _ = shown.set(i64::try_from(used).unwrap_or(i64::MAX));
            }),
            config: parts.config,
            cache: parts.cache,
            clock: parts.clock,
            nonce: parts.rng.next_u64(),
            rng: parts.rng,
            access_log: parts.access_log,
            readiness: parts.readiness,
            overwrites: Overwrites::new(metrics.overwritten.clone()),
            metrics,
            policies: Policies::new(),
            hedges: HedgeBudget::new(),
            playlists: PlaylistCache::new(),
            near,
            recodings,
            dates: Dates::new(),
            key_uses: KeyUses::new(),
            quotas: Quotas::default(),
            rates: Rates::default(),
        })
    }

    /// What is counted, to be registered.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether the metadata has been silent for longer than credentials may be trusted for. A copy that was never fed
    /// by a watch may be of any age.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.config.auth_max_staleness.is_some_and(|limit| {
            let heard = self.cache.last_heard();
            heard.is_none_or(|at| self.clock.monotonic().saturating_sub(at) > limit)
        })
    }

    /// Follows what the metadata leader wants.
    pub fn follow(&self, guidance: &Guidance) {
        self.quotas.follow(guidance, self.clock.monotonic());
    }

    /// Takes the keys that granted requests since they were last taken, and when: at most [`REPORT_KEYS_MAX`] a call,
    /// each key at most once a minute. What was taken is not told again before the key's next minute.
    pub fn keys_used(&self) -> Vec<(KeyId, UnixMillis)> {
        self.key_uses.take(REPORT_KEYS_MAX)
    }
}

/// Answers every path; paths outside `/cache/` get 404, except the probes of health. Without a router between: paths are
/// read raw, so that no part of them is decoded twice.
impl Handler for Arc<Frontend> {
    type Body = ResponseBody;

    async fn handle(&self, connection: &Arc<ConnInfo>, request: Request<Body>) -> Response<ResponseBody> {
        if let Some(answer) = health::answer(self, &request) {
            return answer;
        }
        handle::handle(self, connection, request, None).await
    }

    async fn refuse(
        &self,
        connection: &Arc<ConnInfo>,
        request: Request<Body>,
        code: ErrorCode,
    ) -> Response<ResponseBody> {
        handle::handle(self, connection, request, Some(code)).await
    }
}
