//! A clock that runs with the runtime's timers, so that tests may pause it.

use headwater_types::{Clock, UnixMillis};
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub struct TokioClock(Instant);

impl TokioClock {
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn unix_millis(&self) -> UnixMillis {
        UnixMillis(1_764_000_000_000).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}
