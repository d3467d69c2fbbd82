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

    /// Computed with another implementation of XXH3-128: clusters of every version agree on these.
    #[test]
    fn known_answers() {
        let kilobytes: Vec<u8> = (0..5000).map(|i| (i * 31 % 251) as u8).collect();
        for (bytes, hex) in [
            (&b""[..], "99aa06d3014798d86001c324468d497f"),
            (b"a", "a96faf705af16834e6c632b61e964e1f"),
            (b"abcdefgh", "dac23237af37353342b702b313880f12"),
            (&std::array::from_fn::<u8, 256, _>(|i| i as u8), "f1f8a93f50849ac39408a4433b952d71"),
            (&kilobytes, "5f50ca3aad5b935da092d73116291201"),
        ] {
            assert_eq!(Digest::of(bytes).to_string(), hex, "{} bytes", bytes.len());
            assert_eq!(Digest::of(bytes).to_etag(), format!("\"{hex}\""));
            let mut hasher = DigestHasher::new();
            bytes.chunks(77).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.digest().to_string(), hex, "{} bytes in pieces", bytes.len());
        }
    }

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
