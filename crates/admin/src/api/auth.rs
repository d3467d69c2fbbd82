//! Who may use the admin API: API keys with the permission `admin`, and the bootstrap token.

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use headwater_meta::Report;
use headwater_types::{ApiKey, ErrorCode, KeyId, Permission, RequestId, UnixMillis, client_address};
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use subtle::ConstantTimeEq;
use tracing::Instrument;

use super::{
    AdminApi,
    error::{self, ApiError, ApiResult},
    metadata,
};

/// Shortest bootstrap token, in bytes.
pub const BOOTSTRAP_TOKEN_BYTES_MIN: usize = 32;
/// What the audit log calls the holder of the bootstrap token.
pub const BOOTSTRAP: &str = "bootstrap";

/// A token from the configuration, for the time before there is an admin key. Only its hash is kept.
#[derive(Clone)]
pub struct BootstrapToken([u8; 32]);

impl BootstrapToken {
    /// Takes a token, without the white space around it; `None` if it has fewer than [`BOOTSTRAP_TOKEN_BYTES_MIN`] bytes
    /// or anything but visible ASCII, which no header could carry.
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        let fits = token.len() >= BOOTSTRAP_TOKEN_BYTES_MIN && token.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(Sha256::digest(token).into()))
    }

    /// Compares in a time that does not depend on the token.
    fn matches(&self, given: &str) -> bool {
        self.0.ct_eq(Sha256::digest(given).as_slice()).into()
    }
}

impl fmt::Debug for BootstrapToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootstrapToken(redacted)")
    }
}

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The id of the admin key, or [`BOOTSTRAP`].
    pub who: String,
    /// Where from, seen through the trusted proxies, if that is known.
    pub client: Option<IpAddr>,
    /// The request's id.
    pub request_id: RequestId,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let unchecked = || ApiError::new(ErrorCode::Internal, "the request was not checked");
        parts.extensions.get::<Self>().cloned().ok_or_else(unchecked)
    }
}

/// Lets a request through that an administrator makes, and gives every answer its request id.
pub async fn guard(State(api): State<Arc<AdminApi>>, mut request: Request, next: Next) -> Response {
    let request_id = RequestId::new(&*api.clock, &*api.rng);
    let client = client(&api, &request);
    let response = match authorize(&api, request.headers(), client) {
        Ok(who) => {
            // What is logged on behalf of the request says so.
            let span = tracing::info_span!("admin", %request_id, method = %request.method());
            request.extensions_mut().insert(Caller { who, client, request_id });
            next.run(request).instrument(span).await
        }
        Err(error) => {
            tracing::debug!(%request_id, ?client, detail = %error.detail, "an admin request was refused");
            error.into_response()
        }
    };
    let mut response = error::named(response, &request_id);
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    }
    response
}

fn client(api: &AdminApi, request: &Request) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    client_address::of(*peer, request.headers(), &api.trusted_proxies)
}

fn authorize(api: &AdminApi, headers: &HeaderMap, client: Option<IpAddr>) -> ApiResult<String> {
    let none = "no valid admin token: send `Authorization: Bearer` with an API key of permission admin or the \
                bootstrap token";
    let unauthorized = || ApiError::new(ErrorCode::Unauthorized, none);
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(bearer).ok_or_else(unauthorized)?;
    if api.bootstrap_token.as_ref().is_some_and(|bootstrap| bootstrap.matches(token)) {
        return Ok(BOOTSTRAP.to_owned());
    }
    let key = ApiKey::parse(token).map_err(|_| unauthorized())?;
    // One that was revoked since could not be told from one that is good.
    if let Some(max) = api.auth_max_staleness.filter(|max| api.cache.is_stale(api.clock.monotonic(), *max)) {
        let detail = format!("the metadata was not heard for more than {max:?}: no key is accepted here");
        return Err(ApiError::new(ErrorCode::MetadataStale, detail));
    }
    let now = api.clock.unix_millis();
    let record = api.cache.verify(&key, now).ok_or_else(unauthorized)?;
    let forbidden = |detail: &str| Err(ApiError::new(ErrorCode::Forbidden, detail));
    if record.permission != Permission::Admin {
        return forbidden("the key is of the data plane; the admin API takes keys of permission admin");
    }
    // Where the client's address is not known, a key that is limited to networks is refused.
    let within = |client| client_address::is_within(client, &record.cidrs);
    if !record.cidrs.is_empty() && !client.is_some_and(within) {
        return forbidden("the key is not valid from this client address");
    }
    note_use(api, &record.id, now);
    Ok(record.id.to_string())
}

/// Tells the voters that a key is in use. The time of its last use is no more than a help for operators, so a report
/// that is lost is not repeated.
fn note_use(api: &AdminApi, id: &KeyId, now: UnixMillis) {
    if !api.key_uses.is_news(id, now) {
        return;
    }
    let report = Report {
        reporter: api.name.clone(),
        version: api.cache.version(),
        keys_used: vec![(id.clone(), now)],
        ..Report::default()
    };
    let store = api.store.clone();
    tokio::spawn(async move {
        match tokio::time::timeout(metadata::LIMIT, store.report(report)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the use of an admin key was not told"),
            Err(_) => tracing::debug!("the use of an admin key was not told in time"),
        }
    });
}

/// The token of `Bearer <token>`; the scheme is read without regard to case (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
