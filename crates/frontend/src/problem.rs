//! Errors as clients see them: problem documents (RFC 9457) with a stable code, never to be cached.

use headwater_types::{ErrorCode, RequestId};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use std::borrow::Cow;

use crate::response_body::ResponseBody;

/// Seconds after which a client may try again what failed for now.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
/// How credentials are asked for where nothing else is said. Only Basic: encoders that see Digest answer nothing else.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"headwater\"");
/// What the data plane knows.
pub(crate) const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE, OPTIONS");

/// An error answer before it is written. The detail never holds a credential.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Which error.
    pub code: ErrorCode,
    /// What was wrong with this request, for people.
    pub detail: Cow<'static, str>,
    /// Headers that belong to this answer only. Boxed, so that the usual `Result` stays small.
    extra: Option<Box<HeaderMap>>,
}

#[derive(serde::Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: String,
}

impl Problem {
    /// An error with its particulars.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), extra: None }
    }

    /// With a header of its own, instead of those of this name that go with the code. May be called again, also for the
    /// same name.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.extra.get_or_insert_default().append(name, value);
        self
    }

    /// As a response.
    pub fn into_response(self, id: RequestId) -> Response<ResponseBody> {
        let document = Document {
            r#type: format!("urn:headwater:error:{}", self.code.code()),
            title: self.code.title(),
            status: self.code.status(),
            detail: &self.detail,
            code: self.code.code(),
            request_id: id.to_string(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(ResponseBody::whole(body.into()));
        *response.status_mut() =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        add_headers_of(self.code, headers);
        if let Some(extra) = self.extra {
            headers.extend(*extra);
        }
        response
    }
}

/// Headers that go with a code wherever it is answered.
fn add_headers_of(code: ErrorCode, headers: &mut HeaderMap) {
    match code {
        ErrorCode::Unauthorized => {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        ErrorCode::MethodNotAllowed => {
            headers.insert(header::ALLOW, ALLOW);
        }
        _ if matches!(code.status(), 429 | 503) => {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_document_that_no_cache_keeps() {
        for code in ErrorCode::ALL {
            let response = Problem::new(code, "detail").into_response(RequestId(1));
            assert_eq!(response.status().as_u16(), code.status());
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(
                response.headers().contains_key(header::RETRY_AFTER),
                matches!(code.status(), 429 | 503)
            );
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), code.status() == 401);
        }
    }
}
