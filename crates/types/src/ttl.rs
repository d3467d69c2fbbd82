//! Time to live.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::limits::TTL_SECONDS_MAX;

/// Whole seconds, 1 to [`TTL_SECONDS_MAX`]; a namespace's maximum may be lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Ttl(u64);

/// Why a TTL was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TtlError {
    /// Not a whole number, or below 1.
    #[error("ttl_seconds {given:?} is not a whole number of at least 1")]
    Invalid {
        /// What was given, shortened.
        given: String,
    },
    /// Above what is allowed.
    #[error("ttl_seconds {given} is more than the allowed {max}")]
    TooLong {
        /// What was given.
        given: u64,
        /// What is allowed.
        max: u64,
    },
}

impl Ttl {
    /// Checks a number of seconds against the system's maximum.
    pub fn from_secs(seconds: u64) -> Result<Self, TtlError> {
        match seconds {
            0 => Err(TtlError::Invalid { given: "0".into() }),
            s if s > TTL_SECONDS_MAX => Err(TtlError::TooLong { given: s, max: TTL_SECONDS_MAX }),
            s => Ok(Self(s)),
        }
    }

    /// Reads `ttl_seconds`: decimal digits only, no sign, no space, at most `max`.
    pub fn parse(text: &str, max: Ttl) -> Result<Self, TtlError> {
        let invalid = || TtlError::Invalid { given: text.chars().take(32).collect() };
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let given = text.parse::<u64>().unwrap_or(u64::MAX);
        if given > max.0 {
            return Err(TtlError::TooLong { given, max: max.0 });
        }
        Self::from_secs(given)
    }

    /// Seconds.
    pub fn as_secs(self) -> u64 {
        self.0
    }

    /// As a duration.
    pub fn as_duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl TryFrom<u64> for Ttl {
    type Error = TtlError;
    fn try_from(seconds: u64) -> Result<Self, TtlError> {
        Self::from_secs(seconds)
    }
}

impl From<Ttl> for u64 {
    fn from(ttl: Ttl) -> u64 {
        ttl.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limits_and_one_past() {
        let max = Ttl::from_secs(3600).unwrap();
        assert_eq!(Ttl::parse("1", max).unwrap().as_secs(), 1);
        assert_eq!(Ttl::parse("3600", max), Ok(max));
        assert_eq!(Ttl::parse("3601", max), Err(TtlError::TooLong { given: 3601, max: 3600 }));
        for bad in ["", "0", "-1", "+5", "1.5", " 5", "5s", "0x10"] {
            assert!(matches!(Ttl::parse(bad, max), Err(TtlError::Invalid { .. })), "{bad:?}");
        }
        assert!(matches!(Ttl::parse("99999999999999999999999", max), Err(TtlError::TooLong { .. })));
        assert!(Ttl::from_secs(TTL_SECONDS_MAX).is_ok());
        assert!(Ttl::from_secs(TTL_SECONDS_MAX + 1).is_err());
    }
}
