//! What other members had no room for lately, so that a write like it is refused before it is staged.

use headwater_types::{Member, NamespaceId};
use parking_lot::Mutex;
use std::{collections::BTreeMap, time::Duration};

/// A refusal counts for so long; then the member is asked again, as what was in the way may be gone.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The least cost that a member refused for a namespace, and until when that counts.
#[derive(Debug, Default)]
pub(crate) struct NoRoom(Mutex<BTreeMap<(Member, NamespaceId), (u64, Duration)>>);

impl NoRoom {
    /// A member had no room for a record of this cost.
    pub fn note(&self, member: Member, namespace: NamespaceId, cost: u64, now: Duration) {
        let mut refused = self.0.lock();
        refused.retain(|_, (_, until)| *until > now);
        let (least, until) = refused.entry((member, namespace)).or_insert((cost, now));
        *least = cost.min(*least);
        *until = now + REMEMBERED;
    }

    /// Whether a record of this cost would be refused.
    pub fn is_known(&self, member: Member, namespace: NamespaceId, cost: u64, now: Duration) -> bool {
        self.0.lock().get(&(member, namespace)).is_some_and(|(least, until)| cost >= *least && *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::{Incarnation, NodeId};

    #[test]
    fn the_least_refused_cost_counts_for_a_while() {
        let member = |node| Member { node: NodeId(node), incarnation: Incarnation(1) };
        let (namespace, seconds) = (NamespaceId(1), Duration::from_secs);
        let no_room = NoRoom::default();
        no_room.note(member(1), namespace, 100, seconds(10));
        no_room.note(member(1), namespace, 200, seconds(12));
        let is_known = |node, ns, cost, at| no_room.is_known(member(node), ns, cost, seconds(at));
        assert!(is_known(1, namespace, 100, 12) && !is_known(1, namespace, 99, 12));
        assert!(!is_known(2, namespace, 100, 12) && !is_known(1, NamespaceId(2), 100, 12));
        assert!(is_known(1, namespace, 100, 16) && !is_known(1, namespace, 100, 17));
        no_room.note(member(2), namespace, 1, seconds(17));
        assert_eq!(no_room.0.lock().len(), 1, "what does not count any more is forgotten");
    }
}
