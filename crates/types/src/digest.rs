//! The 128-bit digest of stored bytes (XXH3-128), which is also the ETag.

use std::fmt;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// A digest of an object's stored bytes: equal bodies have equal digests in every cluster. It finds corruption and
/// tells versions apart; it is no defence against someone who makes collisions on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub u128);

impl Digest {
    /// The digest of one piece.
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxh3_128(bytes))
    }

    /// The ETag with its quotes: a strong validator (RFC 9110 section 8.8.3).
    pub fn to_etag(self) -> String {
        format!("\"{self}\"")
    }

    /// Reads 32 hexadecimal digits.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let digits = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        digits.then(|| u128::from_str_radix(hex, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Computes a [`Digest`] piece by piece.
#[derive(Clone, Default)]
pub struct DigestHasher(Xxh3);

impl DigestHasher {
    /// Starts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces so far.
    pub fn digest(&self) -> Digest {
        Digest(self.0.digest128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_whole_agree_and_hex_round_trips() {
        let mut hasher = DigestHasher::new();
        for piece in [&b"ab"[..], b"", b"cdefgh"] {
            hasher.update(piece);
        }
        let digest = Digest::of(b"abcdefgh");
        assert_eq!(hasher.digest(), digest);
        assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
        assert_eq!(Digest::from_hex("+1"), None);
        assert_eq!(digest.to_etag().len(), 34);
    }
}
