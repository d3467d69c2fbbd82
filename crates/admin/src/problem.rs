//! Errors of the admin plane, as problem documents (RFC 9457) with a stable code.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use headwater_types::ErrorCode;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

#[derive(Serialize)]
struct Document {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
}

/// The answer for `code`; the detail is for people.
pub fn problem(code: ErrorCode, detail: impl Into<String>) -> Response {
    let document = Document {
        r#type: format!("urn:headwater:error:{}", code.code()),
        title: code.title(),
        status: code.status(),
        detail: detail.into(),
        code: code.code(),
    };
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, Json(document)).into_response()
}
