//! Object keys: one decoded string that is routed, authorised, hashed, stored and logged.
//!
//! Nothing is normalised silently: whatever could name the same object in a second way is refused.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

use crate::limits::KEY_BYTES_MAX;

/// A validated object key: 1 to 900 bytes of UTF-8 without control characters, backslashes, empty, `.` or `..`
/// segments, or anything that still looks percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(Arc<str>);

/// Why a key was refused. The text says what was wrong and what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key at all.
    #[error("the key is empty; a key has 1 to 900 bytes")]
    Empty,
    /// Longer than [`KEY_BYTES_MAX`] after decoding.
    #[error("the key has more than 900 bytes after percent-decoding")]
    TooLong,
    /// An empty segment: `a//b`, a leading or a trailing `/`.
    #[error("the key has an empty segment (a leading, trailing or doubled '/')")]
    EmptySegment,
    /// A `.` or `..` segment.
    #[error("the key has a '.' or '..' segment")]
    DotSegment,
    /// NUL or another control character.
    #[error("the key has a control character")]
    Control,
    /// A backslash.
    #[error("the key has a backslash")]
    Backslash,
    /// `%2F` or `%5C` in a path.
    #[error("the key has an encoded slash or backslash (%2F, %5C); use '/', or the ?key= form")]
    EncodedSlash,
    /// `%` not followed by two hexadecimal digits.
    #[error("the key has a '%' that is not followed by two hexadecimal digits")]
    BadEscape,
    /// What is left after one decoding still looks encoded.
    #[error("the key is percent-encoded twice; encode it once")]
    DoubleEncoded,
    /// The decoded bytes are not UTF-8.
    #[error("the key is not UTF-8 after percent-decoding")]
    NotUtf8,
    /// `key_base64` is not base64url.
    #[error("key_base64 is not base64url (RFC 4648 section 5)")]
    NotBase64,
}

impl ObjectKey {
    /// Checks an already decoded key.
    pub fn parse(decoded: &str) -> Result<Self, KeyError> {
        if decoded.is_empty() {
            return Err(KeyError::Empty);
        }
        if decoded.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        if decoded.chars().any(char::is_control) {
            return Err(KeyError::Control);
        }
        if decoded.contains('\\') {
            return Err(KeyError::Backslash);
        }
        for segment in decoded.split('/') {
            match segment {
                "" => return Err(KeyError::EmptySegment),
                "." | ".." => return Err(KeyError::DotSegment),
                _ => {}
            }
        }
        let looks_encoded = |w: &[u8]| w[0] == b'%' && w[1].is_ascii_hexdigit() && w[2].is_ascii_hexdigit();
        if decoded.as_bytes().windows(3).any(looks_encoded) {
            return Err(KeyError::DoubleEncoded);
        }
        Ok(Self(decoded.into()))
    }

    /// Decodes and checks the raw path part of a URL behind `/cache/{namespace}/`.
    pub fn from_raw_path(raw: &str) -> Result<Self, KeyError> {
        if !raw.contains('%') {
            return Self::parse(raw);
        }
        let encoded_slash = |w: &[u8]| {
            w[0] == b'%' && matches!((w[1], w[2].to_ascii_uppercase()), (b'2', b'F') | (b'5', b'C'))
        };
        if raw.as_bytes().windows(3).any(encoded_slash) {
            return Err(KeyError::EncodedSlash);
        }
        Self::parse(&percent_decode(raw)?)
    }

    /// Decodes and checks the raw value of `?key=`. `%2F` is a slash here, as every URL library encodes it so;
    /// `+` is a plus (RFC 3986), not a space.
    pub fn from_raw_query(raw: &str) -> Result<Self, KeyError> {
        Self::parse(&percent_decode(raw)?)
    }

    /// Decodes and checks the raw value of `?key_base64=`: base64url with or without padding.
    pub fn from_raw_base64(raw: &str) -> Result<Self, KeyError> {
        let text = percent_decode(raw)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| KeyError::NotBase64)?;
        Self::parse(std::str::from_utf8(&bytes).map_err(|_| KeyError::NotUtf8)?)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The extension of the last segment, without the dot; empty if there is none.
    pub fn extension(&self) -> &str {
        let name = self.0.rsplit('/').next().unwrap_or("");
        match name.rfind('.') {
            Some(dot) if dot > 0 => &name[dot + 1..],
            _ => "",
        }
    }
}

/// One strict percent-decoding: every `%` must start an escape, the result must be UTF-8.
fn percent_decode(raw: &str) -> Result<String, KeyError> {
    let bytes = raw.as_bytes();
    for (i, b) in bytes.iter().enumerate() {
        let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        if *b == b'%' && !(hex(i + 1) && hex(i + 2)) {
            return Err(KeyError::BadEscape);
        }
    }
    percent_encoding::percent_decode(bytes).decode_utf8().map(Into::into).map_err(|_| KeyError::NotUtf8)
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = KeyError;
    fn try_from(key: String) -> Result<Self, KeyError> {
        Self::parse(&key)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> String {
        key.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests;
