//! The byte budget of request bodies.

use headwater_types::limits::DEBT_SHARE;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Most PUTs that wait for budget at once; more are refused without waiting.
const WAITERS_MAX: usize = 4096;

/// Bytes that request bodies may take, reserved when a PUT is admitted.
///
/// What was admitted never waits again: a body that turns out larger than was reserved for it is charged as debt, so
/// that half-read bodies cannot block each other. New PUTs then wait, first come first served, until it is paid back.
/// Debt is bounded too: past [`DEBT_SHARE`] of the budget a body that outgrows its reservation is refused.
#[derive(Debug)]
pub(crate) struct IngestBudget {
    capacity: u64,
    /// Most that may be used, debt included.
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// May be above the capacity by what is in debt.
    used: u64,
    /// Shows `used`.
    shown: Gauge,
    waiters: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    bytes: u64,
    grant: oneshot::Sender<Reservation>,
}

/// There was no budget in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoBudget;

impl IngestBudget {
    /// A budget of so many bytes, which shows in `shown` how many are used, debt included.
    pub fn new(capacity: u64, shown: Gauge) -> Arc<Self> {
        let capacity = capacity.max(1);
        let state = State { shown, ..State::default() };
        Arc::new(Self { capacity, limit: capacity + capacity / DEBT_SHARE, state: Mutex::new(state) })
    }

    #[cfg(test)]
    pub fn used(&self) -> u64 {
        self.state.lock().used
    }

    /// Reserves `bytes`, or the whole budget where they are more; waits at most `wait` behind those who came before.
    pub async fn reserve(self: &Arc<Self>, bytes: u64, wait: Duration) -> Result<Reservation, NoBudget> {
        let bytes = bytes.min(self.capacity);
        let granted = {
            let mut state = self.state.lock();
            if state.waiters.is_empty() && state.used + bytes <= self.capacity {
                let used = state.used + bytes;
                state.set_used(used);
                return Ok(Reservation { budget: self.clone(), bytes });
            }
            if state.waiters.len() >= WAITERS_MAX {
                return Err(NoBudget);
            }
            let (grant, granted) = oneshot::channel();
            state.waiters.push_back(Waiter { bytes, grant });
            granted
        };
        // Whoever gives up may have stood at the front: those behind are looked at again, after `granted` is dropped.
        let _advance = Advance(self);
        let waiting = async { granted.await.map_err(|_| NoBudget) };
        tokio::time::timeout(wait, waiting).await.unwrap_or(Err(NoBudget))
    }

    /// Grants what fits, in order.
    fn advance(self: &Arc<Self>) {
        loop {
            let waiter = {
                let mut state = self.state.lock();
                while state.waiters.front().is_some_and(|w| w.grant.is_closed()) {
                    state.waiters.pop_front();
                }
                let fits = state.waiters.front().is_some_and(|w| state.used + w.bytes <= self.capacity);
                if !fits {
                    return;
                }
                let Some(waiter) = state.waiters.pop_front() else { return };
                let used = state.used + waiter.bytes;
                state.set_used(used);
                waiter
            };
            // If nobody waits for it any more, the reservation comes back here and is dropped, outside of the lock.
            drop(waiter.grant.send(Reservation { budget: self.clone(), bytes: waiter.bytes }));
        }
    }
}

impl State {
    fn set_used(&mut self, used: u64) {
        self.used = used;
        self.shown.set(i64::try_from(used).unwrap_or(i64::MAX));
    }
}

struct Advance<'a>(&'a Arc<IngestBudget>);

impl Drop for Advance<'_> {
    fn drop(&mut self) {
        self.0.advance();
    }
}

/// Bytes of the budget; given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<IngestBudget>,
    bytes: u64,
}

