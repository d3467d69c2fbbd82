//! Conditional and range headers (RFC 9110 sections 13 and 14), read into what storage understands.

use headwater_proto::Preconditions;
use headwater_types::{ByteRange, Digest, ErrorCode, UnixMillis};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::time::UNIX_EPOCH;

use crate::problem::Problem;

/// Most entity tags of one condition that are looked at.
const TAGS_MAX: usize = 32;

/// What a list of entity tags says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    /// The header is there.
    pub present: bool,
    /// `*`.
    pub any: bool,
    /// Those that can be ours. Others match nothing.
    pub digests: Vec<Digest>,
}

impl Tags {
    /// Reads a list. `weak` also takes `W/"..."`, which a weak comparison allows.
    pub fn read(headers: &HeaderMap, name: HeaderName, weak: bool) -> Self {
        let mut tags = Self::default();
        for value in headers.get_all(name) {
            tags.present = true;
            let Ok(text) = value.to_str() else { continue };
            for tag in text.split(',').map(str::trim) {
                tags.any |= tag == "*";
                tags.digests.extend(digest(tag, weak));
            }
        }
        tags.digests.truncate(TAGS_MAX);
        tags
    }

    /// Whether a version of this digest is among them.
    pub fn has(&self, digest: Digest) -> bool {
        self.any || self.digests.contains(&digest)
    }
}

/// The digest that an entity tag stands for, if it is one of ours.
fn digest(tag: &str, weak: bool) -> Option<Digest> {
    let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
    Digest::from_hex(tag.strip_prefix('"')?.strip_suffix('"')?)
}

/// The preconditions of a PUT. `If-None-Match` with entity tags means nothing for a PUT here, and is refused rather
/// than ignored: its client counts on it.
pub(crate) fn of_put(headers: &HeaderMap) -> Result<Preconditions, Problem> {
    let if_match = Tags::read(headers, header::IF_MATCH, false);
    let if_none_match = Tags::read(headers, header::IF_NONE_MATCH, true);
    if if_none_match.present && !if_none_match.any {
        return Err(Problem::new(ErrorCode::InvalidHeader, "If-None-Match of a PUT must be *"));
    }
    if if_match.present && !if_match.any && if_match.digests.is_empty() {
        return Err(Problem::new(
            ErrorCode::PreconditionFailed,
            "no entity tag of If-Match can be one of ours",
        ));
    }
    // Another write may come within the second that a date can tell apart: its client would count on more than can be
    // checked. Beside an entity tag it says nothing (RFC 9110 section 13.1.4).
    if headers.contains_key(header::IF_UNMODIFIED_SINCE) && !if_match.present {
        let detail = "If-Unmodified-Since of a PUT is too coarse; use If-Match";
        return Err(Problem::new(ErrorCode::InvalidHeader, detail));
    }
    Ok(Preconditions {
        if_absent: if_none_match.any,
        if_present: if_match.any,
        if_match: if if_match.any { Vec::new() } else { if_match.digests },
    })
}

/// What `If-Range` says of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfRange {
    /// Nothing: the range applies.
    Absent,
    /// It applies to this digest only.
    Digest(Digest),
    /// It applies to nothing that we have: a weak or foreign tag, or a date, which is too coarse for us.
    Never,
}

/// Reads `If-Range`.
pub(crate) fn if_range(headers: &HeaderMap) -> IfRange {
    match headers.get(header::IF_RANGE).map(HeaderValue::to_str) {
        None => IfRange::Absent,
        Some(text) => text.ok().and_then(|t| digest(t.trim(), false)).map_or(IfRange::Never, IfRange::Digest),
    }
}

/// Reads `Range`: one range of bytes. Anything else is ignored, as section 14.2 allows: several ranges, other units,
/// what is malformed.
pub(crate) fn range(headers: &HeaderMap) -> Option<ByteRange> {
    let text = headers.get(header::RANGE)?.to_str().ok()?;
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |digits: &str| -> Option<u64> {
        let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // A number that is too large is beyond the end of every object all the same.
        all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    match (first.trim(), last.trim()) {
        ("", last) => Some(ByteRange::Last(number(last)?)),
        (first, "") => Some(ByteRange::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::FromTo(first, last))
        }
    }
}

