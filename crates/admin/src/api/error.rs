//! Errors of the admin API.

use axum::response::{IntoResponse, Response};
use headwater_types::{ErrorCode, RequestId};
use http::{HeaderValue, header};

use crate::problem::problem;

/// What a handler answers.
pub type ApiResult<T = Response> = Result<T, ApiError>;

/// An error with its code and what a person needs to know: what was wrong and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The stable code.
    pub code: ErrorCode,
    /// For people.
    pub detail: String,
}

impl ApiError {
    /// An error.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// A value of a field or parameter that is not allowed.
    pub fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidValue, format!("{field}: {why}"))
    }

    /// Something that is not there.
    pub fn absent(what: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no {what}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.answer(None);
        // So that it can be written anew with its request id, which handlers need not know.
        response.extensions_mut().insert(self);
        response
    }
}

/// An answer whose body, if it is an error, names the request.
pub(super) fn named(mut response: Response, request_id: &RequestId) -> Response {
    match response.extensions_mut().remove::<ApiError>() {
        Some(error) => error.answer(Some(request_id)),
        None => response,
    }
}

impl ApiError {
    fn answer(&self, request_id: Option<&RequestId>) -> Response {
        let mut response = problem(self.code, self.detail.clone(), request_id);
        let headers = response.headers_mut();
        if self.code == ErrorCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.code.status() == 503 {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
