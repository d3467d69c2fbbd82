//! Finds where a request's header block ends, and lines that end without a CR.

/// What some bytes of a header block hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// All belong to it.
    More,
    /// It ends after this many of them.
    End(usize),
    /// A line ends with a bare LF.
    BareLf,
}

/// A scanner over the header blocks of a connection, fed as bytes arrive.
///
/// The parser takes a bare LF for the end of a line, as RFC 9112 section 2.2 permits. A proxy in front of us need not:
/// what is one header's value to it would be two requests to us. So bare LF is refused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HeadScan {
    /// The last byte was a CR.
    after_cr: bool,
    /// Bytes of the current line so far, a CR included.
    line_bytes: usize,
    /// The request line is past. Empty lines before it are skipped, as the parser does.
    in_fields: bool,
}

impl HeadScan {
    /// Looks at the next bytes. After `End` it stands at the begin of the next header block.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Scanned {
        let mut line_start = 0;
        for at in memchr::memchr_iter(b'\n', bytes) {
            self.take_line(&bytes[line_start..at]);
            line_start = at + 1;
            if !self.after_cr {
                return Scanned::BareLf;
            }
            let is_empty_line = self.line_bytes == 1;
            if is_empty_line && self.in_fields {
                *self = Self::default();
                return Scanned::End(at + 1);
            }
            self.in_fields |= !is_empty_line;
            self.after_cr = false;
            self.line_bytes = 0;
        }
        self.take_line(&bytes[line_start..]);
        Scanned::More
    }

    /// Bytes of the current line, its end not among them.
    fn take_line(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.after_cr = *last == b'\r';
        }
        self.line_bytes += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &[u8] = b"\r\nGET / HTTP/1.1\r\nhost: a\r\nx:\r\n\r\n";

    #[test]
    fn bare_lf_is_found_on_every_line() {
        for bad in ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\na: b\n", "GET / HTTP/1.1\r\na: b\r\n\n", "\n"] {
            assert_eq!(HeadScan::default().feed(bad.as_bytes()), Scanned::BareLf, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn the_end_is_found_wherever_the_bytes_are_cut(cut in 0..HEAD.len(), tail in ".{0,8}") {
            let mut scan = HeadScan::default();
            prop_assert_eq!(scan.feed(&HEAD[..cut]), Scanned::More);
            let mut rest = HEAD[cut..].to_vec();
            let end = rest.len();
            rest.extend_from_slice(tail.as_bytes());
            prop_assert_eq!(scan.feed(&rest), Scanned::End(end));
            prop_assert_eq!(scan.feed(HEAD), Scanned::End(HEAD.len()));
        }
    }
}
