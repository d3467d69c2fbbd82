//! The last entries, contiguous.

use bytes::Bytes;
use std::collections::VecDeque;

use crate::limits::{WATCH_BYTES_KEPT, WATCH_ENTRIES_KEPT};

/// An applied entry: its version and its encoded command.
pub(crate) type Kept = (u64, Bytes);

/// The last entries, at most [`WATCH_ENTRIES_KEPT`] and [`WATCH_BYTES_KEPT`].
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Kept>,
    bytes: usize,
}

impl Ring {
    /// Adds the entry of the next version; after any other version it begins anew.
    pub(super) fn push(&mut self, version: u64, command: Bytes) {
        if self.entries.back().is_some_and(|(last, _)| last + 1 != version) {
            self.clear();
        }
        self.bytes += command.len();
        self.entries.push_back((version, command));
        while self.entries.len() > WATCH_ENTRIES_KEPT || self.bytes > WATCH_BYTES_KEPT {
            let Some((_, oldest)) = self.entries.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// At most `max` entries from the one after `version` on; `None` if that one is not kept (any more).
    pub(super) fn after(&self, version: u64, max: usize) -> Option<VecDeque<Kept>> {
        let (first, _) = self.entries.front()?;
        let skip = usize::try_from((version + 1).checked_sub(*first)?).ok()?;
        (skip < self.entries.len()).then(|| self.entries.iter().skip(skip).take(max).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_bytes_at_their_limits_and_one_past() {
        let mut ring = Ring::default();
        let tiny = Bytes::from_static(b"x");
        (1..=WATCH_ENTRIES_KEPT as u64).for_each(|version| ring.push(version, tiny.clone()));
        assert_eq!(ring.after(0, usize::MAX).unwrap().len(), WATCH_ENTRIES_KEPT);
        ring.push(WATCH_ENTRIES_KEPT as u64 + 1, tiny);
        assert!(ring.after(0, 1).is_none(), "the oldest went");
        assert_eq!(ring.after(1, usize::MAX).unwrap().len(), WATCH_ENTRIES_KEPT);

        ring.clear();
        let half = Bytes::from(vec![0; WATCH_BYTES_KEPT / 2]);
        ring.push(7, half.clone());
        ring.push(8, half);
        assert_eq!(ring.after(6, usize::MAX).unwrap().len(), 2);
        ring.push(9, Bytes::from_static(b"x"));
        assert!(ring.after(6, 1).is_none(), "one byte too many");
        assert_eq!(ring.after(7, usize::MAX).unwrap().len(), 2);
    }
}
