//! A small bounded map of what was used lately.

use parking_lot::Mutex;
use std::{collections::HashMap, hash::Hash};

/// A map that forgets what was not used for a while. Two generations: what is used moves into the young one; when that
/// is full it becomes the old one and the former old one is dropped. So it holds at most twice its capacity, and what
/// was among the last `capacity` used is there.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    capacity: usize,
    generations: Mutex<Generations<K, V>>,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Copy, V: Copy> Recent<K, V> {
    /// An empty map.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, generations: Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }) }
    }

    /// What is known, and that it is in use.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut generations = self.generations.lock();
        if let Some(value) = generations.young.get(key) {
            return Some(*value);
        }
        let value = generations.old.remove(key)?;
        generations.insert(*key, value, self.capacity);
        Some(value)
    }

    /// Keeps a value.
    pub fn insert(&self, key: K, value: V) {
        self.generations.lock().insert(key, value, self.capacity);
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn insert(&mut self, key: K, value: V, capacity: usize) {
        if self.young.len() >= capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_used_and_is_bounded() {
        let recent = Recent::new(4);
        for n in 0..100 {
            recent.insert(n, n);
            assert_eq!(recent.get(&0), Some(0), "used all the time, after {n}");
            assert_eq!(recent.get(&n), Some(n));
        }
        assert_eq!(recent.get(&50), None);
        let generations = recent.generations.lock();
        assert!(generations.young.len() <= 4 && generations.old.len() <= 4);
    }
}
