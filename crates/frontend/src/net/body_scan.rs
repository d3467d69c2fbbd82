//! Finds where a request's body ends, so that the header block behind it is looked at as every other.

use super::head_scan::Framing;

/// CR and LF behind a chunk's data.
const CHUNK_END_BYTES: u64 = 2;

/// What some bytes of a body hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// All belong to it.
    More,
    /// It ends after this many of them.
    End(usize),
    /// Its chunks are malformed.
    Refused,
}

/// A scanner over one body, fed as bytes arrive. It finds the end that the parser finds; what else may be wrong with
/// the chunks, the parser refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BodyScan {
    /// So many bytes are left, of a body that has a length.
    Length(u64),
    /// In the line with a chunk's size (RFC 9112 section 7.1).
    Size {
        /// By the digits so far.
        size: u64,
        /// What follows is an extension.
        past_digits: bool,
    },
    /// So many bytes are left of a chunk and its end.
    Data(u64),
    /// In a line of the trailers.
    Trailer {
        /// Bytes of the line so far.
        line_bytes: usize,
        /// The last byte was a CR.
        after_cr: bool,
    },
}

impl BodyScan {
    /// Of a body that is framed so; `None` if there are no bytes of it.
    pub(super) fn of(framing: Framing) -> Option<Self> {
        match framing {
            Framing::None | Framing::Length(0) => None,
            Framing::Length(bytes) => Some(Self::Length(bytes)),
            Framing::Chunked => Some(Self::Size { size: 0, past_digits: false }),
        }
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Scanned {
        let mut at = 0;
        while at < bytes.len() {
            match self {
                Self::Length(left) => {
                    at += skip(left, &bytes[at..]);
                    if *left == 0 {
                        return Scanned::End(at);
                    }
                    continue;
                }
                Self::Data(left) => {
                    at += skip(left, &bytes[at..]);
                    if *left == 0 {
                        *self = Self::Size { size: 0, past_digits: false };
                    }
                    continue;
                }
                _ => {}
            }
            let byte = bytes[at];
            at += 1;
            match self.take_byte(byte) {
                Scanned::More => {}
                Scanned::End(_) => return Scanned::End(at),
                Scanned::Refused => return Scanned::Refused,
            }
        }
        Scanned::More
    }

    /// A byte between the data of two chunks.
    fn take_byte(&mut self, byte: u8) -> Scanned {
        match self {
            Self::Size { size: 0, .. } if byte == b'\n' => {
                *self = Self::Trailer { line_bytes: 0, after_cr: false };
            }
            Self::Size { size, .. } if byte == b'\n' => match size.checked_add(CHUNK_END_BYTES) {
                Some(left) => *self = Self::Data(left),
                None => return Scanned::Refused,
            },
            Self::Size { size, past_digits: past_digits @ false } => match char::from(byte).to_digit(16) {
                Some(digit) => match size.checked_mul(16) {
                    Some(shifted) => *size = shifted | u64::from(digit),
                    None => return Scanned::Refused,
                },
                None => *past_digits = true,
            },
            Self::Trailer { after_cr: false, .. } if byte == b'\n' => return Scanned::Refused,
            Self::Trailer { line_bytes: 1, .. } if byte == b'\n' => return Scanned::End(0),
            Self::Trailer { .. } if byte == b'\n' => {
                *self = Self::Trailer { line_bytes: 0, after_cr: false };
            }
            Self::Trailer { line_bytes, after_cr } => {
                *line_bytes += 1;
                *after_cr = byte == b'\r';
            }
            Self::Size { .. } | Self::Length(_) | Self::Data(_) => {}
        }
        Scanned::More
    }
}

/// Takes as many of `bytes` as are `left`.
fn skip(left: &mut u64, bytes: &[u8]) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= taken as u64;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHUNKS: &[u8] =
        b"3;x=\"y\"\r\nabc\r\n00013 \r\n0\r\n\r\nGET / HTTP/1.1\r\n0\r\nX: y\r\nTrailer: z\r\n\r\n";

    fn chunked() -> BodyScan {
        BodyScan::of(Framing::Chunked).unwrap()
    }

    #[test]
    fn a_length_is_counted() {
        assert_eq!(BodyScan::of(Framing::None), None);
        assert_eq!(BodyScan::of(Framing::Length(0)), None);
        let mut scan = BodyScan::of(Framing::Length(5)).unwrap();
        assert_eq!(scan.feed(b""), Scanned::More);
        assert_eq!(scan.feed(b"abcd"), Scanned::More);
        assert_eq!(scan.feed(b"eGET"), Scanned::End(1));
        assert_eq!(BodyScan::of(Framing::Length(5)).unwrap().feed(b"abcde"), Scanned::End(5));
    }

    #[test]
    fn malformed_chunks_are_refused_or_left_to_the_parser() {
        for (chunks, scanned) in [
            ("0\r\n\r\n", Scanned::End(5)),
            ("0\r\nX: y\n\r\n", Scanned::Refused),
            ("0\r\n\n", Scanned::Refused),
            ("fffffffffffffffd\r\n", Scanned::More),
            ("fffffffffffffffe\r\n", Scanned::Refused),
            ("ffffffffffffffff\r\n", Scanned::Refused),
            ("10000000000000000\r\n", Scanned::Refused),
        ] {
            assert_eq!(chunked().feed(chunks.as_bytes()), scanned, "{chunks:?}");
        }
    }

    proptest! {
        #[test]
        fn the_end_is_found_wherever_the_chunks_are_cut(cut in 0..CHUNKS.len(), tail in ".{0,8}") {
            let mut scan = chunked();
            prop_assert_eq!(scan.feed(&CHUNKS[..cut]), Scanned::More);
            let mut rest = CHUNKS[cut..].to_vec();
            let end = rest.len();
            rest.extend_from_slice(tail.as_bytes());
            prop_assert_eq!(scan.feed(&rest), Scanned::End(end));
        }
    }
}
