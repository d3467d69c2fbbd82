//! Versions of objects.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::Epoch;

/// A version, given by the head of a shard only and never by a clock: larger epoch wins, then larger sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// The epoch in which the head gave it.
    pub epoch: Epoch,
    /// Its number within the shard and epoch, from 1.
    pub seq: u64,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}
