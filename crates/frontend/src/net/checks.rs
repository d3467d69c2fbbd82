//! What is refused before any handler sees it: the protocol's own rules that hyper leaves to us.

use bytes::Bytes;
use headwater_types::ErrorCode;
use http::{HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};

use crate::problem::ALLOW;

/// Why a request must not reach the handlers, if it must not.
pub(super) fn refusal(request: &Parts, header_count_max: usize) -> Option<ErrorCode> {
    if matches!(request.method, Method::TRACE | Method::CONNECT) {
        return Some(ErrorCode::MethodNotAllowed);
    }
    // Over HTTP/1 the parser has its own count.
    if request.headers.len() > header_count_max {
        return Some(ErrorCode::HeadersTooLarge);
    }
    if request.version == Version::HTTP_11 && !(has_one_host(request) && is_chunked_at_most(request)) {
        return Some(ErrorCode::BadRequest);
    }
    None
}

/// RFC 9112 section 3.2: a request without a Host, or with several, is answered 400.
fn has_one_host(request: &Parts) -> bool {
    request.headers.get_all(header::HOST).iter().count() == 1
}

/// The parser accepts any coding as long as chunked comes last, and would hand over a body that is still encoded.
/// RFC 9112 section 6.1: chunked is all we know, and it may be applied once.
fn is_chunked_at_most(request: &Parts) -> bool {
    let mut codings = request.headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    first && codings.next().is_none()
}

/// The answer to a refused request.
pub(super) fn answer(code: ErrorCode) -> Response<Bytes> {
    let document = serde_json::json!({
        "type": format!("urn:headwater:error:{}", code.code()),
        "title": code.title(),
        "status": code.status(),
        "code": code.code(),
    });
    let mut response = Response::new(Bytes::from(document.to_string()));
    *response.status_mut() = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if code == ErrorCode::MethodNotAllowed {
        headers.insert(header::ALLOW, ALLOW);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn refused(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Option<ErrorCode> {
        let request = build(Request::builder().method("PUT").header("host", "a")).body(()).unwrap();
        refusal(&request.into_parts().0, 100)
    }

    #[test]
    fn codings_other_than_chunked_are_refused() {
        assert_eq!(refused(|r| r.header("transfer-encoding", "Chunked")), None);
        for codings in [&["gzip, chunked"][..], &["chunked, chunked"], &["chunked", "chunked"], &["xchunked"]]
        {
            let refused = refused(|r| codings.iter().fold(r, |r, c| r.header("transfer-encoding", *c)));
            assert_eq!(refused, Some(ErrorCode::BadRequest), "{codings:?}");
        }
    }

    #[test]
    fn there_is_one_host_and_no_more_headers_than_allowed() {
        assert_eq!(refused(|r| r.header("host", "b")), Some(ErrorCode::BadRequest));
        let many = |count| refused(|r| (1..count).fold(r, |r, _| r.header("x", "y")));
        assert_eq!(many(100), None);
        assert_eq!(many(101), Some(ErrorCode::HeadersTooLarge));
    }
}