impl Reservation {
    /// At least so many bytes are in use: what was not reserved is charged as debt. Where there is too much debt, it is
    /// charged all the same, and the body must be given up; unless it is the only one there is.
    pub fn cover(&mut self, bytes: u64) -> Result<(), NoBudget> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let mut state = self.budget.state.lock();
        let is_alone = state.used == self.bytes;
        let used = state.used + (bytes - self.bytes);
        state.set_used(used);
        self.bytes = bytes;
        if used <= self.budget.limit || is_alone { Ok(()) } else { Err(NoBudget) }
    }

    /// Exactly so many bytes are in use, however many those are: the body is whole.
    pub fn settle(&mut self, bytes: u64) {
        let _ = self.cover(bytes);
        let surplus = self.bytes - bytes;
        if surplus > 0 {
            self.bytes = bytes;
            self.give_back(surplus);
        }
    }

    fn give_back(&self, bytes: u64) {
        {
            let mut state = self.budget.state.lock();
            let used = state.used - bytes;
            state.set_used(used);
        }
        self.budget.advance();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn admits_up_to_the_budget_and_not_one_past() {
        let budget = IngestBudget::new(10, Gauge::default());
        let all = budget.reserve(10, WAIT).await.unwrap();
        assert_eq!(budget.reserve(1, WAIT).await.unwrap_err(), NoBudget);
        drop(all);
        assert_eq!(budget.used(), 0);
        let huge = budget.reserve(1_000, WAIT).await.unwrap();
        assert_eq!(budget.used(), 10, "what is larger than the budget takes all of it");
        drop(huge);
    }

    #[tokio::test]
    async fn debt_is_paid_before_anyone_is_admitted() {
        let budget = IngestBudget::new(10, Gauge::default());
        let mut first = budget.reserve(4, WAIT).await.unwrap();
        let mut second = budget.reserve(6, WAIT).await.unwrap();
        first.cover(5).unwrap();
        assert_eq!(budget.used(), 11);
        second.settle(1);
        assert_eq!(budget.used(), 6);
        assert_eq!(budget.reserve(5, WAIT).await.unwrap_err(), NoBudget);
        first.settle(2);
        assert!(budget.reserve(7, WAIT).await.is_ok());
        drop((first, second));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn debt_is_an_eighth_of_the_budget_and_not_one_byte_more() {
        let budget = IngestBudget::new(100, Gauge::default());
        let mut first = budget.reserve(50, WAIT).await.unwrap();
        let mut second = budget.reserve(50, WAIT).await.unwrap();
        assert_eq!(first.cover(62), Ok(()));
        assert_eq!(second.cover(50), Ok(()), "what was reserved is always there");
        assert_eq!(second.cover(51), Err(NoBudget));
        drop(second);
        assert_eq!(first.cover(1_000), Ok(()), "one body alone may be larger than the budget");
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_wait_and_one_more_is_refused_at_once() {
        let budget = IngestBudget::new(10, Gauge::default());
        let held = budget.reserve(10, WAIT).await.unwrap();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WAITERS_MAX {
            let budget = budget.clone();
            waiting.spawn(async move { budget.reserve(1, LONG).await.map(drop) });
        }
        while budget.state.lock().waiters.len() < WAITERS_MAX {
            tokio::task::yield_now().await;
        }
        let more = tokio::time::timeout(WAIT, budget.reserve(1, LONG)).await;
        assert_eq!(more.expect("at once").unwrap_err(), NoBudget);
        drop(held);
        assert!(waiting.join_all().await.iter().all(Result::is_ok));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served_and_whoever_gives_up_blocks_nobody() {
        let budget = IngestBudget::new(10, Gauge::default());
        let held = budget.reserve(8, WAIT).await.unwrap();
        let ask = |bytes, wait| {
            let budget = budget.clone();
            tokio::spawn(async move { budget.reserve(bytes, wait).await })
        };
        let large = ask(9, Duration::from_millis(200));
        while budget.state.lock().waiters.is_empty() {
            tokio::task::yield_now().await;
        }
        let small = ask(2, LONG);
        while budget.state.lock().waiters.len() < 2 {
            tokio::task::yield_now().await;
        }
        assert!(!small.is_finished(), "it would fit, but does not overtake");
        assert_eq!(large.await.unwrap().unwrap_err(), NoBudget);
        let small = small.await.unwrap().unwrap();
        drop((held, small));
        assert_eq!(budget.used(), 0);
    }
}
