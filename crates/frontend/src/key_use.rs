//! Which keys granted requests lately, to be told to the metadata's voters now and then.
//!
//! Known to the minute, and cheap: a request whose key was noted in this minute costs one read of an atomic, without a
//! lock. Only the first one of a key in a minute takes the lock.

use headwater_types::{Digest, KeyId, UnixMillis};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicU64, Ordering},
};

/// Entries of the table that is read without a lock. Two keys of one entry cost each other a lock, no more.
const SLOTS: usize = 4096;
/// Most keys that are noted in a minute, and that wait to be told: as many as a cluster has.
const KEYS_MAX: usize = headwater_meta::limits::KEYS_MAX;
const MINUTE_MILLIS: u64 = 60_000;

/// The uses that have not been told yet.
#[derive(Debug)]
pub(crate) struct KeyUses {
    /// 32 bits of the hash of the key that was noted last, and the minute.
    slots: Box<[AtomicU64]>,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    minute: u64,
    /// Keys of that minute.
    keys: HashSet<KeyId>,
    /// Not told yet, and when they were first used in their last minute.
    untold: HashMap<KeyId, UnixMillis>,
}

impl KeyUses {
    pub fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), noted: Mutex::default() }
    }

    /// A key has granted a request.
    pub fn note(&self, id: &KeyId, now: UnixMillis) {
        let minute = now.0 / MINUTE_MILLIS;
        let hash = Digest::of(id.0.as_bytes()).0;
        // Neither half is wider than its place: the hash is cut, and minutes have 32 bits for 8,000 years.
        let mark = ((hash >> 32) as u64) << 32 | (minute & u64::from(u32::MAX));
        let slot = &self.slots[hash as usize % SLOTS];
        if slot.load(Ordering::Relaxed) != mark {
            self.noted.lock().note(id, now, minute);
            slot.store(mark, Ordering::Relaxed);
        }
    }

    /// Takes uses that were not told yet, at most `limit`, in no order.
    pub fn take(&self, limit: usize) -> Vec<(KeyId, UnixMillis)> {
        let mut noted = self.noted.lock();
        if noted.untold.len() <= limit {
            return noted.untold.drain().collect();
        }
        let ids: Vec<KeyId> = noted.untold.keys().take(limit).cloned().collect();
        ids.into_iter().filter_map(|id| noted.untold.remove_entry(&id)).collect()
    }
}

impl Noted {
    fn note(&mut self, id: &KeyId, now: UnixMillis, minute: u64) {
        if minute != self.minute {
            // Also when the clock stepped back: at worst a key is told twice.
            self.minute = minute;
            self.keys.clear();
        }
        let has_room = self.keys.len() < KEYS_MAX && self.untold.len() < KEYS_MAX;
        if has_room && self.keys.insert(id.clone()) {
            self.untold.insert(id.clone(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> KeyId {
        KeyId(format!("key-{number}").into())
    }

    #[test]
    fn each_key_is_told_once_a_minute() {
        let uses = KeyUses::new();
        let (first, later, next) = (UnixMillis(600_000), UnixMillis(659_999), UnixMillis(660_000));
        uses.note(&id(1), first);
        uses.note(&id(1), later);
        assert_eq!(uses.take(9), [(id(1), first)]);
        uses.note(&id(1), later);
        assert_eq!(uses.take(9), [], "told in this minute");
        uses.note(&id(1), next);
        assert_eq!(uses.take(9), [(id(1), next)]);
        // What was not told yet is told with its newest minute.
        uses.note(&id(2), first);
        uses.note(&id(2), next);
        assert_eq!(uses.take(9), [(id(2), next)]);
    }

    #[test]
    fn many_keys_are_told_in_pieces_and_keys_of_one_slot_do_not_repeat() {
        let uses = KeyUses::new();
        let now = UnixMillis(600_000);
        let count = 3 * SLOTS;
        for _ in 0..2 {
            (0..count).for_each(|number| uses.note(&id(number), now));
        }
        let mut told = HashSet::new();
        loop {
            let some = uses.take(1000);
            assert!(some.len() <= 1000);
            if some.is_empty() {
                break;
            }
            assert!(some.into_iter().all(|(id, at)| at == now && told.insert(id)));
        }
        assert_eq!(told.len(), count);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let mut noted = Noted::default();
        (0..KEYS_MAX + 1).for_each(|number| noted.note(&id(number), UnixMillis(1), 0));
        assert_eq!((noted.keys.len(), noted.untold.len()), (KEYS_MAX, KEYS_MAX));
        noted.note(&id(0), UnixMillis(60_000), 1);
        assert_eq!((noted.keys.len(), noted.untold.len()), (0, KEYS_MAX), "none is told: nothing is added");
    }
}
