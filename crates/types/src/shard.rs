//! Shards and their epochs.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::limits::SHARD_COUNT;

/// One of the [`SHARD_COUNT`] shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ShardId(u16);

impl ShardId {
    /// `None` if there is no such shard.
    pub fn new(id: u16) -> Option<Self> {
        (id < SHARD_COUNT).then_some(Self(id))
    }

    /// The shard of a 64-bit hash.
    pub fn of_hash(hash: u64) -> Self {
        Self((hash % u64::from(SHARD_COUNT)) as u16)
    }

    /// All shards in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARD_COUNT).map(Self)
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The number as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl TryFrom<u16> for ShardId {
    type Error = String;
    fn try_from(id: u16) -> Result<Self, String> {
        Self::new(id).ok_or_else(|| format!("shard {id} does not exist: there are {SHARD_COUNT}"))
    }
}

impl From<ShardId> for u16 {
    fn from(id: ShardId) -> u16 {
        id.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A configuration of a shard; each change of its members is a new one. 0 means none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The one after this.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
