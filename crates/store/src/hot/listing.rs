//! One page of a listing, made in steps so that a long one does not keep writers out.

use headwater_types::UnixMillis;
use std::{collections::btree_map::Range, ops::Bound, sync::Arc};

use super::space::{Index, IndexKey};
use crate::{
    record::Record,
    tier::{ListRecords, ListedRecord},
};

/// A page that is being filled. Costs the names it answers and the entries it must skip; what a folded name stands for
/// is skipped by one search.
#[derive(Debug)]
pub(super) struct Page<'a> {
    request: ListRecords<'a>,
    now: UnixMillis,
    /// Where the next step begins.
    from: Bound<String>,
    names: Vec<ListedRecord>,
}

impl<'a> Page<'a> {
    /// An empty page of what is live at `now`.
    pub fn new(request: ListRecords<'a>, now: UnixMillis) -> Self {
        let from = match request.after {
            Some(after) if after >= request.prefix => Bound::Excluded(after.to_owned()),
            _ => Bound::Included(request.prefix.to_owned()),
        };
        Self { request, now, from, names: Vec::new() }
    }

    pub fn into_names(self) -> Vec<ListedRecord> {
        self.names
    }

    /// Goes on for at most `visits` entries; true once the page is complete.
    pub fn advance(&mut self, index: &Index, visits: usize) -> bool {
        let mut entries = self.entries(index);
        let mut visited = None;
        for _ in 0..visits {
            if self.names.len() >= self.request.limit {
                return true;
            }
            let Some((key, record)) = entries.next() else { return true };
            let key = key.0.as_str();
            let Some(rest) = key.strip_prefix(self.request.prefix) else { return true };
            visited = Some(key);
            let slash = rest.find('/').filter(|_| self.request.fold);
            let Some(slash) = slash.map(|at| self.request.prefix.len() + at) else {
                if self.wants(record) {
                    self.names.push(ListedRecord { name: key.to_owned(), record: Some(record.clone()) });
                }
                continue;
            };
            let name = &key[..=slash];
            let passed = self.request.after.is_some_and(|after| name <= after);
            if !passed {
                // It stands for its first live record; until there is one, each is looked at.
                if !self.wants(record) {
                    continue;
                }
                self.names.push(ListedRecord { name: name.to_owned(), record: None });
            }
            // '0' is the byte after '/': the least name that is not below this one.
            self.from = Bound::Included(format!("{}0", &key[..slash]));
            entries = self.entries(index);
            visited = None;
        }
        if let Some(key) = visited {
            self.from = Bound::Excluded(key.to_owned());
        }
        false
    }

    fn entries<'i>(&self, index: &'i Index) -> Range<'i, IndexKey, Arc<Record>> {
        index.range::<str, _>((self.from.as_ref().map(String::as_str), Bound::Unbounded))
    }

    fn wants(&self, record: &Record) -> bool {
        !record.tombstone && record.meta.expires_at > self.now && (self.request.shards)(record.shard)
    }
}
