//! Request ids: UUIDv7 (RFC 9562 section 5.7), also what makes a repeated write find its outcome.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::{Clock, Rng, UnixMillis};

/// A request's id, made by the frontend that accepted it and carried over every hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u128);

impl RequestId {
    /// A new id from the given clock and randomness.
    pub fn new(clock: &dyn Clock, rng: &dyn Rng) -> Self {
        Self::at(clock.unix_millis(), rng)
    }

    /// A new id of the given time.
    pub fn at(time: UnixMillis, rng: &dyn Rng) -> Self {
        let random = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
        let millis = u128::from(time.0 & 0xffff_ffff_ffff) << 80;
        let version = 7u128 << 76;
        let variant = 2u128 << 62;
        let random = random & !((0xffff_ffff_ffff_f000_u128 << 64) | (3 << 62));
        Self(millis | version | variant | random)
    }
}

impl RequestId {
    /// Bytes of its text.
    pub const TEXT_BYTES: usize = uuid::fmt::Hyphenated::LENGTH;

    /// Its text, in lower case and with hyphens.
    pub fn encode(self, buffer: &mut [u8; Self::TEXT_BYTES]) -> &str {
        uuid::Uuid::from_u128(self.0).hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; Self::TEXT_BYTES]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManualClock, SeededRng};

    #[test]
    fn is_a_uuid_of_version_7_ordered_by_time() {
        let clock = ManualClock::new(UnixMillis(1_700_000_000_000));
        let rng = SeededRng::new(7);
        let first = RequestId::new(&clock, &rng);
        clock.advance(std::time::Duration::from_millis(1));
        let second = RequestId::new(&clock, &rng);
        assert!(first.0 < second.0);
        for id in [first, second] {
            let uuid = uuid::Uuid::parse_str(&id.to_string()).unwrap();
            assert_eq!(uuid.get_version_num(), 7);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        }
    }
}
