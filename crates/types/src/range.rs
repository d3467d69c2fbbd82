//! Byte ranges (RFC 9110 section 14).

use std::ops::Range;

/// One requested byte range, before the object's size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=a-b`, both included.
    FromTo(u64, u64),
    /// `bytes=a-`.
    From(u64),
    /// `bytes=-n`: the last n bytes.
    Last(u64),
}

impl ByteRange {
    /// The bytes it selects of `size`, or `None` if it is unsatisfiable.
    pub fn resolve(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::FromTo(first, last) => first..last.saturating_add(1).min(size),
            Self::From(first) => first..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolution_follows_rfc_9110() {
        let size = 10;
        for (range, want) in [
            (ByteRange::FromTo(0, 0), Some(0..1)),
            (ByteRange::FromTo(0, 9), Some(0..10)),
            (ByteRange::FromTo(0, 10), Some(0..10)),
            (ByteRange::FromTo(9, u64::MAX), Some(9..10)),
            (ByteRange::FromTo(10, 11), None),
            (ByteRange::FromTo(5, 4), None),
            (ByteRange::From(9), Some(9..10)),
            (ByteRange::From(10), None),
            (ByteRange::Last(1), Some(9..10)),
            (ByteRange::Last(10), Some(0..10)),
            (ByteRange::Last(11), Some(0..10)),
            (ByteRange::Last(0), None),
        ] {
            assert_eq!(range.resolve(size), want, "{range:?}");
        }
        assert_eq!(ByteRange::Last(5).resolve(0), None);
    }
}
