//! How many reads may be hedged: a token bucket that reads fill.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What a read earns; a hedge costs [`HEDGE_COST`], so at most one read in 20 is hedged in the long run.
const READ_EARNS: u32 = 1;
const HEDGE_COST: u32 = 20;
/// Hedges that may be saved up.
const SAVED_MAX: u32 = 50 * HEDGE_COST;

/// Keeps hedges at 5 % of reads: a slow node must not double the load of the others.
#[derive(Debug)]
pub(crate) struct HedgeBudget(AtomicU32);

impl HedgeBudget {
    /// Full, so that a frontend that has just started may hedge.
    pub fn new() -> Self {
        Self(AtomicU32::new(SAVED_MAX))
    }

    /// A read was made.
    pub fn earn(&self) {
        let saved = self.0.load(Relaxed);
        if saved < SAVED_MAX {
            // Racing readers may pass the maximum by a few: it is a budget, not an account.
            self.0.fetch_add(READ_EARNS, Relaxed);
        }
    }

    /// Pays for a hedge, if there is enough.
    pub fn take(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |saved| saved.checked_sub(HEDGE_COST)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_read_in_twenty() {
        let budget = HedgeBudget::new();
        while budget.take() {}
        let hedged = (0..2_000)
            .filter(|_| {
                budget.earn();
                budget.take()
            })
            .count();
        assert_eq!(hedged, 100);
    }
}
