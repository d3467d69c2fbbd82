//! Which frontends refuse a key that was revoked.

use axum::Json;
use axum::response::{IntoResponse, Response};
use headwater_meta::{Reporter, limits::REPORT_STALE};
use headwater_types::api::Revoked;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::sleep;
use utoipa::IntoParams;

use super::{
    AdminApi,
    error::{ApiError, ApiResult},
};

/// How long a revocation waits where the request does not say, in milliseconds.
pub const WAIT_MS_DEFAULT: u64 = 1_000;
/// Longest wait, in milliseconds.
pub const WAIT_MS_MAX: u64 = 10_000;
/// The first pause between two looks at what frontends reported, and the longest: each is twice the one before. A look
/// fetches when every key was last used, which may be much, and frontends confirm within some 50 ms.
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// How the names of frontends begin among those that report.
const FRONTENDS: &str = "frontend-";

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevokeQuery {
    /// How long to wait for the frontends to confirm, in milliseconds: 0 to 10000, by default 1000.
    #[param(minimum = 0, maximum = 10_000)]
    wait_ms: Option<u64>,
}

impl RevokeQuery {
    /// The wait.
    pub fn wait(&self) -> ApiResult<Duration> {
        let wait_ms = self.wait_ms.unwrap_or(WAIT_MS_DEFAULT);
        if wait_ms > WAIT_MS_MAX {
            let why = format!("{wait_ms} is not within 0 to {WAIT_MS_MAX}");
            return Err(ApiError::invalid("wait_ms", why));
        }
        Ok(Duration::from_millis(wait_ms))
    }
}

impl AdminApi {
    /// Answers which frontends have `version`, once all have that are known, or after `wait`. Where none is known there is
    /// none to confirm: a voter that has just started has not heard of them yet.
    pub(crate) async fn confirmed(&self, id: String, version: u64, wait: Duration) -> Response {
        let until = self.clock.monotonic() + wait;
        let mut pause = PAUSE_MIN;
        loop {
            let presence = self.known_presence(&[]).await;
            let frontends_known = presence.is_some();
            let revoked =
                Revoked { frontends_known, ..split(&id, version, &presence.unwrap_or_default().reporters) };
            let left = until.saturating_sub(self.clock.monotonic());
            if revoked.is_confirmed_by_all() || left.is_zero() {
                return Json(revoked).into_response();
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

fn split(id: &str, version: u64, reporters: &[Reporter]) -> Revoked {
    let (mut confirmed, mut pending, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for reporter in reporters.iter().filter(|reporter| reporter.name.starts_with(FRONTENDS)) {
        // One that had it refuses the key ever after, heard or not.
        let list = match (reporter.version >= version, reporter.ago <= REPORT_STALE) {
            (true, _) => &mut confirmed,
            (false, true) => &mut pending,
            (false, false) => &mut silent,
        };
        list.push(reporter.name.clone());
    }
    Revoked { id: id.to_owned(), version, confirmed, pending, silent, frontends_known: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frontends_confirm_or_are_pending_or_silent_and_others_do_not_count() {
        let reporter = |name: &str, version, ago| Reporter { name: name.into(), version, node: None, ago };
        let late = REPORT_STALE + Duration::from_millis(1);
        let reporters = [
            reporter("frontend-1", 7, Duration::ZERO),
            reporter("frontend-2", 8, REPORT_STALE),
            reporter("frontend-3", 6, Duration::ZERO),
            reporter("frontend-4", 7, late),
            reporter("frontend-5", 6, late),
            reporter("node-1", 1, Duration::ZERO),
        ];
        let revoked = split("id", 7, &reporters);
        assert_eq!(revoked.confirmed, ["frontend-1", "frontend-2", "frontend-4"]);
        assert_eq!(revoked.pending, ["frontend-3"]);
        assert_eq!(revoked.silent, ["frontend-5"]);
    }

    #[test]
    fn waits_at_and_past_the_limit() {
        let wait = |wait_ms| RevokeQuery { wait_ms }.wait();
        assert_eq!(wait(None), Ok(Duration::from_secs(1)));
        assert_eq!(wait(Some(WAIT_MS_MAX)), Ok(Duration::from_secs(10)));
        assert!(wait(Some(WAIT_MS_MAX + 1)).is_err());
    }
}
