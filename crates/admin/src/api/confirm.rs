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
/// Between two looks at what frontends reported.
const LOOK_EVERY: Duration = Duration::from_millis(20);
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
    /// Answers which frontends have `version`, once all have that were heard of lately, or after `wait`.
    pub(crate) async fn confirmed(&self, id: String, version: u64, wait: Duration) -> Response {
        let until = self.clock.monotonic() + wait;
        loop {
            // Where the metadata does not say who is there, nobody has confirmed.
            let presence = self.known_presence().await;
            let known = presence.is_some();
            let revoked = split(id.clone(), version, &presence.unwrap_or_default().reporters);
            let left = until.saturating_sub(self.clock.monotonic());
            if (known && revoked.pending.is_empty()) || left.is_zero() {
                return Json(revoked).into_response();
            }
            sleep(LOOK_EVERY.min(left)).await;
        }
    }
}

fn split(id: String, version: u64, reporters: &[Reporter]) -> Revoked {
    let live = reporters.iter().filter(|r| r.name.starts_with(FRONTENDS) && r.ago <= REPORT_STALE);
    let (confirmed, pending): (Vec<&Reporter>, Vec<&Reporter>) = live.partition(|r| r.version >= version);
    let names = |list: Vec<&Reporter>| list.into_iter().map(|r| r.name.clone()).collect();
    Revoked { id, version, confirmed: names(confirmed), pending: names(pending) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_frontends_confirm_or_are_pending_and_others_do_not_count() {
        let reporter = |name: &str, version, ago| Reporter { name: name.into(), version, node: None, ago };
        let late = REPORT_STALE + Duration::from_millis(1);
        let reporters = [
            reporter("frontend-1", 7, Duration::ZERO),
            reporter("frontend-2", 8, REPORT_STALE),
            reporter("frontend-3", 6, Duration::ZERO),
            reporter("frontend-4", 9, late),
            reporter("node-1", 1, Duration::ZERO),
        ];
        let revoked = split("id".into(), 7, &reporters);
        assert_eq!(revoked.confirmed, ["frontend-1", "frontend-2"]);
        assert_eq!(revoked.pending, ["frontend-3"]);
    }

    #[test]
    fn waits_at_and_past_the_limit() {
        let wait = |wait_ms| RevokeQuery { wait_ms }.wait();
        assert_eq!(wait(None), Ok(Duration::from_secs(1)));
        assert_eq!(wait(Some(WAIT_MS_MAX)), Ok(Duration::from_secs(10)));
        assert!(wait(Some(WAIT_MS_MAX + 1)).is_err());
    }
}