/// Whether `If-Modified-Since` says that the reader has what was stored at `stored_at`. Whole seconds, as HTTP has it.
pub(crate) fn not_modified_since(headers: &HeaderMap, stored_at: UnixMillis) -> bool {
    date(headers, header::IF_MODIFIED_SINCE).is_some_and(|since| stored_at.0 / 1000 <= since)
}

/// Whether what was stored at `stored_at` is newer than `If-Unmodified-Since` allows. A date that is none is ignored.
pub(crate) fn modified_since(headers: &HeaderMap, stored_at: UnixMillis) -> bool {
    date(headers, header::IF_UNMODIFIED_SINCE).is_some_and(|since| stored_at.0 / 1000 > since)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"000000000000000000000000000000ff\"";

    fn one(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn ranges() {
        for (text, want) in [
            ("bytes=0-9", Some(ByteRange::FromTo(0, 9))),
            ("BYTES=5-", Some(ByteRange::From(5))),
            ("bytes=-7", Some(ByteRange::Last(7))),
            ("bytes= 1 - 2 ", Some(ByteRange::FromTo(1, 2))),
            ("bytes=0-99999999999999999999", Some(ByteRange::FromTo(0, u64::MAX))),
            ("bytes=0-1,3-4", None),
            ("bytes=2-1", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-2", None),
            ("bytes", None),
            ("items=0-1", None),
        ] {
            assert_eq!(range(&one(header::RANGE, text)), want, "{text}");
        }
    }

    #[test]
    fn tags_of_reads() {
        let digests =
            |text: &str, weak| Tags::read(&one(header::IF_NONE_MATCH, text), header::IF_NONE_MATCH, weak);
        let ours = Digest(255);
        assert_eq!(digests(&format!("\"x\", W/{TAG}"), true).digests, [ours]);
        assert!(digests(&format!("W/{TAG}"), false).digests.is_empty());
        assert!(digests("*", true).any);
        let many = vec![TAG; TAGS_MAX + 1].join(",");
        assert_eq!(digests(&many, true).digests.len(), TAGS_MAX);
        assert_eq!(if_range(&HeaderMap::new()), IfRange::Absent);
        assert_eq!(if_range(&one(header::IF_RANGE, TAG)), IfRange::Digest(ours));
        for never in ["Mon, 24 Nov 2025 00:00:00 GMT", "W/\"x\"", "\"x\"", &format!("W/{TAG}")] {
            assert_eq!(if_range(&one(header::IF_RANGE, never)), IfRange::Never, "{never}");
        }
    }

    #[test]
    fn preconditions_of_puts() {
        let code = |name, value: &str| of_put(&one(name, value)).map_err(|p| p.code.code());
        assert_eq!(of_put(&HeaderMap::new()).unwrap(), Preconditions::default());
        assert!(code(header::IF_NONE_MATCH, "*").unwrap().if_absent);
        assert!(code(header::IF_MATCH, "*").unwrap().if_present);
        assert_eq!(code(header::IF_MATCH, TAG).unwrap().if_match, [Digest(255)]);
        assert_eq!(code(header::IF_NONE_MATCH, TAG), Err("invalid_header"));
        assert_eq!(code(header::IF_MATCH, "\"theirs\""), Err("precondition_failed"));
        assert_eq!(code(header::IF_MATCH, &format!("W/{TAG}")), Err("precondition_failed"));
    }

    #[test]
    fn modification_times_are_whole_seconds() {
        let since = one(header::IF_MODIFIED_SINCE, "Thu, 01 Jan 1970 00:00:10 GMT");
        assert!(not_modified_since(&since, UnixMillis(10_999)));
        assert!(!not_modified_since(&since, UnixMillis(11_000)));
        assert!(!not_modified_since(&one(header::IF_MODIFIED_SINCE, "never"), UnixMillis(0)));
        let since = one(header::IF_UNMODIFIED_SINCE, "Thu, 01 Jan 1970 00:00:10 GMT");
        assert!(!modified_since(&since, UnixMillis(10_999)) && modified_since(&since, UnixMillis(11_000)));
        assert!(!modified_since(&one(header::IF_UNMODIFIED_SINCE, "never"), UnixMillis(u64::MAX)));
        assert!(of_put(&since).is_err());
    }
}
