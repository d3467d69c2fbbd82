//! How large objects of a group were lately: what to reserve for a body of unknown length.

use headwater_types::{Digest, NamespaceId, ObjectKey};

use crate::recent::Recent;

/// Groups that are remembered, about twice as many at most.
const GROUPS: usize = 16 * 1024;

/// The largest recent object of each group, in a bounded map.
#[derive(Debug)]
pub(crate) struct RecentSizes(Recent<(NamespaceId, Digest), u64>);

impl RecentSizes {
    pub fn new() -> Self {
        Self(Recent::new(GROUPS))
    }

    /// The largest recent object of the key's group.
    pub fn largest(&self, namespace: NamespaceId, key: &ObjectKey) -> Option<u64> {
        self.0.get(&group(namespace, key))
    }

    /// Remembers the size of an object. Larger ones count at once, and are forgotten by an eighth with each smaller.
    pub fn record(&self, namespace: NamespaceId, key: &ObjectKey, size: u64) {
        let group = group(namespace, key);
        let faded = self.0.get(&group).map_or(0, |largest| largest - largest / 8);
        self.0.insert(group, size.max(faded));
    }
}

fn group(namespace: NamespaceId, key: &ObjectKey) -> (NamespaceId, Digest) {
    (namespace, Digest::of(headwater_ring::group(key).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_a_rendition_share_and_peaks_fade() {
        let sizes = RecentSizes::new();
        let namespace = NamespaceId(1);
        let key = |n: u32| ObjectKey::parse(&format!("live/v_{n:05}.ts")).unwrap();
        assert_eq!(sizes.largest(namespace, &key(1)), None);
        sizes.record(namespace, &key(1), 1_000);
        assert_eq!(sizes.largest(namespace, &key(2)), Some(1_000));
        assert_eq!(sizes.largest(NamespaceId(2), &key(2)), None);
        sizes.record(namespace, &key(2), 100);
        assert_eq!(sizes.largest(namespace, &key(3)), Some(875));
        for n in 3..50 {
            sizes.record(namespace, &key(n), 100);
        }
        assert_eq!(sizes.largest(namespace, &key(50)), Some(100));
    }
}
