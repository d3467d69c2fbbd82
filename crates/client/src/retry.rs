//! When a call is made again, and after how long.

use std::time::Duration;

use crate::error::Error;

/// How often and how long a call is made again.
///
/// | answer | again? |
/// |---|---|
/// | `503` `overloaded`, `unavailable`, `metadata_unavailable`: nothing was done | yes, after a backoff and never before `Retry-After` |
/// | `503` `outcome_unknown`, or one that says nothing | if the call can be repeated without harm |
/// | `429`: a configured rate limit | after `Retry-After`, never before; given up if that is further away than `wait_max` |
/// | no connection | yes |
/// | connection lost, or no answer in time | if the call can be repeated without harm |
/// | everything else | no |
///
/// GET, HEAD, LIST, DELETE (but of a namespace) and a PUT without a condition can be repeated. A body that is a stream
/// cannot: its calls are made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Calls in all, the first one included; 1 means no retries.
    pub attempts_max: u32,
    /// The backoff before the second call. It doubles from call to call, and half of it is random.
    pub backoff_min: Duration,
    /// The longest backoff.
    pub backoff_max: Duration,
    /// What all waits of a call may take together.
    pub wait_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 5,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(2),
            wait_max: Duration::from_secs(10),
        }
    }
}

/// What is known about a call that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried {
    /// Calls so far, the failed one included.
    pub calls: u32,
    /// What the waits between them took.
    pub waited: Duration,
    /// Whether doing it twice does no harm.
    pub repeatable: bool,
}

impl RetryPolicy {
    /// One call, whatever comes.
    pub fn none() -> Self {
        Self { attempts_max: 1, ..Self::default() }
    }

    /// How long to wait before the next call; `None` to give up. `random` is spread over all of `u64`.
    pub(crate) fn wait(&self, failure: &Error, tried: Tried, random: u64) -> Option<Duration> {
        if tried.calls >= self.attempts_max || !may_repeat(failure, tried.repeatable) {
            return None;
        }
        let doubled = self.backoff_min.saturating_mul(1 << (tried.calls - 1).min(20));
        let half = doubled.min(self.backoff_max) / 2;
        let jitter = half.mul_f64(random as f64 / u64::MAX as f64);
        // Whoever was told to come back at the same time must not: the jitter comes on top.
        let wait = failure.retry_after().map_or(half, |after| after.max(half)) + jitter;
        (tried.waited + wait <= self.wait_max).then_some(wait)
    }
}

/// Whether a call that failed like this may be made again.
fn may_repeat(failure: &Error, repeatable: bool) -> bool {
    match failure {
        Error::Refused { status, code, .. } => match (status.as_u16(), code.as_str()) {
            (429, _) | (503, "overloaded" | "unavailable" | "metadata_unavailable") => true,
            (503, _) => repeatable,
            _ => false,
        },
        Error::Transport(error) if error.is_connect() => true,
        // What cannot be built or decoded cannot be tomorrow either.
        Error::Transport(error) => repeatable && !error.is_builder() && !error.is_decode(),
        Error::Timeout { .. } => repeatable,
        Error::Url(_) | Error::Answer(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    fn refused(status: u16, code: &str, retry_after: Option<u64>) -> Error {
        Error::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            code: code.into(),
            detail: String::new(),
            request_id: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn tried(calls: u32, repeatable: bool) -> Tried {
        Tried { calls, waited: Duration::ZERO, repeatable }
    }

    #[test]
    fn what_may_be_repeated() {
        let policy = RetryPolicy::default();
        for (status, code, once, twice) in [
            (503, "overloaded", true, true),
            (503, "unavailable", true, true),
            (503, "metadata_unavailable", true, true),
            (503, "outcome_unknown", false, true),
            (503, "", false, true),
            (429, "rate_limited", true, true),
            (500, "internal", false, false),
            (507, "quota_exceeded", false, false),
            (404, "not_found", false, false),
        ] {
            let error = refused(status, code, None);
            let may = |repeatable| policy.wait(&error, tried(1, repeatable), 0).is_some();
            assert_eq!((may(false), may(true)), (once, twice), "{status} {code}");
        }
    }

    #[test]
    fn waits_grow_are_jittered_and_are_bounded() {
        let policy = RetryPolicy { attempts_max: 100, wait_max: Duration::MAX, ..RetryPolicy::default() };
        let error = refused(503, "overloaded", None);
        let wait = |calls, random| policy.wait(&error, tried(calls, true), random).unwrap().as_millis();
        assert_eq!([wait(1, 0), wait(1, u64::MAX)], [50, 100]);
        assert_eq!([wait(2, 0), wait(2, u64::MAX)], [100, 200]);
        assert_eq!([wait(99, 0), wait(99, u64::MAX)], [1000, 2000]);
    }

    #[test]
    fn never_before_retry_after_and_given_up_if_that_is_too_far_away() {
        let policy = RetryPolicy::default();
        for status in [429, 503] {
            let wait = |after, random| policy.wait(&refused(status, "", Some(after)), tried(1, true), random);
            assert_eq!(wait(2, 0), Some(Duration::from_secs(2)));
            assert!(wait(2, u64::MAX).unwrap() > Duration::from_secs(2));
            assert_eq!(wait(10, 0), Some(Duration::from_secs(10)));
            assert_eq!(wait(10, u64::MAX), None, "one jitter past wait_max");
            assert_eq!(wait(11, 0), None);
        }
    }

    #[test]
    fn calls_and_waits_have_a_limit() {
        let policy = RetryPolicy::default();
        let error = refused(503, "overloaded", None);
        assert!(policy.wait(&error, tried(4, true), 0).is_some());
        assert!(policy.wait(&error, tried(5, true), 0).is_none());
        assert!(RetryPolicy::none().wait(&error, tried(1, true), 0).is_none());
        let waited = |ms| Tried { waited: Duration::from_millis(ms), ..tried(1, true) };
        assert!(policy.wait(&error, waited(9_950), 0).is_some());
        assert!(policy.wait(&error, waited(9_951), 0).is_none());
    }
}
