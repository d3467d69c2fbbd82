//! What is refused before any handler sees it: the protocol's own rules that hyper leaves to us.

use headwater_types::ErrorCode;
use http::{Method, Version, header, request::Parts};

/// Why a request must not be handled, if it must not.
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
