//! Headers of an object's answer.

use headwater_proto::Arriving;
use headwater_types::{Attributes, Digest, ErrorCode, MediaClass, ObjectMeta, RequestId};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::{fmt, io::Write, time::Duration};

use crate::dates::Dates;

/// When the object will be gone (RFC 8594).
const SUNSET: HeaderName = HeaderName::from_static("sunset");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Where an answer's bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// The memory of a storage node.
    Hot,
    /// The memory of this frontend, after a storage node has confirmed that it is the newest version.
    Near,
    /// An upload that was still under way.
    Arriving,
}

impl Tier {
    /// The name in logs, metrics and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Near => "near",
            Self::Arriving => "arriving",
        }
    }
}

/// What a request turned out to be about, for its log line and metrics.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub class: Option<MediaClass>,
    pub tier: Option<Tier>,
    pub code: Option<ErrorCode>,
    /// The answer may have `x-headwater-meta-*` of the object.
    pub has_meta: bool,
}

impl Findings {
    /// A stored version was found.
    pub fn found(&mut self, meta: &ObjectMeta) {
        self.class = Some(meta.class);
        self.has_meta = !meta.attributes.user_meta.is_empty();
    }

    /// An object was found that is still arriving.
    pub fn arriving(&mut self, arriving: &Arriving) {
        self.class = Some(arriving.class);
        self.has_meta = !arriving.attributes.user_meta.is_empty();
    }
}

/// Headers of everything that the encoder said. A value that is no header value (no encoder can send one) is left out.
pub(crate) fn add_attributes(headers: &mut HeaderMap, attributes: &Attributes) {
    if let Some(value) = content_type(&attributes.content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    if let Some(Ok(value)) = attributes.content_encoding.as_deref().map(HeaderValue::from_str) {
        headers.insert(header::CONTENT_ENCODING, value);
    }
    for (name, value) in &attributes.user_meta {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            headers.append(name, value);
        }
    }
}

/// Adds a request header that the answer depends on (RFC 9110 section 12.5.5). In one line: some caches read only one.
pub(crate) fn add_vary(headers: &mut HeaderMap, name: HeaderValue) {
    let Some(others) = headers.get(header::VARY) else {
        headers.insert(header::VARY, name);
        return;
    };
    let is_there = |names: &HeaderValue| {
        let mut names = names.as_bytes().split(|b| *b == b',');
        names.any(|other| other.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    if !is_there(others) {
        let names = [others.as_bytes(), b", ", name.as_bytes()].concat();
        headers.insert(header::VARY, HeaderValue::from_bytes(&names).unwrap_or(name));
    }
}

/// The types of nearly all answers need no memory of their own.
fn content_type(text: &str) -> Option<HeaderValue> {
    let known = match text {
        "video/mp2t" => "video/mp2t",
        "video/mp4" => "video/mp4",
        "video/iso.segment" => "video/iso.segment",
        "audio/mp4" => "audio/mp4",
        "application/vnd.apple.mpegurl" => "application/vnd.apple.mpegurl",
        "application/dash+xml" => "application/dash+xml",
        _ => return HeaderValue::from_str(text).ok(),
    };
    Some(HeaderValue::from_static(known))
}

/// The id of the request, which its log line has too.
pub(crate) fn add_request_id(headers: &mut HeaderMap, id: RequestId) {
    let mut buffer = [0; RequestId::TEXT_BYTES];
    let value = HeaderValue::from_str(id.encode(&mut buffer)).unwrap_or(HeaderValue::from_static(""));
    headers.insert(X_REQUEST_ID, value);
}

/// Headers that name a stored version: also those of a 304.
pub(crate) fn add_validators(headers: &mut HeaderMap, meta: &ObjectMeta, dates: &Dates) {
    headers.insert(header::ETAG, etag(meta.digest));
    headers.insert(header::LAST_MODIFIED, dates.value(meta.stored_at));
    headers.insert(SUNSET, dates.value(meta.expires_at));
}

/// The entity tag of a digest.
pub(crate) fn etag(digest: Digest) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut tag = [b'"'; 34];
    for (i, byte) in digest.0.to_be_bytes().into_iter().enumerate() {
        tag[1 + 2 * i] = DIGITS[usize::from(byte >> 4)];
        tag[2 + 2 * i] = DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// How long the frontend took to begin the answer.
pub(crate) fn add_server_timing(headers: &mut HeaderMap, took: Duration) {
    let micros = took.as_micros();
    let value = match micros {
        // By far the most, without the formatter.
        0..1000 => {
            let digit = |divisor: u128| b'0' + (micros / divisor % 10) as u8;
            let mut text = *b"origin;dur=0.000";
            text[13..].copy_from_slice(&[digit(100), digit(10), digit(1)]);
            HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
        }
        _ => text_value(format_args!("origin;dur={}.{:03}", micros / 1000, micros % 1000)),
    };
    headers.insert(SERVER_TIMING, value);
}

/// A short text as a header value, without an allocation of its own on the way.
pub(crate) fn text_value(text: fmt::Arguments<'_>) -> HeaderValue {
    let mut buffer = [0; 64];
    let mut rest = &mut buffer[..];
    let written = rest.write_fmt(text).map(|()| rest.len());
    let length = buffer.len() - written.unwrap_or(64);
    HeaderValue::from_bytes(&buffer[..length]).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_milliseconds() {
        for (micros, text) in
            [(0, "0.000"), (7, "0.007"), (999, "0.999"), (1000, "1.000"), (12_345, "12.345")]
        {
            let mut headers = HeaderMap::new();
            add_server_timing(&mut headers, Duration::from_micros(micros));
            assert_eq!(headers[SERVER_TIMING], format!("origin;dur={text}"));
        }
    }

    #[test]
    fn vary_is_one_line_and_names_each_header_once() {
        let mut headers = HeaderMap::new();
        for (name, want) in [
            ("Accept-Encoding", "Accept-Encoding"),
            ("accept-encoding", "Accept-Encoding"),
            ("Origin", "Accept-Encoding, Origin"),
            ("Accept-Encoding", "Accept-Encoding, Origin"),
            ("origin", "Accept-Encoding, Origin"),
        ] {
            add_vary(&mut headers, HeaderValue::from_static(name));
            assert_eq!(headers[header::VARY], want);
            assert_eq!(headers.len(), 1);
        }
    }

    #[test]
    fn entity_tags_are_those_of_the_digest() {
        let digest = Digest::of(b"hello");
        assert_eq!(etag(digest), digest.to_etag());
    }
}
