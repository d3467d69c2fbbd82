//! Nodes, their incarnations and zones.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

use crate::limits::ZONE_BYTES_MAX;

/// A node's id, given by its operator or its StatefulSet, never used again for another machine's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u64);

/// Counts the starts of a node's process: a new process is never a member by itself (see `ARCHITECTURE.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

/// One process of one node, as shard configurations name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Which of its processes.
    pub incarnation: Incarnation,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.incarnation)
    }
}

/// An availability zone's name: 1 to 63 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(Arc<str>);

/// A zone name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("zone {0:?} is not allowed: 1 to 63 of a-z, 0-9 and '-'")]
pub struct ZoneError(String);

impl ZoneName {
    /// Checks a name.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=ZONE_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name.into()))
        } else {
            Err(ZoneError(name.chars().take(64).collect()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ZoneName {
    type Error = ZoneError;
    fn try_from(name: String) -> Result<Self, ZoneError> {
        Self::parse(&name)
    }
}

impl From<ZoneName> for String {
    fn from(name: ZoneName) -> String {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_at_their_limits_and_one_past() {
        for name in ["a", "eu-west-1a", &"z".repeat(ZONE_BYTES_MAX)] {
            assert_eq!(ZoneName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "A", "a_b", "a.b", "\u{e4}", &"z".repeat(ZONE_BYTES_MAX + 1)] {
            let error = ZoneName::parse(name).unwrap_err().to_string();
            assert!(error.contains("1 to 63 of a-z, 0-9 and '-'"), "{error}");
        }
    }
}
