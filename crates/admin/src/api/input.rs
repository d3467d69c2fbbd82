//! What clients send, checked strictly: every refusal names the field and what is allowed.

use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request},
};
use headwater_types::ErrorCode;
use http::{HeaderMap, header, request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

use super::error::{ApiError, ApiResult};

/// Longest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest query of a request, in bytes: the longest object key, percent-encoded, and room for the rest.
pub const QUERY_BYTES_MAX: usize = 4 * 1024;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// The layer that bounds bodies.
pub fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_BYTES_MAX)
}

/// A body that is JSON, not read yet as any type.
#[derive(Debug)]
pub struct Body(pub Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        check_content_type(request.headers())?;
        let late = || {
            ApiError::new(
                ErrorCode::RequestTimeout,
                format!("the body was not there within {BODY_TIMEOUT:?}"),
            )
        };
        let read = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state));
        let bytes =
            read.await.map_err(|_| late())?.map_err(|rejection| match rejection.status().as_u16() {
                413 => ApiError::new(
                    ErrorCode::BodyTooLarge,
                    format!("the body has more than the allowed {BODY_BYTES_MAX} bytes"),
                ),
                _ => ApiError::new(ErrorCode::BodyIncomplete, rejection.body_text()),
            })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|e| {
            ApiError::new(ErrorCode::BadRequest, format!("the body is not a JSON document: {e}"))
        })
    }
}

fn check_content_type(headers: &HeaderMap) -> ApiResult<()> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(JSON) || essence.eq_ignore_ascii_case(MERGE_PATCH) {
        return Ok(());
    }
    let detail = format!("Content-Type {given:?}: a body is {JSON}; a PATCH may also be {MERGE_PATCH}");
    Err(ApiError::new(ErrorCode::UnsupportedMediaType, detail))
}

/// Reads a value as `T`; an error names the field inside of `context` (empty for the whole body).
pub fn decode<T: DeserializeOwned>(context: &str, value: &Value) -> ApiResult<T> {
    Json::<T>::from_bytes(value.to_string().as_bytes()).map(|Json(value)| value).map_err(|rejection| {
        let text = rejection.body_text();
        // axum writes "<what failed>: <path>: <error> at line 1 column n"; the place is of our own encoding.
        let text = text.split_once("target type: ").map_or(text.as_str(), |(_, what)| what);
        let text = text.rsplit_once(" at line ").map_or(text, |(what, _)| what);
        let detail = if context.is_empty() { text.to_owned() } else { format!("{context}.{text}") };
        ApiError::new(ErrorCode::InvalidValue, detail)
    })
}

/// Refuses fields of `given` that `allowed` does not have.
pub fn only<'a>(
    context: &str,
    given: &Value,
    allowed: impl IntoIterator<Item = &'a String>,
) -> ApiResult<()> {
    let allowed: Vec<&str> = allowed.into_iter().map(String::as_str).collect();
    let Some(fields) = given.as_object() else {
        let what = if context.is_empty() { "the body" } else { context };
        return Err(ApiError::invalid(what, "must be a JSON object"));
    };
    match fields.keys().find(|name| !allowed.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let dot = if context.is_empty() { "" } else { "." };
            Err(ApiError::invalid(
                &format!("{context}{dot}{name}"),
                format!("is not a field here; the fields are {}", allowed.join(", ")),
            ))
        }
    }
}

/// The query of a request.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let length = parts.uri.query().unwrap_or_default().len();
        if length > QUERY_BYTES_MAX {
            let detail = format!("the query has {length} bytes, at most {QUERY_BYTES_MAX} are allowed");
            return Err(ApiError::new(ErrorCode::InvalidValue, detail));
        }
        Query::<T>::try_from_uri(&parts.uri).map(|Query(value)| Self(value)).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text.split_once("query string: ").map_or(text.as_str(), |(_, what)| what);
            ApiError::new(ErrorCode::InvalidValue, format!("query: {text}"))
        })
    }
}

/// A query without parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// The variable parts of a path.
#[derive(Debug)]
pub struct Segments<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value))
            .map_err(|rejection| ApiError::new(ErrorCode::NotFound, rejection.body_text()))
    }
}

/// The entity tags of `If-Match`; `None` where there is no condition that could fail (`*` or no header).
pub fn if_match(headers: &HeaderMap) -> ApiResult<Option<Vec<u64>>> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let mut versions = Vec::new();
    for tag in text.split(',').map(str::trim) {
        match tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            // A tag that this server did not make matches nothing.
            Some(tag) => versions.extend(tag.parse::<u64>().ok()),
            // Nor does a weak one (RFC 9110, section 13.1.1).
            None if tag.starts_with("W/") => {}
            None => return Err(ApiError::invalid("If-Match", "must be `*` or the ETag of an answer")),
        }
    }
    Ok(Some(versions))
}
