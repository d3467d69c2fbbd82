//! What is told of a request once its answer has been sent or given up: metrics, and a line of the access log.

use headwater_telemetry::{redact_query, redact_text};
use headwater_types::{ErrorCode, KeyId, ObjectKey, RequestId, UnixMillis, rfc3339, signing::SigningKeyId};
use http::{header, request};
use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    authorize::Grant,
    frontend::Frontend,
    metrics::{RequestLabels, Times},
    net::ConnInfo,
    rates::Metered,
};

/// Longest part of a query or a user agent that is logged, in bytes.
const LOGGED_BYTES_MAX: usize = 1024;

/// What the line has of the request itself. Made only where there is an access log.
#[derive(Debug)]
pub(crate) struct RequestLine {
    method: String,
    query: String,
    user_agent: Option<String>,
    peer: SocketAddr,
}

impl RequestLine {
    pub fn of(parts: &request::Parts, connection: &ConnInfo) -> Self {
        let user_agent = parts.headers.get(header::USER_AGENT);
        Self {
            method: parts.method.as_str().to_owned(),
            query: shortened(&redact_query(parts.uri.query().unwrap_or(""))),
            user_agent: user_agent
                .map(|value| shortened(&redact_text(&String::from_utf8_lossy(value.as_bytes())))),
            peer: connection.peer,
        }
    }
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(LOGGED_BYTES_MAX)].to_owned()
}

/// A request whose answer is on its way.
#[derive(Debug)]
pub(crate) struct Completion {
    pub frontend: Arc<Frontend>,
    pub id: RequestId,
    pub labels: RequestLabels,
    /// When the request came, by the monotonic clock.
    pub started: Duration,
    pub first_byte: Duration,
    pub bytes_in: u64,
    pub code: Option<ErrorCode>,
    /// Where the bytes are counted that are sent, if they are limited and how many there are was not known before.
    pub metered: Option<Metered>,
    /// The body could not be read to its end.
    pub cut: bool,
    pub line: Option<Box<Logged>>,
}

/// What is only logged.
#[derive(Debug)]
pub(crate) struct Logged {
    pub request: RequestLine,
    pub key: Option<ObjectKey>,
    pub grant: Option<Grant>,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    time: String,
    request_id: String,
    key_id: Option<&'a KeyId>,
    /// The signing key of a viewer token or a signed URL.
    kid: Option<&'a SigningKeyId>,
    namespace: &'a str,
    key: Option<Cow<'a, str>>,
    method: &'a str,
    query: &'a str,
    status: u16,
    code: Option<&'static str>,
    cut: bool,
    bytes_in: u64,
    bytes_out: u64,
    ttfb_ms: f64,
    total_ms: f64,
    tier: &'static str,
    user_agent: Option<&'a str>,
    peer: SocketAddr,
}

impl Completion {
    /// The body broke off.
    pub fn failed(&mut self) {
        self.cut = true;
    }

    /// The answer has been sent, `bytes_out` of its body.
    pub fn finish(self, bytes_out: u64) {
        let total = self.frontend.clock.monotonic().saturating_sub(self.started);
        let times = Times { first_byte: self.first_byte, total };
        if let Some(metered) = &self.metered {
            metered.count(bytes_out, self.started + total);
        }
        self.frontend.metrics.answered(&self.labels, self.bytes_in, bytes_out, times);
        if let Some(logged) = &self.line {
            let now = self.frontend.clock.unix_millis();
            self.frontend.access_log.line(self.line_of(logged, now, bytes_out, times));
        }
    }

    fn line_of(&self, logged: &Logged, now: UnixMillis, bytes_out: u64, times: Times) -> Vec<u8> {
        let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let (key_id, kid) = match &logged.grant {
            Some(Grant::Key(record)) => (Some(&record.id), None),
            Some(Grant::Signed(kid)) => (None, Some(kid)),
            None => (None, None),
        };
        let line = Line {
            time: rfc3339::format(now),
            request_id: self.id.to_string(),
            key_id,
            kid,
            namespace: &self.labels.namespace,
            // Players make names of whole URIs, with the `?` escaped.
            key: logged.key.as_ref().map(|key| redact_text(key.as_str())),
            method: &logged.request.method,
            query: &logged.request.query,
            status: self.labels.status,
            code: self.code.map(ErrorCode::code),
            cut: self.cut,
            bytes_in: self.bytes_in,
            bytes_out,
            ttfb_ms: millis(times.first_byte),
            total_ms: millis(times.total),
            tier: self.labels.tier,
            user_agent: logged.request.user_agent.as_deref(),
            peer: logged.request.peer,
        };
        serde_json::to_vec(&line).unwrap_or_default()
    }
}
