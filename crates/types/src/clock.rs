//! Time as a parameter: simulations and tests run on their own.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This much later.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Milliseconds from `earlier` to this, 0 if that is later.
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// As the standard library's time, for HTTP dates.
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }
}

/// How far coarse clocks may be behind: a tick of the slowest kernels that are in use.
pub const COARSE_LAG_MAX: Duration = Duration::from_millis(10);

/// A source of time.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Wall time. May step.
    fn unix_millis(&self) -> UnixMillis;
    /// Time since an arbitrary start. Never goes back.
    fn monotonic(&self) -> Duration;
    /// [`Self::unix_millis`] as of up to [`COARSE_LAG_MAX`] ago, for a fraction of its cost.
    fn coarse_unix_millis(&self) -> UnixMillis {
        self.unix_millis()
    }
    /// [`Self::monotonic`] as of up to [`COARSE_LAG_MAX`] ago, for a fraction of its cost. Never goes back.
    fn coarse_monotonic(&self) -> Duration {
        self.monotonic()
    }
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    /// The kernel's coarse clock at `start`.
    coarse_start: Duration,
}

/// One of the kernel's coarse clocks (`clock_gettime(2)`), which are as old as its last tick.
fn coarse(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn new() -> Self {
        Self { start: Instant::now(), coarse_start: coarse(ClockId::MonotonicCoarse) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn unix_millis(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn coarse_unix_millis(&self) -> UnixMillis {
        let since = coarse(ClockId::RealtimeCoarse);
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn coarse_monotonic(&self) -> Duration {
        coarse(ClockId::MonotonicCoarse).saturating_sub(self.coarse_start)
    }
}

/// A clock that a test moves by hand; wall and monotonic time go together.
#[derive(Debug)]
pub struct ManualClock {
    start_millis: u64,
    elapsed_micros: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: UnixMillis) -> Self {
        Self { start_millis: start.0, elapsed_micros: AtomicU64::new(0) }
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.elapsed_micros.fetch_add(u64::try_from(by.as_micros()).unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn unix_millis(&self) -> UnixMillis {
        UnixMillis(self.start_millis + self.elapsed_micros.load(Ordering::SeqCst) / 1000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.elapsed_micros.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_clocks_are_a_little_behind_and_never_ahead() {
        let clock = SystemClock::new();
        let allowed = Duration::from_millis(50);
        let (coarse, exact) = (clock.coarse_monotonic(), clock.monotonic());
        // The coarse clock began up to a tick earlier than the exact one, so it may seem ahead by as much.
        assert!(coarse <= exact + Duration::from_millis(10), "{coarse:?} {exact:?}");
        let (coarse, exact) = (clock.coarse_unix_millis(), clock.unix_millis());
        assert!(coarse <= exact && exact.0 - coarse.0 < allowed.as_millis() as u64, "{coarse:?} {exact:?}");
    }
}
