//! Bounded waiting: conditions are polled until they hold, a limit passes or the user stops the task.

use crate::stop::Stop;
use anyhow::bail;
use headwater_types::{Clock, SystemClock};
use std::{thread, time::Duration};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// A point in time after which waiting ends.
#[derive(Debug)]
pub struct Deadline {
    clock: SystemClock,
    limit: Duration,
}

impl Deadline {
    /// `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self { clock: SystemClock::new(), limit }
    }

    /// Whether the limit has passed.
    pub fn passed(&self) -> bool {
        self.clock.monotonic() >= self.limit
    }
}

/// Polls `condition` until it gives a value. An error of the condition ends the wait; a stop or the limit is an error
/// that names `what`.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    stop: &Stop,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if stop.requested() {
            bail!("stopped while waiting for {what}");
        }
        if deadline.passed() {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_on_value_error_stop_and_limit() {
        let second = Duration::from_secs(60);
        let mut polls = 0;
        let value = wait_for("three", second, &Stop::manual(), || {
            polls += 1;
            Ok((polls == 3).then_some(polls))
        });
        assert_eq!(value.unwrap(), 3);

        let failed = wait_for::<()>("it", second, &Stop::manual(), || bail!("broken"));
        assert_eq!(failed.unwrap_err().to_string(), "broken");

        let late = wait_for::<()>("it", Duration::ZERO, &Stop::manual(), || Ok(None));
        assert_eq!(late.unwrap_err().to_string(), "it: not within 0 s");

        let stop = Stop::manual();
        stop.request();
        let stopped = wait_for::<()>("it", second, &stop, || Ok(None));
        assert_eq!(stopped.unwrap_err().to_string(), "stopped while waiting for it");
    }
}
