//! What the hot tier counts.

use headwater_types::MediaClass;

/// Every class, in the order of [`ByClass`].
const CLASSES: [MediaClass; 4] =
    [MediaClass::Playlist, MediaClass::Media, MediaClass::Key, MediaClass::Other];

/// One value for each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByClass<T>([T; CLASSES.len()]);

impl<T> ByClass<T> {
    /// The value of a class.
    pub fn get(&self, class: MediaClass) -> &T {
        &self.0[class as usize]
    }

    /// Each class with its value.
    pub fn iter(&self) -> impl Iterator<Item = (MediaClass, &T)> {
        CLASSES.into_iter().zip(&self.0)
    }

    pub(super) fn get_mut(&mut self, class: MediaClass) -> &mut T {
        &mut self.0[class as usize]
    }
}

/// Counts of a hot tier. What ends in `_bytes` is counted by [`Record::cost`](crate::Record::cost).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HotStats {
    /// Bytes of everything that is held, tombstones included.
    pub used_bytes: u64,
    /// The most that they may be.
    pub capacity_bytes: u64,
    /// Tombstones that are held.
    pub tombstones: u64,
    /// Records that left because their time had passed, ever.
    pub expired: u64,
    /// Records for which there was no room though nothing else was left to evict, ever.
    pub refused: u64,
    /// By class, without tombstones.
    pub by_class: ByClass<ClassStats>,
}

/// Counts of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Records that are held.
    pub records: u64,
    /// Their bytes.
    pub used_bytes: u64,
    /// Records that had to go before their time, ever.
    pub evicted: u64,
}

impl HotStats {
    /// Records that are held, tombstones not counted.
    pub fn records(&self) -> u64 {
        self.by_class.iter().map(|(_, class)| class.records).sum()
    }

    /// Records that had to go before their time, ever.
    pub fn evicted(&self) -> u64 {
        self.by_class.iter().map(|(_, class)| class.evicted).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_the_place_that_iteration_says() {
        let mut values = ByClass::<usize>::default();
        for (n, class) in CLASSES.into_iter().enumerate() {
            *values.get_mut(class) = n;
        }
        assert!(values.iter().eq(CLASSES.into_iter().zip(&[0, 1, 2, 3])));
    }
}
