//! Waiting for what other tasks and processes do.

use std::{
    sync::{
        OnceLock,
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
/// Nanoseconds in which this machine stood still, since the first [`Stopwatch`], up to the last look.
static STOOD_STILL: AtomicU64 = AtomicU64::new(0);
/// When the look under way began, in nanoseconds since the first one.
static LOOK_BEGAN: AtomicU64 = AtomicU64::new(0);
static FIRST_LOOK: OnceLock<std::time::Instant> = OnceLock::new();

/// Begins to look, once in a process; the time since then.
#[expect(clippy::disallowed_methods, reason = "it measures the machine")]
fn looking() -> u64 {
    let mut is_first = false;
    let first = FIRST_LOOK.get_or_init(|| {
        is_first = true;
        std::time::Instant::now()
    });
    if is_first {
        thread::spawn(|| {
            loop {
                look();
            }
        });
    }
    nanos(first.elapsed())
}

fn look() {
    thread::sleep(LOOK_EVERY);
    let now = looking();
    let late = late(LOOK_BEGAN.swap(now, Relaxed), now);
    STOOD_STILL.fetch_add(late, Relaxed);
}

/// How much too long a look has taken that began at `began`.
fn late(began: u64, now: u64) -> u64 {
    let late = now.saturating_sub(began).saturating_sub(nanos(LOOK_EVERY));
    if late > nanos(LATE) { late } else { 0 }
}

/// Nanoseconds in which this machine stood still so far, the look under way included.
fn stood_still() -> u64 {
    let now = looking();
    STOOD_STILL.load(Relaxed) + late(LOOK_BEGAN.load(Relaxed), now)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
        Self { began: Instant::now(), stood_still: stood_still() }
    }

    /// The time since the start in which the machine ran.
    pub fn elapsed(&self) -> Duration {
        let still = Duration::from_nanos(stood_still().saturating_sub(self.stood_still));
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
