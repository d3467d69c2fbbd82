//! Finds out whether a header block is under way on an HTTP/2 connection (RFC 9113 section 4).

const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// A scanner over the frames that a peer sends, fed as bytes arrive. The frames themselves the protocol checks.
#[derive(Debug)]
pub(super) struct FrameScan {
    /// Bytes of the preface to come.
    preface_left: usize,
    header: [u8; FRAME_HEADER_BYTES],
    /// So much of `header` is there.
    header_bytes: usize,
    /// Bytes of the frame's payload to come.
    payload_left: usize,
    open: bool,
    begun: u64,
}

impl FrameScan {
    /// Of a connection whose preface is the first that comes.
    pub(super) fn new() -> Self {
        Self {
            preface_left: PREFACE_BYTES,
            header: [0; FRAME_HEADER_BYTES],
            header_bytes: 0,
            payload_left: 0,
            open: true,
            begun: 0,
        }
    }

    /// Whether a header block has begun and not ended. So it is until the first frame has come, which is the rest of the
    /// preface (section 3.4).
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Header blocks so far.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        bytes = skip(&mut self.preface_left, bytes);
        while !bytes.is_empty() {
            if self.header_bytes < FRAME_HEADER_BYTES {
                self.header[self.header_bytes] = bytes[0];
                self.header_bytes += 1;
                bytes = &bytes[1..];
                if self.header_bytes < FRAME_HEADER_BYTES {
                    continue;
                }
                self.begin_frame();
            }
            bytes = skip(&mut self.payload_left, bytes);
            if self.payload_left == 0 {
                self.end_frame();
            }
        }
    }

    fn begin_frame(&mut self) {
        let [high, middle, low, kind, ..] = self.header;
        self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
        if kind == HEADERS {
            self.open = true;
            self.begun += 1;
        }
    }

    fn end_frame(&mut self) {
        self.header_bytes = 0;
        let [_, _, _, kind, flags, ..] = self.header;
        let carries_headers = matches!(kind, HEADERS | CONTINUATION);
        // Of others only the first ends what is open: within a block none may come.
        if !carries_headers || flags & END_HEADERS != 0 {
            self.open = false;
        }
    }
}

/// What is behind those of `bytes` that are `left`.
fn skip<'a>(left: &mut usize, bytes: &'a [u8]) -> &'a [u8] {
    let (skipped, rest) = bytes.split_at((*left).min(bytes.len()));
    *left -= skipped.len();
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let header = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&header[..], &vec![7; payload]].concat()
    }

    #[test]
    fn a_block_is_open_from_its_frame_to_the_end_of_the_last() {
        let preface = vec![b'P'; PREFACE_BYTES];
        let steps = [
            (preface, true, 0),
            (frame(4, 0, 6), false, 0),
            (frame(HEADERS, END_HEADERS, 300), false, 1),
            (frame(0, END_HEADERS, 70_000), false, 1),
            (frame(HEADERS, 0, 0), true, 2),
            (frame(CONTINUATION, 0, 5), true, 2),
            (frame(CONTINUATION, END_HEADERS, 5), false, 2),
            (frame(HEADERS, 1, 5), true, 3),
            (frame(6, 0, 8), false, 3),
        ];
        for piece in [1, 7, 100_000] {
            let mut scan = FrameScan::new();
            for (bytes, open, begun) in &steps {
                bytes.chunks(piece).for_each(|piece| scan.feed(piece));
                assert_eq!((scan.is_open(), scan.begun()), (*open, *begun), "in pieces of {piece}");
            }
        }
        let mut scan = FrameScan::new();
        scan.feed(&[0; PREFACE_BYTES + FRAME_HEADER_BYTES]);
        let headers = frame(HEADERS, END_HEADERS, 5);
        scan.feed(&headers[..FRAME_HEADER_BYTES - 1]);
        assert!(!scan.is_open(), "not known yet");
        scan.feed(&headers[FRAME_HEADER_BYTES - 1..headers.len() - 1]);
        assert!(scan.is_open(), "a byte is missing");
        scan.feed(&headers[headers.len() - 1..]);
        assert!(!scan.is_open());
    }
}
