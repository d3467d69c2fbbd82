//! What a member applied lately: an older version of a key that comes late must not come back, whatever became of the
//! newer one in the store.

use headwater_types::{ObjectId, Version};
use std::collections::{BTreeMap, HashMap};

/// The newest applied version of each key, above the head's clean mark. Below the mark nothing is on its way any more,
/// and above it are at most as many versions as a head may be ahead of its oldest staged one.
#[derive(Debug, Default)]
pub(super) struct Recent {
    by_object: HashMap<ObjectId, Version>,
    by_version: BTreeMap<Version, ObjectId>,
}

impl Recent {
    /// Whether a newer version of the key was applied.
    pub fn has_newer(&self, object: &ObjectId, version: Version) -> bool {
        self.by_object.get(object).is_some_and(|applied| *applied > version)
    }

    /// A version was applied.
    pub fn note(&mut self, object: &ObjectId, version: Version) {
        if self.has_newer(object, version) {
            return;
        }
        if let Some(before) = self.by_object.insert(object.clone(), version) {
            self.by_version.remove(&before);
        }
        self.by_version.insert(version, object.clone());
    }

    /// Everything up to `mark` is on all members.
    pub fn forget_up_to(&mut self, mark: Version) {
        while let Some(entry) = self.by_version.first_entry().filter(|entry| *entry.key() <= mark) {
            self.by_object.remove(&entry.remove());
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.by_object.len(), self.by_version.len());
        self.by_version.len()
    }
}
