//! Which namespaces are past their quota, as the metadata leader judges it.

use arc_swap::ArcSwapOption;
use headwater_meta::Guidance;
use headwater_types::NamespaceId;
use std::{collections::HashSet, sync::Arc, time::Duration};

/// A verdict that is older says nothing: without the metadata nobody knows, and writes go on.
const VERDICT_MAX: Duration = Duration::from_secs(30);

/// The last verdict.
#[derive(Debug, Default)]
pub(crate) struct Quotas(ArcSwapOption<Verdict>);

#[derive(Debug)]
struct Verdict {
    term: u64,
    over: HashSet<NamespaceId>,
    /// When it came, by the monotonic clock.
    at: Duration,
}

impl Quotas {
    /// Takes the leader's verdict at monotonic time `now`, unless one of a later term has spoken.
    pub fn follow(&self, guidance: &Guidance, now: Duration) {
        if self.0.load().as_ref().is_none_or(|last| last.term <= guidance.term) {
            let over = guidance.over_quota.iter().copied().collect();
            self.0.store(Some(Arc::new(Verdict { term: guidance.term, over, at: now })));
        }
    }

    /// Whether a namespace takes no more objects at monotonic time `now`.
    pub fn is_over(&self, namespace: NamespaceId, now: Duration) -> bool {
        self.0.load().as_ref().is_some_and(|verdict| {
            now.saturating_sub(verdict.at) <= VERDICT_MAX && verdict.over.contains(&namespace)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_verdict_of_the_latest_term_holds_for_a_while() {
        let (quotas, id) = (Quotas::default(), NamespaceId(7));
        let verdict =
            |term, over: &[NamespaceId]| Guidance { term, over_quota: over.to_vec(), ..Guidance::default() };
        let at = Duration::from_secs(100);
        assert!(!quotas.is_over(id, at));
        quotas.follow(&verdict(2, &[id]), at);
        assert!(quotas.is_over(id, at) && !quotas.is_over(NamespaceId(8), at));
        assert!(quotas.is_over(id, at + VERDICT_MAX));
        assert!(!quotas.is_over(id, at + VERDICT_MAX + Duration::from_millis(1)), "nobody knows any more");
        quotas.follow(&verdict(1, &[]), at);
        assert!(quotas.is_over(id, at), "a leader of an earlier term");
        quotas.follow(&verdict(2, &[]), at);
        assert!(!quotas.is_over(id, at));
    }
}
