//! What a call can end with.

use reqwest::{Response, StatusCode, header::RETRY_AFTER};
use serde::Deserialize;
use std::time::Duration;

use crate::transport::read_bounded;

/// Bytes of an error's body that are read.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was given cannot be sent: the base URL, a name, a key, a range, a prefix.
    #[error("{0}")]
    Url(String),
    /// No answer: connecting, sending or receiving failed.
    #[error(transparent)]
    Transport(#[from] reqwest::Error),
    /// Nothing moved for this long.
    #[error("{url}: nothing came for {} s while {what}", after.as_secs_f32())]
    Timeout {
        /// Whom it was waited for; without its query.
        url: String,
        /// What was waited for.
        what: &'static str,
        /// For how long.
        after: Duration,
    },
    /// The origin refused. `code` is one of the stable codes of the documentation.
    #[error("{}: {detail}{}", named(status, code), wait_note(retry_after))]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// The stable code; empty if the answer was no problem document.
        code: String,
        /// What was wrong.
        detail: String,
        /// For the operator's logs.
        request_id: String,
        /// When it may be tried again, if the answer said so.
        retry_after: Option<Duration>,
    },
    /// The answer is not what this client understands.
    #[error("{0}")]
    Answer(String),
}

fn named(status: &StatusCode, code: &str) -> String {
    if code.is_empty() { status.to_string() } else { format!("{} {code}", status.as_u16()) }
}

fn wait_note(retry_after: &Option<Duration>) -> String {
    retry_after.map(|after| format!(" (it asks to wait {} s)", after.as_secs())).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    detail: String,
    request_id: String,
}

impl Error {
    /// Whether the same call may succeed later: the origin is overloaded or in the middle of a failover.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_connect() || error.is_timeout(),
            Self::Timeout { .. } => true,
            Self::Refused { status, .. } => {
                matches!(*status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Url(_) | Self::Answer(_) => false,
        }
    }

    /// The stable code of a refusal; `None` if it has none or nothing was refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } if !code.is_empty() => Some(code),
            _ => None,
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// When a refused call may be made again, if the answer said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether no connection could be made: nothing was sent.
    pub fn is_connect(&self) -> bool {
        matches!(self, Self::Transport(error) if error.is_connect())
    }
}

/// A listing that would go on for ever.
pub(crate) fn stuck() -> Error {
    Error::Answer("the listing does not advance: its cursor stays the same".into())
}

/// Turns an error answer into [`Error::Refused`].
pub(crate) async fn check(response: Response, idle: Duration) -> Result<Response, Error> {
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let retry_after = response.headers().get(RETRY_AFTER);
    // Only seconds: the origin sends no dates.
    let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let header_id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let header_id = header_id.unwrap_or_default().to_owned();
    let body = read_bounded(response, PROBLEM_BYTES_MAX, idle).await.unwrap_or_default();
    let Problem { code, detail, request_id } = serde_json::from_slice(&body).unwrap_or_default();
    Err(Error::Refused {
        status,
        code,
        detail: if detail.is_empty() { "the answer gives no reason".into() } else { detail },
        request_id: if request_id.is_empty() { header_id } else { request_id },
        retry_after: seconds.map(Duration::from_secs),
    })
}
