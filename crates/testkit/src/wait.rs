//! Waiting for what other tasks and processes do.

use std::{
    sync::{
        Once,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};
use tokio::time::{Instant, error::Elapsed, timeout};

/// How often a machine is looked at, to see whether it stands still.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How late a look may be on a machine that is only busy.
const LATE: Duration = Duration::from_millis(100);
/// Nanoseconds in which this machine stood still, since the first [`Stopwatch`].
static STOOD_STILL: AtomicU64 = AtomicU64::new(0);
static LOOKING: Once = Once::new();

#[expect(clippy::disallowed_methods, reason = "it measures the machine")]
fn look() {
    let before = std::time::Instant::now();
    thread::sleep(LOOK_EVERY);
    let late = before.elapsed().saturating_sub(LOOK_EVERY);
    if late > LATE {
        STOOD_STILL.fetch_add(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Measures the time in which this machine ran. A virtual machine is stopped for seconds now and then, with everything
/// that a test waits for: a limit on that counts no such time.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    began: Instant,
    stood_still: u64,
}

impl Stopwatch {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "limits on what real processes take, or on paused time")]
    pub fn start() -> Self {
        LOOKING.call_once(|| {
            thread::spawn(|| {
                loop {
                    look();
                }
            });
        });
        Self { began: Instant::now(), stood_still: STOOD_STILL.load(Relaxed) }
    }

    /// The time since the start in which the machine ran.
    pub fn elapsed(&self) -> Duration {
        let still = Duration::from_nanos(STOOD_STILL.load(Relaxed) - self.stood_still);
        self.began.elapsed().saturating_sub(still)
    }
}

/// Awaits something for `limit` of the time in which this machine runs.
pub async fn within<T>(limit: Duration, awaited: impl Future<Output = T>) -> Result<T, Elapsed> {
    let watch = Stopwatch::start();
    tokio::pin!(awaited);
    loop {
        let left = limit.saturating_sub(watch.elapsed());
        match timeout(left, &mut awaited).await {
            Err(elapsed) if watch.elapsed() >= limit => return Err(elapsed),
            Err(_) => {}
            Ok(value) => return Ok(value),
        }
    }
}

/// Asks again and again until there is a value; panics after `limit`, saying `what` did not happen.
pub async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> F,
) -> T {
    let poll = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match within(limit, poll).await {
        Ok(value) => value,
        Err(_) => panic!("not within {limit:?}: {what}"),
    }
}
