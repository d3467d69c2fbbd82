//! Namespaces: the name that URLs carry and the id that records carry.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

use crate::limits::NAMESPACE_BYTES_MAX;

/// A namespace's id: the Raft index of its creation, never used again, so that a namespace that is deleted and made
/// again does not show its old objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamespaceId(pub u64);

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A namespace's name: `[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamespaceName(Arc<str>);

/// Why a namespace name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "namespace {given:?} is not allowed: 1 to 63 of a-z, 0-9, '_' and '-', beginning and ending with a letter or digit"
)]
pub struct NamespaceError {
    /// What was given, shortened to 64 characters.
    pub given: String,
}

impl NamespaceName {
    /// Checks a name. There is no normalisation: what is refused here is refused everywhere.
    pub fn parse(name: &str) -> Result<Self, NamespaceError> {
        Self::check(name).map(|()| Self(name.into()))
    }

    /// As [`Self::parse`], for a name that is only looked up.
    pub fn check(name: &str) -> Result<(), NamespaceError> {
        let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = name.as_bytes();
        let inner = |b: &u8| alnum(*b) || *b == b'_' || *b == b'-';
        let edges = bytes.first().copied().is_some_and(alnum) && bytes.last().copied().is_some_and(alnum);
        if edges && bytes.len() <= NAMESPACE_BYTES_MAX && bytes.iter().all(inner) {
            Ok(())
        } else {
            Err(NamespaceError { given: name.chars().take(64).collect() })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for NamespaceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NamespaceName {
    type Error = NamespaceError;
    fn try_from(name: String) -> Result<Self, NamespaceError> {
        Self::parse(&name)
    }
}

impl From<NamespaceName> for String {
    fn from(name: NamespaceName) -> String {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_and_past_the_limits() {
        let at = "a".repeat(NAMESPACE_BYTES_MAX);
        let past = "a".repeat(NAMESPACE_BYTES_MAX + 1);
        for good in ["a", "0", "live-origin", "a_b", "9-9", at.as_str()] {
            assert_eq!(NamespaceName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "_a", "a_", "A", "a.b", "a b", "é", "a/b", past.as_str()] {
            assert!(NamespaceName::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
