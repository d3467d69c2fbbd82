//! Which admin keys granted requests lately: each is told to the voters once a minute.

use headwater_types::{KeyId, UnixMillis};
use parking_lot::Mutex;
use std::collections::HashSet;

const MINUTE_MILLIS: u64 = 60_000;

/// The keys that were told in this minute: at most as many as there are admin keys.
#[derive(Debug, Default)]
pub struct KeyUses(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    minute: u64,
    keys: HashSet<KeyId>,
}

impl KeyUses {
    /// A key has granted a request; answers whether that is to be told.
    pub(crate) fn is_news(&self, id: &KeyId, now: UnixMillis) -> bool {
        let minute = now.0 / MINUTE_MILLIS;
        let mut told = self.0.lock();
        if told.minute != minute {
            told.minute = minute;
            told.keys.clear();
        }
        told.keys.insert(id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_told_once_a_minute() {
        let uses = KeyUses::default();
        let id = |text: &str| KeyId(text.into());
        assert!(uses.is_news(&id("a"), UnixMillis(60_000)));
        assert!(!uses.is_news(&id("a"), UnixMillis(119_999)), "still the same minute");
        assert!(uses.is_news(&id("b"), UnixMillis(119_999)));
        assert!(uses.is_news(&id("a"), UnixMillis(120_000)), "the next one");
    }
}
