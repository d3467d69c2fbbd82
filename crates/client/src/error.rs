//! What a call can end with.

use reqwest::{Response, StatusCode};
use serde::Deserialize;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base URL, the namespace or the key cannot be made a URL.
    #[error("{0}")]
    Url(String),
    /// No answer: connecting, sending or receiving failed.
    #[error(transparent)]
    Transport(#[from] reqwest::Error),
    /// The origin refused. `code` is one of the stable codes of the documentation.
    #[error("{status} {code}: {detail}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// The stable code; empty if the answer was no problem document.
        code: String,
        /// What was wrong.
        detail: String,
        /// For the operator's logs.
        request_id: String,
    },
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
            Self::Refused { status, .. } => {
                matches!(*status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Url(_) => false,
        }
    }
}

/// Turns an error answer into [`Error::Refused`].
pub(crate) async fn check(response: Response) -> Result<Response, Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.unwrap_or_default();
    let Problem { code, detail, request_id } = serde_json::from_slice(&body).unwrap_or_default();
    Err(Error::Refused { status, code, detail, request_id })
}
