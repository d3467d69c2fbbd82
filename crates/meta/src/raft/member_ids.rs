//! The ids that members ever had: none is given twice.

use parking_lot::RwLock;
use std::collections::BTreeSet;

use super::types::StoredMembership;

#[derive(Debug, Default)]
struct Inner {
    ever: BTreeSet<u64>,
    now: BTreeSet<u64>,
}

/// Gathered from the membership entries as they are applied, and carried in snapshots: the same on every voter.
#[derive(Debug, Default)]
pub(super) struct MemberIds(RwLock<Inner>);

impl MemberIds {
    /// Continues from a snapshot.
    pub(super) fn restore(&self, ever: BTreeSet<u64>, membership: &StoredMembership) {
        self.0.write().ever.extend(ever);
        self.note(membership);
    }

    /// A membership was applied.
    pub(super) fn note(&self, membership: &StoredMembership) {
        let mut inner = self.0.write();
        inner.now = membership.nodes().map(|(id, _)| *id).collect();
        let now = inner.now.clone();
        inner.ever.extend(now);
    }

    /// All ids that were ever given.
    pub(super) fn ever(&self) -> BTreeSet<u64> {
        self.0.read().ever.clone()
    }

    /// Whether the id was a member's and is not any more.
    pub(super) fn was_removed(&self, id: u64) -> bool {
        let inner = self.0.read();
        inner.ever.contains(&id) && !inner.now.contains(&id)
    }
}
