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
