//! `Content-Digest` (RFC 9530 section 2): a dictionary of structured fields (RFC 9651 section 3.2) from the name of an
//! algorithm to a byte sequence.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// As RFC 9651 section 4.2.7 wants it: without padding too, and whatever the last bits are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads a whole field and returns the digest by `algorithm`; of several by the same algorithm the last one counts
/// (RFC 9651 section 4.2.2). `Some(None)` if the field has none. `None`: some part of the field is malformed, by
/// whichever algorithm.
pub(super) fn digest(field: &str, algorithm: &str) -> Option<Option<Vec<u8>>> {
    let mut found = None;
    let mut rest = field.trim_matches(' ');
    if rest.is_empty() {
        return Some(None);
    }
    loop {
        let (name, after) = key(rest)?;
        let (bytes, after) = byte_sequence(after.strip_prefix('=')?)?;
        if name == algorithm {
            found = Some(bytes);
        }
        rest = parameters(after)?.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(found);
        }
        // Behind a comma there is one more: a trailing one is malformed.
        rest = rest.strip_prefix(',')?.trim_start_matches([' ', '\t']);
    }
}

/// A key (RFC 9651 section 3.1.2), and what follows it.
fn key(text: &str) -> Option<(&str, &str)> {
    let is_first = |c: char| c.is_ascii_lowercase() || c == '*';
    let is_key = |c: char| is_first(c) || c.is_ascii_digit() || "_-.".contains(c);
    let end = text.find(|c| !is_key(c)).unwrap_or(text.len());
    text.starts_with(is_first).then(|| text.split_at(end))
}

/// A byte sequence (RFC 9651 section 3.3.5), and what follows it.
fn byte_sequence(text: &str) -> Option<(Vec<u8>, &str)> {
    let (encoded, after) = text.strip_prefix(':')?.split_once(':')?;
    Some((BASE64.decode(encoded).ok()?, after))
}

/// Passes over the parameters of a member (RFC 9651 section 3.1.2), which no algorithm has. A parameter's value is
/// anything up to what ends it; in a string that may be quoted.
fn parameters(mut text: &str) -> Option<&str> {
    while let Some(parameter) = text.strip_prefix(';') {
        let (_, after) = key(parameter.trim_start_matches(' '))?;
        text = match after.strip_prefix('=') {
            None => after,
            Some(value) => parameter_value(value)?,
        };
    }
    Some(text)
}

fn parameter_value(text: &str) -> Option<&str> {
    if let Some(mut string) = text.strip_prefix('"') {
        loop {
            let at = string.find(['"', '\\'])?;
            let (skipped, ended) = if string[at..].starts_with('"') { (1, true) } else { (2, false) };
            string = string.get(at + skipped..)?;
            if ended {
                return Some(string);
            }
        }
    }
    let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
    (end > 0).then(|| &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_by_an_algorithm_is_found_among_others() {
        for (field, want) in [
            ("", None),
            ("sha-512=:AAA=:", None),
            ("sha-256=:AQI=:", Some(vec![1, 2])),
            ("sha-512=:AAA=:, sha-256=:AQI=:,md5=:AA==:", Some(vec![1, 2])),
            ("  sha-256=:AQI=:  ", Some(vec![1, 2])),
            ("sha-256=:AQI=:\t,\tsha-512=::", Some(vec![1, 2])),
            // Padding and the last bits are as the sender likes.
            ("sha-256=:AQI:", Some(vec![1, 2])),
            ("sha-256=:AQJ=:", Some(vec![1, 2])),
            ("sha-256=::", Some(vec![])),
            // The last of several counts.
            ("sha-256=:AQI=:, sha-256=:AwQ=:", Some(vec![3, 4])),
            ("sha-256=:AQI=:;a;b=1; c=\"x,\\\";:\", *x.y_z-1=:AA==:", Some(vec![1, 2])),
        ] {
            assert_eq!(digest(field, "sha-256"), Some(want), "{field}");
        }
    }

    #[test]
    fn whatever_is_malformed_is_so_by_unknown_algorithms_too() {
        for field in [
            "x",
            "sha-256",
            "sha-256=",
            "sha-256=AQI=",
            "sha-256=:AQI=",
            "sha-256=AQI=:",
            "sha-256=:A?I=:",
            "sha-256=:A QI=:",
            "sha-256=:AQ-_:",
            "sha-256=:A:",
            "sha-256=\"AQI=\"",
            "sha-256 =:AQI=:",
            "sha-256= :AQI=:",
            "SHA-256=:AQI=:",
            "256=:AQI=:",
            "sha-512=garbage",
            "sha-512=?1",
            "sha-512=(:AA==:)",
            "sha-256=:AQI=:,",
            ",sha-256=:AQI=:",
            "sha-256=:AQI=:,,md5=:AA==:",
            "sha-256=:AQI=: md5=:AA==:",
            "sha-256=:AQI=:x",
            "sha-256=:AQI=:;",
            "sha-256=:AQI=:;A=1",
            "sha-256=:AQI=:;a=",
            "sha-256=:AQI=:;a=\"x",
            "sha-256=:AQI=:;a=\"x\\",
            ":AQI=:",
            "=:AQI=:",
        ] {
            assert_eq!(digest(field, "sha-256"), None, "{field}");
        }
    }
}
