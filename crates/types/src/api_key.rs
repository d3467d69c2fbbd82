//! API keys: opaque secrets of the form `hw_<key id>_<secret>`.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

use crate::Rng;

/// Base-62 characters of a key id.
const ID_CHARS: usize = 12;
/// Base-62 characters of a secret: 43 carry 256 bits.
const SECRET_CHARS: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The public part of an API key: names it in logs, lists and revocations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub Arc<str>);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole API key, secret included. Its `Debug` shows the id only; nothing stores it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The public part.
    pub id: KeyId,
    secret: String,
}

/// What was presented is not of the form of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key: expected hw_<key id>_<secret>")]
pub struct ApiKeyError;

impl ApiKey {
    /// Makes a new key.
    pub fn generate(rng: &dyn Rng) -> Self {
        Self { id: KeyId(base62(rng, ID_CHARS).into()), secret: base62(rng, SECRET_CHARS) }
    }

    /// Reads a key as clients present it.
    pub fn parse(text: &str) -> Result<Self, ApiKeyError> {
        let (id, secret) =
            text.strip_prefix("hw_").and_then(|rest| rest.split_once('_')).ok_or(ApiKeyError)?;
        let base62 = |s: &str, len: usize| s.len() == len && s.bytes().all(|b| b.is_ascii_alphanumeric());
        if base62(id, ID_CHARS) && base62(secret, SECRET_CHARS) {
            Ok(Self { id: KeyId(id.into()), secret: secret.to_owned() })
        } else {
            Err(ApiKeyError)
        }
    }

    /// The secret part, to be hashed.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The whole key, to be shown to its owner once.
    pub fn reveal(&self) -> String {
        format!("hw_{}_{}", self.id, self.secret)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, secret redacted)", self.id)
    }
}

/// `len` uniform base-62 characters: bytes of 248 and above are thrown away, as they would favour the first letters.
pub(crate) fn base62(rng: &dyn Rng, len: usize) -> String {
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let mut bytes = [0; 64];
        rng.fill_secret(&mut bytes);
        let usable = bytes.iter().filter(|b| **b < 248).take(len - text.len());
        text.extend(usable.map(|b| char::from(ALPHABET[usize::from(b % 62)])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRng;

    #[test]
    fn round_trip_and_no_secret_in_debug() {
        let key = ApiKey::generate(&SeededRng::new(1));
        let again = ApiKey::parse(&key.reveal()).unwrap();
        assert_eq!(again, key);
        assert!(!format!("{key:?}").contains(key.secret()));
        for bad in ["", "hw_", "hw_a_b", &key.reveal()[1..], &format!("{}x", key.reveal())] {
            assert_eq!(ApiKey::parse(bad), Err(ApiKeyError), "{bad:?}");
        }
    }
}
