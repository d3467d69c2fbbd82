//! Errors of the admin plane, as problem documents (RFC 9457) with a stable code.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use headwater_types::{ErrorCode, RequestId};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

#[derive(Serialize)]
struct Document {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// The answer for `code`; the detail is for people. Without a request id where the request has none.
pub fn problem(code: ErrorCode, detail: impl Into<String>, request_id: Option<&RequestId>) -> Response {
    let document = Document {
        r#type: format!("urn:headwater:error:{}", code.code()),
        title: code.title(),
        status: code.status(),
        detail: detail.into(),
        code: code.code(),
        request_id: request_id.map(ToString::to_string),
    };
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, Json(document)).into_response()
}
