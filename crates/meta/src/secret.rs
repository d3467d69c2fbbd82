//! Hashes of key secrets as records hold them.

use headwater_types::ApiKey;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Hexadecimal digits of a SHA-256.
const HEX_DIGITS: usize = 64;
/// Hexadecimal digits of an MD5.
const MD5_HEX_DIGITS: usize = 32;

/// SHA-256 of a key's secret part, as 64 lower-case hexadecimal digits.
///
/// A fast hash is right here: the secret carries 256 random bits, so there is nothing to guess.
pub fn hash(key: &ApiKey) -> String {
    hash_hex(key).iter().map(|digit| char::from(*digit)).collect()
}

/// Whether `key` has the secret of this hash, in a time that does not depend on it.
pub(crate) fn matches(key: &ApiKey, hash: &str) -> bool {
    hash_hex(key).as_slice().ct_eq(hash.as_bytes()).into()
}

/// Whether `text` has the form of a SHA-256 hash.
pub(crate) fn is_hash(text: &str) -> bool {
    is_hex(text, HEX_DIGITS)
}

/// Whether `text` has the form of an MD5 hash.
pub(crate) fn is_md5(text: &str) -> bool {
    is_hex(text, MD5_HEX_DIGITS)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Encoding what was presented costs less than decoding what is stored, and needs no second copy of the records.
fn hash_hex(key: &ApiKey) -> [u8; HEX_DIGITS] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; HEX_DIGITS];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(Sha256::digest(key.secret())) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}
