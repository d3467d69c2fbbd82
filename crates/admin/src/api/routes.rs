//! The routes of the admin API, in one table: the router is made from it, the OpenAPI document is tested against it.

use axum::{
    Json, Router,
    extract::Request,
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, patch, post, put},
};
use http::header;
use std::sync::Arc;

use super::{
    AdminApi, audit_entries, auth, channels, cluster, error::ApiError, input, keys, meta_members, namespaces,
    nodes, objects, purges, shards, signing_keys,
};

/// Where the OpenAPI document is; the one route that needs no token.
pub const DOCUMENT: &str = "/v1/openapi.json";

/// A method, a path and its handler.
type Route = (&'static str, &'static str, MethodRouter<Arc<AdminApi>>);

/// Every route that needs a token.
#[rustfmt::skip]
pub fn table() -> Vec<Route> {
    vec![
        ("get", "/v1/namespaces", get(namespaces::list)),
        ("post", "/v1/namespaces", post(namespaces::create)),
        ("get", "/v1/namespaces/{ns}", get(namespaces::show)),
        ("patch", "/v1/namespaces/{ns}", patch(namespaces::update)),
        ("put", "/v1/namespaces/{ns}", put(namespaces::replace)),
        ("delete", "/v1/namespaces/{ns}", delete(namespaces::remove)),
        ("get", "/v1/namespaces/{ns}/keys", get(keys::list)),
        ("post", "/v1/namespaces/{ns}/keys", post(keys::create)),
        ("get", "/v1/namespaces/{ns}/keys/{id}", get(keys::show)),
        ("delete", "/v1/namespaces/{ns}/keys/{id}", delete(keys::revoke)),
        ("get", "/v1/namespaces/{ns}/signing-keys", get(signing_keys::list)),
        ("post", "/v1/namespaces/{ns}/signing-keys", post(signing_keys::create)),
        ("delete", "/v1/namespaces/{ns}/signing-keys/{id}", delete(signing_keys::revoke)),
        ("post", "/v1/namespaces/{ns}/purge", post(purges::start)),
        ("delete", "/v1/namespaces/{ns}/blocked", delete(purges::unblock)),
        ("get", "/v1/namespaces/{ns}/objects", get(objects::list)),
        ("get", "/v1/namespaces/{ns}/channels", get(channels::list)),
        ("get", "/v1/keys", get(keys::list_admin)),
        ("post", "/v1/keys", post(keys::create_admin)),
        ("get", "/v1/keys/{id}", get(keys::show_admin)),
        ("delete", "/v1/keys/{id}", delete(keys::revoke_admin)),
        ("get", "/v1/purges", get(purges::list)),
        ("get", "/v1/purges/{id}", get(purges::show)),
        ("get", "/v1/nodes", get(nodes::list)),
        ("get", "/v1/nodes/{id}", get(nodes::show)),
        ("delete", "/v1/nodes/{id}", delete(nodes::remove)),
        ("post", "/v1/nodes/{id}/drain", post(nodes::drain)),
        ("post", "/v1/nodes/{id}/activate", post(nodes::activate)),
        ("get", "/v1/shards", get(shards::list)),
        ("get", "/v1/cluster", get(cluster::show)),
        ("get", "/v1/cluster/meta", get(meta_members::show)),
        ("post", "/v1/cluster/meta", post(meta_members::add)),
        ("delete", "/v1/cluster/meta/{id}", delete(meta_members::remove)),
        ("post", "/v1/cluster/zones/{zone}/fence", post(cluster::fence)),
        ("delete", "/v1/cluster/zones/{zone}/fence", delete(cluster::unfence)),
        ("get", "/v1/audit", get(audit_entries::list)),
    ]
}

/// A condition that is not looked at must not seem to hold (RFC 9110 section 13.1.1): only namespaces have versions.
async fn refuse_a_condition_that_would_not_count(request: Request, next: Next) -> Response {
    let of_namespace =
        request.uri().path().strip_prefix("/v1/namespaces/").is_some_and(|rest| !rest.contains('/'));
    let is_asked = request.headers().get(header::IF_MATCH).is_some_and(|tags| tags != "*");
    if is_asked && !request.method().is_safe() && !of_namespace {
        return ApiError::invalid("If-Match", "counts for changes of a namespace itself only; leave it out")
            .into_response();
    }
    next.run(request).await
}

/// The router of the admin API.
pub fn router(api: AdminApi) -> Router {
    let api = Arc::new(api);
    let routes =
        table().into_iter().fold(Router::new(), |router, (_, path, handler)| router.route(path, handler));
    routes
        .layer(input::body_limit())
        .route_layer(from_fn(refuse_a_condition_that_would_not_count))
        .route_layer(from_fn_with_state(api.clone(), auth::guard))
        .with_state(api)
        .route(DOCUMENT, get(|| async { Json(crate::openapi::document()) }))
}
