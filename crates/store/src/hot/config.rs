//! Settings of the hot tier.

/// Settings of the hot tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotConfig {
    /// The most bytes of all records, counted by [`Record::cost`](crate::Record::cost).
    pub capacity_bytes: u64,
    /// Locks that readers are spread over, rounded up to a power of two. These are not the shards of the cluster.
    pub shards: usize,
}

impl HotConfig {
    /// The default number of locks, enough for several readers on each of 32 cores.
    pub const SHARDS_DEFAULT: usize = 128;

    /// A tier of so many bytes with defaults for the rest.
    pub fn with_capacity(capacity_bytes: u64) -> Self {
        Self { capacity_bytes, shards: Self::SHARDS_DEFAULT }
    }
}
