//! Merges what members listed into one page. Pure.

use crate::{ListEntry, ListReply};

/// A page in byte order of names.
#[derive(Debug, Default)]
pub struct ListPage {
    /// Names, at most as many as were asked for.
    pub entries: Vec<ListEntry>,
    /// There may be more after the last one.
    pub more: bool,
}

/// Merges replies about disjoint shards. A reply that says there is more knows nothing of the names after its last
/// one, so the page ends at the first such end; a common prefix may be in several replies and is listed once.
pub fn merge(replies: Vec<ListReply>, limit: usize) -> ListPage {
    let ends = replies.iter().filter(|reply| reply.more).filter_map(|reply| reply.entries.last());
    let horizon: Option<String> = ends.map(|entry| entry.name.clone()).min();
    let mut more = horizon.is_some();
    let mut entries: Vec<_> = replies.into_iter().flat_map(|reply| reply.entries).collect();
    if let Some(horizon) = horizon {
        entries.retain(|entry| entry.name <= horizon);
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    entries.dedup_by(|a, b| a.name == b.name);
    if entries.len() > limit {
        entries.truncate(limit);
        more = true;
    }
    ListPage { entries, more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// What a member with these names answers.
    fn reply(names: &BTreeSet<String>, after: Option<&str>, limit: usize) -> ListReply {
        let mut left = names.iter().filter(|name| after.is_none_or(|after| name.as_str() > after));
        let entries =
            left.by_ref().take(limit).map(|name| ListEntry { name: name.clone(), meta: None }).collect();
        ListReply { entries, more: left.next().is_some() }
    }

    proptest! {
        #[test]
        fn pages_list_everything_once_and_in_order(
            members in prop::collection::vec(prop::collection::btree_set("[a-c]{1,3}/?", 0..12), 1..4),
            limit in 1usize..6,
        ) {
            let all: BTreeSet<String> = members.iter().flatten().cloned().collect();
            let mut listed: Vec<String> = Vec::new();
            loop {
                let after = listed.last().cloned();
                let replies = members.iter().map(|names| reply(names, after.as_deref(), limit)).collect();
                let page = merge(replies, limit);
                prop_assert!(page.entries.len() <= limit);
                prop_assert!(!page.entries.is_empty() || !page.more);
                listed.extend(page.entries.into_iter().map(|entry| entry.name));
                if !page.more {
                    break;
                }
            }
            prop_assert_eq!(listed, all.into_iter().collect::<Vec<_>>());
        }
    }
}
