//! The bounded number of places for connections that linger.

use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// The places for connections that linger. They are counted apart from the open connections, so that clients who are
/// refused take none from those who are served.
///
/// When all places are taken, a connection whose input was left unread displaces another: the oldest of those that ended
/// in any other way, or else the one that has lingered longest. Most clients need a few milliseconds, and one that has had
/// seconds already needs it least. So no number of clients that never stop sending keeps a new one from reading its
/// answer. A connection that ended in any other way displaces none: its client has sent no body that nobody read.
#[derive(Debug)]
pub(super) struct Lingering {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// The first is the next to be displaced.
    places: BTreeMap<Key, CancellationToken>,
    next: u64,
}

/// Why the connection ended, and a number that grows.
type Key = (Reason, u64);

/// Why a connection that lingers ended. What comes first is displaced first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// As agreed, or idle: the input of its requests was read.
    Ended,
    /// Input was left unread: the client may be sending still.
    Unread,
}

/// A connection's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct LingerPlace {
    key: Key,
    displaced: CancellationToken,
    of: Arc<Lingering>,
}

impl Lingering {
    /// With `max` places.
    pub(super) fn new(max: usize) -> Self {
        Self { max, taken: Mutex::default() }
    }

    /// Takes a place. If none is free, [`Reason::Unread`] takes that of another. `None` if there is none to take.
    pub(super) fn enter(self: &Arc<Self>, reason: Reason) -> Option<LingerPlace> {
        if self.max == 0 {
            return None;
        }
        let displaced = CancellationToken::new();
        let mut taken = self.taken.lock();
        let is_full = taken.places.len() >= self.max;
        if is_full && reason == Reason::Ended {
            return None;
        }
        let key = (reason, taken.next);
        taken.next += 1;
        let other = if is_full { taken.places.pop_first() } else { None };
        taken.places.insert(key, displaced.clone());
        drop(taken);
        if let Some((_, other)) = other {
            other.cancel();
        }
        Some(LingerPlace { key, displaced, of: self.clone() })
    }
}

impl LingerPlace {
    /// Waits until another connection has taken the place.
    pub(super) fn displaced(&self) -> WaitForCancellationFuture<'_> {
        self.displaced.cancelled()
    }
}

impl Drop for LingerPlace {
    fn drop(&mut self) {
        self.of.taken.lock().places.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn displaced(places: &[&LingerPlace]) -> Vec<bool> {
        places.iter().map(|place| place.displaced.is_cancelled()).collect()
    }

    #[test]
    fn one_more_than_allowed_displaces_the_oldest_and_places_are_free_again() {
        let lingering = Arc::new(Lingering::new(3));
        let enter = || lingering.enter(Reason::Unread).unwrap();
        let (first, second, third) = (enter(), enter(), enter());
        assert_eq!(displaced(&[&first, &second, &third]), [false; 3], "at the limit");
        let fourth = enter();
        assert_eq!(displaced(&[&first, &second, &third, &fourth]), [true, false, false, false]);

        // One that was displaced frees no place of another.
        drop(first);
        drop(third);
        let fifth = enter();
        assert_eq!(displaced(&[&second, &fourth, &fifth]), [false; 3]);
        let sixth = enter();
        assert_eq!(displaced(&[&second, &fourth, &fifth, &sixth]), [true, false, false, false]);
        drop((second, fourth, fifth, sixth));
        assert!(lingering.taken.lock().places.is_empty());
    }

    #[test]
    fn one_whose_input_was_read_takes_a_free_place_only_and_is_displaced_first() {
        let lingering = Arc::new(Lingering::new(3));
        let enter = |reason| lingering.enter(reason);
        let unread = enter(Reason::Unread).unwrap();
        let [ended, later] = [(); 2].map(|()| enter(Reason::Ended).unwrap());
        assert!(enter(Reason::Ended).is_none());
        assert_eq!(displaced(&[&unread, &ended, &later]), [false; 3]);
        let second = enter(Reason::Unread).unwrap();
        assert_eq!(displaced(&[&unread, &ended, &later]), [false, true, false]);
        let third = enter(Reason::Unread).unwrap();
        assert_eq!(displaced(&[&unread, &ended, &later]), [false, true, true]);
        let _fourth = enter(Reason::Unread).unwrap();
        assert_eq!(displaced(&[&unread, &second, &third]), [true, false, false]);
        assert!(enter(Reason::Ended).is_none());
        drop(second);
        assert!(enter(Reason::Ended).is_some());
    }

    #[test]
    fn without_places_nothing_lingers() {
        assert!(Arc::new(Lingering::new(0)).enter(Reason::Unread).is_none());
    }
}
