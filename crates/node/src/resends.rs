//! Turns for sending whole bodies again: after a break of a link all waiting writes would do so at once.

use headwater_types::Member;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Versions that are sent again to one member at a time.
const AT_ONCE: usize = 4;

/// Who is sent something again.
#[derive(Debug, Default)]
pub(crate) struct Resends(Mutex<BTreeMap<Member, Arc<Semaphore>>>);

impl Resends {
    /// Waits for a turn with a member, in order of asking; it lasts until the answer is dropped.
    pub async fn turn(&self, member: Member) -> Option<OwnedSemaphorePermit> {
        let turns = self.0.lock().entry(member).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone();
        // Nobody closes it.
        turns.acquire_owned().await.ok()
    }

    /// Forgets members that are none any more.
    pub fn keep_only(&self, peers: &BTreeSet<Member>) {
        self.0.lock().retain(|peer, _| peers.contains(peer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use headwater_types::{Incarnation, NodeId};

    #[tokio::test]
    async fn so_many_at_a_time_for_each_member() {
        let member = |node| Member { node: NodeId(node), incarnation: Incarnation(1) };
        let resends = Resends::default();
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE {
            turns.push(resends.turn(member(1)).now_or_never().expect("a turn is free"));
        }
        let mut next = Box::pin(resends.turn(member(1)));
        assert!((&mut next).now_or_never().is_none(), "one past");
        assert!(resends.turn(member(2)).now_or_never().is_some(), "a stuck member is in nobody else's way");
        turns.pop();
        assert!(next.now_or_never().is_some());
        resends.keep_only(&BTreeSet::new());
        assert!(resends.0.lock().is_empty());
    }
}
