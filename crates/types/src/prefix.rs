//! Prefixes that credentials are limited to.

use crate::limits::KEY_BYTES_MAX;

/// Longest prefix with its closing `/`: a key below it has at least one byte more.
const PREFIX_BYTES_MAX: usize = KEY_BYTES_MAX - 1;

/// Why a prefix was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// No prefix at all.
    #[error("is empty")]
    Empty,
    /// No key lies below it.
    #[error("has an empty segment (a leading or doubled '/'), which no key has")]
    EmptySegment,
    /// With its closing `/` it has no fewer bytes than the longest key.
    #[error("has more than {PREFIX_BYTES_MAX} bytes with its closing '/'; keys have at most {KEY_BYTES_MAX}")]
    TooLong,
}

/// The one form in which a prefix is stored and signed: with its closing `/`, which may be left out of `given`. It covers
/// whole segments: `live` and `live/` both cover `live/a`, and neither covers `live2`.
///
/// # Errors
/// No key could lie below the prefix.
pub fn canonical(given: &str) -> Result<String, PrefixError> {
    if given.is_empty() {
        return Err(PrefixError::Empty);
    }
    let bare = given.strip_suffix('/').unwrap_or(given);
    if bare.split('/').any(str::is_empty) {
        return Err(PrefixError::EmptySegment);
    }
    if bare.len() + 1 > PREFIX_BYTES_MAX {
        return Err(PrefixError::TooLong);
    }
    Ok(format!("{bare}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_slash_may_be_written_or_not() {
        for (given, want) in [
            ("live", Ok("live/")),
            ("live/", Ok("live/")),
            ("a/b c", Ok("a/b c/")),
            ("", Err(PrefixError::Empty)),
            ("/", Err(PrefixError::EmptySegment)),
            ("/live", Err(PrefixError::EmptySegment)),
            ("live//", Err(PrefixError::EmptySegment)),
            ("a//b", Err(PrefixError::EmptySegment)),
        ] {
            assert_eq!(canonical(given).as_deref(), want.as_ref().map(|text| *text), "{given}");
        }
    }

    #[test]
    fn lengths_at_the_limit_and_one_past() {
        for (bytes, allowed) in
            [(KEY_BYTES_MAX - 2, true), (KEY_BYTES_MAX - 1, false), (KEY_BYTES_MAX, false)]
        {
            for closing in ["", "/"] {
                let found = canonical(&("a".repeat(bytes) + closing));
                assert_eq!(found.as_ref().err(), (!allowed).then_some(&PrefixError::TooLong), "{bytes}");
                if let Ok(prefix) = found {
                    assert!(crate::ObjectKey::parse(&(prefix + "k")).is_ok(), "it covers a key");
                }
            }
        }
    }
}
