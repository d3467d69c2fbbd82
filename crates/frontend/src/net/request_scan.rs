//! Cuts the input of an HTTP/1 connection into header blocks and bodies.

use super::{
    body_scan::{self, BodyScan},
    head_scan::{self, HeadScan},
};

/// What some bytes of a connection hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// All belong to the header block or body that is being read.
    More,
    /// That ends after this many of them.
    End(usize),
    /// They are refused.
    Refused,
}

/// A scanner over the requests of a connection, one header block or body at a time.
#[derive(Debug, Default)]
pub(super) struct RequestScan {
    head: HeadScan,
    /// The body that is being read, behind its header block.
    body: Option<BodyScan>,
}

impl RequestScan {
    /// Whether the next byte belongs to a header block.
    pub(super) fn is_in_head(&self) -> bool {
        self.body.is_none()
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Scanned {
        let Some(body) = &mut self.body else {
            return match self.head.feed(bytes) {
                head_scan::Scanned::More => Scanned::More,
                head_scan::Scanned::End(at, framing) => {
                    self.body = BodyScan::of(framing);
                    Scanned::End(at)
                }
                head_scan::Scanned::Refused => Scanned::Refused,
            };
        };
        match body.feed(bytes) {
            body_scan::Scanned::More => Scanned::More,
            body_scan::Scanned::End(at) => {
                self.body = None;
                Scanned::End(at)
            }
            body_scan::Scanned::Refused => Scanned::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_cut_where_their_heads_and_bodies_end() {
        let parts = [
            "PUT /a HTTP/1.1\r\ncontent-length: 3\r\n\r\n",
            "abc",
            "PUT /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
            "1\r\nx\r\n0\r\n\r\n",
            "PUT /c HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
            "GET /d HTTP/1.1\r\n\r\n",
        ];
        let all = parts.concat();
        let mut rest = all.as_bytes();
        let mut scan = RequestScan::default();
        for (part, in_head) in parts.into_iter().zip([true, false, true, false, true, true]) {
            assert_eq!(scan.is_in_head(), in_head, "{part}");
            assert_eq!(scan.feed(rest), Scanned::End(part.len()), "{part}");
            rest = &rest[part.len()..];
        }
        assert_eq!(scan.feed(b"GET /e HTTP/1.1\n"), Scanned::Refused);
    }
}
