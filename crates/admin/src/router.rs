//! The routes of the admin plane.

use axum::{
    Json, Router,
    extract::{Path, State},
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use headwater_telemetry::{
    VERSION, metrics,
    probe::{self, Probe, Reply},
};
use headwater_types::ErrorCode;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde::Serialize;
use std::sync::Arc;

use crate::{api, assets, assets::Assets, problem::problem, security, state::AdminState};

#[cfg(test)]
mod tests;

/// What the handlers share.
struct Shared {
    state: AdminState,
    assets: Assets,
    index: String,
}

/// What `/version` answers.
#[derive(Serialize)]
struct VersionBody {
    name: &'static str,
    version: &'static str,
    /// How far the role's copy of the metadata is; null if it keeps none.
    metadata_version: Option<u64>,
}

/// The admin plane over `state`. What is below `/v1/` needs a credential; the rest does not, and changes nothing.
pub fn router(state: AdminState) -> Router {
    let index = assets::index(state.data_url.as_deref());
    let api = state.api.clone().map_or_else(Router::new, api::routes::router);
    let shared = Arc::new(Shared { state, assets: Assets::new(), index });
    Router::new()
        .route("/", get(index_page))
        .route("/assets/{*path}", get(asset))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics_text))
        .route("/readyz", get(readyz))
        .route("/version", get(version))
        .with_state(shared)
        .merge(api)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(security::add_headers))
}

async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    answer(Probe::Health, &shared.state)
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    answer(Probe::Ready, &shared.state)
}

fn answer(probe: Probe, state: &AdminState) -> Response {
    let Reply { status, content_type, body } = probe::reply(probe, &state.readiness);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    (status, [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], body)
        .into_response()
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    let headers = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (headers, shared.state.metrics.encode()).into_response()
}

async fn version(State(shared): State<Arc<Shared>>) -> Response {
    let metadata_version = shared.state.cache.as_ref().map(|cache| cache.version());
    let body = VersionBody { name: "headwater", version: VERSION, metadata_version };
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn index_page(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CACHE_CONTROL, "no-cache")], Html(shared.index.clone())).into_response()
}

async fn asset(State(shared): State<Arc<Shared>>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    shared
        .assets
        .get(&path, &headers)
        .unwrap_or_else(|| problem(ErrorCode::NotFound, format!("there is no page file {path}"), None))
}

async fn not_found(uri: Uri) -> Response {
    problem(ErrorCode::NotFound, format!("the admin plane has nothing at {}", uri.path()), None)
}

async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    problem(ErrorCode::MethodNotAllowed, format!("{method} is not allowed for {}", uri.path()), None)
}
