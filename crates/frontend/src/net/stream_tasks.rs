//! The tasks of an HTTP/2 connection's streams, each ended once its reader takes nothing for too long.

use headwater_types::{Clock, clock::COARSE_LAG_MAX};
use hyper::rt::Executor;
use prometheus_client::metrics::counter::Counter;
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

use super::connection::Tasks;

tokio::task_local! {
    static READER: Arc<Reader>;
}

/// Since when a stream's reader has taken nothing of a response that has more to give, in microseconds of the monotonic
/// clock.
///
/// A reader that leaves its window closed stalls no write of the connection, and answers pings. All that shows it is that
/// the response is not asked for its next bytes.
#[derive(Debug)]
pub(super) struct Reader(AtomicU64);

/// The reader is not waited for.
const NOT_SINCE: u64 = u64::MAX;

impl Reader {
    fn new() -> Self {
        Self(AtomicU64::new(NOT_SINCE))
    }

    /// That of the stream whose task this is; over HTTP/1 there is none.
    pub(super) fn of_this_stream() -> Option<Arc<Self>> {
        READER.try_with(Arc::clone).ok()
    }

    /// It is waited for from `now` on.
    pub(super) fn is_next(&self, now: Duration) {
        self.0.store(u64::try_from(now.as_micros()).unwrap_or(NOT_SINCE), Ordering::Relaxed);
    }

    /// It waits for us, or it has all.
    pub(super) fn is_not_next(&self) {
        self.0.store(NOT_SINCE, Ordering::Relaxed);
    }

    fn waited_for_since(&self) -> Option<Duration> {
        let micros = self.0.load(Ordering::Relaxed);
        (micros != NOT_SINCE).then(|| Duration::from_micros(micros))
    }

    /// Runs `task` to its end; `false` if it was ended because the reader took nothing for `limit`.
    async fn run(self: Arc<Self>, task: impl Future, limit: Duration, clock: Arc<dyn Clock>) -> bool {
        let mut task = pin!(READER.scope(self.clone(), task));
        // Most streams never wait, and have no timer.
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            if task.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            loop {
                let Some(since) = self.waited_for_since() else { return Poll::Pending };
                let left = (since + limit).saturating_sub(clock.monotonic());
                if left.is_zero() {
                    return Poll::Ready(false);
                }
                // One that was set for an earlier wait is too early at most.
                ready!(timer.get_or_insert_with(|| Box::pin(sleep(left))).as_mut().poll(cx));
                timer = None;
            }
        })
        .await
    }
}

/// Runs the streams of a connection.
#[derive(Debug, Clone)]
pub(super) struct StreamTasks {
    tasks: Tasks,
    limit: Duration,
    clock: Arc<dyn Clock>,
    stalled: Counter,
}

impl StreamTasks {
    /// On `tasks`. Streams whose reader takes nothing for `limit` are ended and counted in `stalled`.
    pub(super) fn new(tasks: Tasks, limit: Duration, clock: Arc<dyn Clock>, stalled: Counter) -> Self {
        // What is timed is so by the coarse clock.
        Self { tasks, limit: limit + COARSE_LAG_MAX, clock, stalled }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for StreamTasks {
    fn execute(&self, task: F) {
        let Self { tasks, limit, clock, stalled } = self.clone();
        tasks.execute(async move {
            if !Arc::new(Reader::new()).run(task, limit, clock).await {
                tracing::debug!("a stream was ended: its reader took nothing");
                stalled.inc();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::SystemClock;

    const LIMIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_task_ends_when_its_reader_is_waited_for_longer_than_the_limit() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let run = |task| Arc::new(Reader::new()).run(task, LIMIT, clock.clone());
        let inner = clock.clone();
        let stalls: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            let reader = Reader::of_this_stream().unwrap();
            // Our own side may take as long as it likes.
            sleep(2 * LIMIT).await;
            for _ in 0..4 {
                reader.is_next(inner.monotonic());
                sleep(LIMIT / 2).await;
            }
            reader.is_not_next();
            sleep(2 * LIMIT).await;
            reader.is_next(inner.monotonic());
            std::future::pending::<()>().await;
        });
        let before = clock.monotonic();
        assert!(!run(stalls).await);
        assert!(clock.monotonic() - before >= 7 * LIMIT);
        assert!(run(Box::pin(async {})).await);
        assert!(Reader::of_this_stream().is_none());
    }
}
