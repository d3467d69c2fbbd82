//! Nodes, their incarnations and zones.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

use crate::{limits::ZONE_BYTES_MAX, rng::Rng};

/// A node's id, given by its operator or its StatefulSet, never used again for another machine's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u64);

/// Which of a node's processes: the Raft index at which the metadata first heard of it, larger for each later one. No
/// number is given to two processes of a node, and a new process is never a member by itself (see `ARCHITECTURE.md`).
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

/// Defines a name of 128 random bits, written as 32 hexadecimal digits.
macro_rules! random_name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u128);

        impl $name {
            /// Draws a new one.
            pub fn draw(rng: &dyn Rng) -> Self {
                Self(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()))
            }

            /// Reads 32 lower-case hexadecimal digits.
            pub fn parse(text: &str) -> Result<Self, RandomNameError> {
                let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                let parsed = u128::from_str_radix(text, 16).ok();
                let parsed = parsed.filter(|_| text.len() == RANDOM_NAME_DIGITS && text.bytes().all(is_digit));
                parsed.map(Self).ok_or_else(|| RandomNameError { what: $what, given: text.chars().take(64).collect() })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = RandomNameError;
            fn try_from(text: String) -> Result<Self, RandomNameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }
    };
}

random_name! {
    /// Names a node's data directory for as long as it exists: drawn when the directory is first used, and kept in it. A
    /// directory that was emptied or exchanged has another one.
    DiskId, "disk id"
}

random_name! {
    /// Names a process of a node: drawn at each start, and kept nowhere but in its memory.
    Nonce, "nonce"
}

/// Digits of a [`DiskId`] and of a [`Nonce`].
const RANDOM_NAME_DIGITS: usize = 32;

/// A disk id or a nonce was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} is not allowed: 32 of 0-9 and a-f")]
pub struct RandomNameError {
    what: &'static str,
    given: String,
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
    use crate::rng::SeededRng;

    #[test]
    fn random_names_are_written_with_all_their_digits_and_read_back() {
        let disk = DiskId::parse("0000000000000000000000000000002a").unwrap();
        let json = serde_json::to_string(&disk).unwrap();
        assert_eq!(json, r#""0000000000000000000000000000002a""#);
        assert_eq!(serde_json::from_str::<DiskId>(&json).unwrap(), disk);
        let rng = SeededRng::new(1);
        let nonces = [(); 2].map(|()| Nonce::draw(&rng));
        assert_ne!(nonces[0], nonces[1]);
        assert_eq!(Nonce::parse(&nonces[0].to_string()), Ok(nonces[0]));
        for digits in [0, 31, 33] {
            let error = Nonce::parse(&"0".repeat(digits)).unwrap_err().to_string();
            assert!(error.contains("32 of 0-9 and a-f"), "{error}");
        }
        for text in ["0000000000000000000000000000002A", "+000000000000000000000000000002a", "\u{e4}"] {
            assert!(DiskId::parse(text).is_err(), "{text}");
        }
    }

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
