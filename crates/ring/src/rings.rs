//! Consistent-hash rings with a fixed hash.

use consistent_hash::{Node, RingHash, StaticHashRing};
use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::Xxh3;

/// How many virtual nodes the members of a ring get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vnodes {
    /// For each unit of weight.
    pub per_weight: u64,
    /// For one member at most.
    pub max: u64,
}

/// XXH3-64 without a seed: the same in every process and build, unlike the standard library's hasher. It hashes
/// integers as they lie in memory, so it is the same on all 64-bit little-endian machines, which are all we run on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FixedHash;

impl RingHash for FixedHash {
    fn hash_item<T: Hash>(&self, item: &T) -> u64 {
        let mut hasher = Xxh3::new();
        item.hash(&mut hasher);
        hasher.finish()
    }
}

/// A ring of members with their weights; those of weight 0 are not on it.
pub(crate) fn ring<'a, K: Hash + Ord + 'a>(
    vnodes: Vnodes,
    members: impl Iterator<Item = (K, u64)>,
) -> StaticHashRing<'a, K, (), FixedHash> {
    let quantity = |weight: u64| weight.saturating_mul(vnodes.per_weight).min(vnodes.max) as usize;
    StaticHashRing::new(FixedHash, members.map(|(key, weight)| Node::new(key).quantity(quantity(weight))))
}
