//! Cases about listings: order, prefixes, folding, pages, shards.

use std::collections::BTreeSet;

use super::{Subject, assert_same, everything};
use crate::tier::ListRecords;

/// Names around '/' in byte order ('-' and '.' come before it, '0' after it), folders in folders, and more than one
/// byte a character.
const KEYS: [&str; 16] = [
    "a",
    "a-b",
    "a.m3u8",
    "a/1.ts",
    "a/10.ts",
    "a/2.ts",
    "a/b/1.ts",
    "a/b/c/1.ts",
    "a0",
    "ab",
    "live/1.ts",
    "live/init.mp4",
    "live0/1.ts",
    "z",
    "\u{e9}/1.ts",
    "\u{4e2d}",
];

async fn fill(subject: &Subject) {
    for key in KEYS.iter().rev() {
        subject.apply(&subject.sample(key, 1).build()).await;
    }
}

pub(super) async fn names_come_in_byte_order(subject: Subject) {
    fill(&subject).await;
    assert_eq!(subject.names(everything()).await, KEYS);
    for listed in subject.list(everything()).await {
        let record = listed.record.unwrap_or_else(|| panic!("{} has no record", listed.name));
        assert_same(&record, &subject.sample(&listed.name, 1).build());
    }
    for (prefix, want) in [
        ("a/", &["a/1.ts", "a/10.ts", "a/2.ts", "a/b/1.ts", "a/b/c/1.ts"][..]),
        ("a/1", &["a/1.ts", "a/10.ts"]),
        ("live", &["live/1.ts", "live/init.mp4", "live0/1.ts"]),
        ("\u{e9}", &["\u{e9}/1.ts"]),
        ("a/1.ts", &["a/1.ts"]),
        ("zz", &[]),
        ("A", &[]),
    ] {
        assert_eq!(subject.names(ListRecords { prefix, ..everything() }).await, want, "prefix {prefix:?}");
    }
}

pub(super) async fn folding_stops_at_the_next_slash(subject: Subject) {
    fill(&subject).await;
    let folded = |prefix| ListRecords { prefix, fold: true, ..everything() };
    for (prefix, want) in [
        ("", &["a", "a-b", "a.m3u8", "a/", "a0", "ab", "live/", "live0/", "z", "\u{e9}/", "\u{4e2d}"][..]),
        ("a", &["a", "a-b", "a.m3u8", "a/", "a0", "ab"]),
        ("a/", &["a/1.ts", "a/10.ts", "a/2.ts", "a/b/"]),
        ("a/b/", &["a/b/1.ts", "a/b/c/"]),
        ("live", &["live/", "live0/"]),
    ] {
        let listed = subject.list(folded(prefix)).await;
        assert!(listed.iter().all(|l| l.record.is_none() == l.name.ends_with('/')), "{listed:?}");
        let names: Vec<_> = listed.into_iter().map(|l| l.name).collect();
        assert_eq!(names, want, "prefix {prefix:?}");
    }
    // A folder without a live object is not there.
    for key in ["live/1.ts", "live/init.mp4"] {
        subject.apply(&subject.sample(key, 2).tombstone().build()).await;
    }
    assert_eq!(subject.names(folded("live")).await, ["live0/"]);
    // What lies within a folder that a page ended with does not bring it back.
    let within = ListRecords { after: Some("a/1.ts"), ..folded("") };
    assert_eq!(subject.names(within).await, ["a0", "ab", "live0/", "z", "\u{e9}/", "\u{4e2d}"]);
}

pub(super) async fn pages_give_each_name_once(subject: Subject) {
    fill(&subject).await;
    for fold in [false, true] {
        for prefix in ["", "a", "a/", "live"] {
            let whole = ListRecords { prefix, fold, ..everything() };
            let want = subject.names(whole).await;
            for limit in 1..=want.len() + 1 {
                let mut names: Vec<String> = Vec::new();
                loop {
                    let page = subject
                        .names(ListRecords { after: names.last().map(|n| &**n), limit, ..whole })
                        .await;
                    assert!(page.len() <= limit, "{} names in a page of {limit}", page.len());
                    if page.is_empty() {
                        break;
                    }
                    names.extend(page);
                    assert!(names.len() <= want.len(), "pages repeat names: {names:?}");
                }
                assert_eq!(names, want, "prefix {prefix:?}, fold {fold}, limit {limit}");
            }
        }
    }
    assert!(subject.names(ListRecords { limit: 0, ..everything() }).await.is_empty());
    // A name to go on after needs not be there, nor lie within the prefix.
    let after = |after| ListRecords { prefix: "live/", after: Some(after), ..everything() };
    assert_eq!(subject.names(after("live/1.zz")).await, ["live/init.mp4"]);
    assert_eq!(subject.names(after("a")).await, ["live/1.ts", "live/init.mp4"]);
    assert!(subject.names(after("z")).await.is_empty());
}

pub(super) async fn only_the_asked_shards_are_listed(subject: Subject) {
    for (n, key) in KEYS.iter().enumerate() {
        subject.apply(&subject.sample(key, 1).shard(n as u16 % 3).build()).await;
    }
    let mut seen = BTreeSet::new();
    for wanted in 0..3 {
        let shards = move |shard: headwater_types::ShardId| shard.get() == wanted;
        let want: Vec<_> = KEYS.iter().skip(usize::from(wanted)).step_by(3).copied().collect();
        let names = subject.names(ListRecords { shards: &shards, ..everything() }).await;
        assert_eq!(names, want);
        seen.extend(names);
    }
    assert_eq!(seen.len(), KEYS.len());
    // A folder is there only for a shard that has something in it: "a/b/" holds KEYS[6] and KEYS[7].
    for (wanted, there) in [(0, true), (1, true), (2, false)] {
        let shards = move |shard: headwater_types::ShardId| shard.get() == wanted;
        let request = ListRecords { shards: &shards, prefix: "a/", fold: true, ..everything() };
        assert_eq!(subject.names(request).await.contains(&"a/b/".to_owned()), there, "shard {wanted}");
    }
}
