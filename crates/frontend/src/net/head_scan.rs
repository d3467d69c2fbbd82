//! Finds where a request's header block ends and how its body is framed, and refuses what others may read differently.

/// How the body behind a header block is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Framing {
    /// There is none.
    #[default]
    None,
    /// It has so many bytes.
    Length(u64),
    /// In chunks, with both headers too (RFC 9112 section 6.3).
    Chunked,
}

/// What some bytes of a header block hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// All belong to it.
    More,
    /// It ends after this many of them, and so goes the body on.
    End(usize, Framing),
    /// A line ends with a bare LF, the target has a fragment, or the length is no number.
    Refused,
}

/// What is kept of a field's line that is cut between two reads: enough for those that frame a body.
const LINE_KEPT_BYTES: usize = 128;

/// A scanner over the header blocks of a connection, fed as bytes arrive.
///
/// The parser takes a bare LF for the end of a line, as RFC 9112 section 2.2 permits. A proxy in front of us need not:
/// what is one header's value to it would be two requests to us. So bare LF is refused. The parser also drops what
/// follows a `#` in the target, which would store an object under a part of its name; no target has one (RFC 9112
/// section 3.2).
#[derive(Debug, Clone, Default)]
pub(super) struct HeadScan {
    /// The last byte was a CR.
    after_cr: bool,
    /// Bytes of the current line so far, a CR included.
    line_bytes: usize,
    /// The begin of the current line, if it was in an earlier read.
    kept: Vec<u8>,
    /// The request line is past. Empty lines before it are skipped, as the parser does.
    in_fields: bool,
    framing: Framing,
}

impl HeadScan {
    /// Looks at the next bytes. After `End` it stands at the begin of the next header block.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Scanned {
        let mut line_start = 0;
        for at in memchr::memchr_iter(b'\n', bytes) {
            let piece = &bytes[line_start..at];
            line_start = at + 1;
            if !self.take_piece(piece) || !self.after_cr {
                return Scanned::Refused;
            }
            let is_empty_line = self.line_bytes == 1;
            if is_empty_line && self.in_fields {
                let framing = std::mem::take(self).framing;
                return Scanned::End(at + 1, framing);
            }
            if self.in_fields && !self.end_field(piece) {
                return Scanned::Refused;
            }
            self.in_fields |= !is_empty_line;
            self.after_cr = false;
            self.line_bytes = 0;
            self.kept.clear();
        }
        let piece = &bytes[line_start..];
        if !self.take_piece(piece) {
            return Scanned::Refused;
        }
        if self.in_fields {
            self.keep(piece);
        }
        Scanned::More
    }

    /// Bytes of the current line, its LF not among them. `false`: they are refused.
    fn take_piece(&mut self, bytes: &[u8]) -> bool {
        if let Some(last) = bytes.last() {
            self.after_cr = *last == b'\r';
        }
        self.line_bytes += bytes.len();
        self.in_fields || memchr::memchr(b'#', bytes).is_none()
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = LINE_KEPT_BYTES - self.kept.len();
        self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// A field's line ends with `piece`. `false`: it is refused.
    fn end_field(&mut self, piece: &[u8]) -> bool {
        if self.kept.is_empty() {
            return self.note_field(piece);
        }
        self.keep(piece);
        let line = std::mem::take(&mut self.kept);
        self.note_field(&line)
    }

    fn note_field(&mut self, line: &[u8]) -> bool {
        // Without a colon the parser refuses it.
        let Some(colon) = memchr::memchr(b':', line) else { return true };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // Whatever else it says is refused before a body is read.
            self.framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case(b"content-length") && self.framing != Framing::Chunked {
            let is_whole = line.len() == self.line_bytes;
            let Some(length) = length(value).filter(|_| is_whole) else { return false };
            self.framing = Framing::Length(length);
        }
        true
    }
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value.trim_ascii()).ok()?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &[u8] = b"\r\nPUT / HTTP/1.1\r\nhost: a#b\r\ncontent-LENGTH: \t47 \r\nx:\r\n\r\n";

    fn scanned(head: &str) -> Scanned {
        HeadScan::default().feed(head.as_bytes())
    }

    #[test]
    fn bare_lf_is_found_on_every_line() {
        for bad in ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\na: b\n", "GET / HTTP/1.1\r\na: b\r\n\n", "\n"] {
            assert_eq!(scanned(bad), Scanned::Refused, "{bad:?}");
        }
    }

    #[test]
    fn a_fragment_is_found_before_the_line_ends() {
        for bad in ["GET /a#b HTTP/1.1\r\n", "GET /a#", "\r\n#"] {
            assert_eq!(scanned(bad), Scanned::Refused, "{bad:?}");
        }
    }

    #[test]
    fn bodies_are_framed_as_the_headers_say() {
        for (fields, framing) in [
            ("", Framing::None),
            ("x-content-length: 3\r\n", Framing::None),
            ("content-length: 0\r\n", Framing::Length(0)),
            ("Content-Length:18446744073709551615\r\n", Framing::Length(u64::MAX)),
            ("transfer-encoding: chunked\r\n", Framing::Chunked),
            ("content-length: 3\r\ntransfer-encoding: chunked\r\n", Framing::Chunked),
            ("transfer-encoding: chunked\r\ncontent-length: x\r\n", Framing::Chunked),
        ] {
            let head = format!("PUT / HTTP/1.1\r\n{fields}\r\n");
            assert_eq!(scanned(&head), Scanned::End(head.len(), framing), "{fields}");
        }
        for value in ["", "x", "+3", "3, 3", "18446744073709551616"] {
            let head = format!("PUT / HTTP/1.1\r\ncontent-length: {value}\r\n\r\n");
            assert_eq!(scanned(&head), Scanned::Refused, "{value}");
        }
    }

    #[test]
    fn a_length_that_is_cut_between_reads_is_read_up_to_the_limit() {
        for (line_bytes, refused) in [(LINE_KEPT_BYTES, false), (LINE_KEPT_BYTES + 1, true)] {
            let (name, value) = ("content-length:", "3\r");
            let padding = " ".repeat(line_bytes - name.len() - value.len());
            let mut scan = HeadScan::default();
            assert_eq!(scan.feed(format!("PUT / HTTP/1.1\r\n{name}{padding}").as_bytes()), Scanned::More);
            let scanned = scan.feed(format!("{value}\n\r\n").as_bytes());
            assert_eq!(scanned == Scanned::Refused, refused, "{line_bytes}: {scanned:?}");
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
            prop_assert_eq!(scan.feed(&rest), Scanned::End(end, Framing::Length(47)));
            prop_assert_eq!(scan.feed(HEAD), Scanned::End(HEAD.len(), Framing::Length(47)));
        }
    }
}
