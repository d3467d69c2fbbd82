//! A part of a body that is still arriving.

use bytes::Bytes;
use futures_core::Stream;
use std::{
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{BodyCut, BodyReader};

/// The bytes of a range of a body as they arrive. Ends behind the last of them, whatever becomes of the upload, or where
/// the body itself ends. An error: the writer gave up before.
#[derive(Debug)]
pub struct RangeReader {
    reader: BodyReader,
    /// Bytes before the range that are still to come.
    skip: u64,
    /// Bytes of the range that are still to come.
    left: u64,
}

impl RangeReader {
    /// Counts from where `reader` stands, which is the first byte for one that has not read.
    pub fn new(reader: BodyReader, range: Range<u64>) -> Self {
        Self { reader, skip: range.start, left: range.end.saturating_sub(range.start) }
    }
}

impl Stream for RangeReader {
    type Item = Result<Bytes, BodyCut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while this.left > 0 {
            if this.skip > 0 {
                this.skip -= this.reader.skip_up_to(this.skip);
            }
            let piece = match ready!(this.reader.poll_piece(cx)) {
                None => return Poll::Ready(None),
                Some(Err(BodyCut)) => return Poll::Ready(Some(Err(BodyCut))),
                Some(Ok(piece)) => piece,
            };
            let len = piece.len() as u64;
            let from = this.skip.min(len);
            let to = len.min(from.saturating_add(this.left));
            this.skip -= from;
            this.left -= to - from;
            if from < to {
                return Poll::Ready(Some(Ok(piece.slice(from as usize..to as usize))));
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BodyWriter;
    use std::task::Waker;

    /// What can be read of a range by now.
    fn read(ranged: &mut RangeReader) -> (String, Option<Option<BodyCut>>) {
        let mut bytes = Vec::new();
        let end = loop {
            match Pin::new(&mut *ranged).poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => break None,
                Poll::Ready(None) => break Some(None),
                Poll::Ready(Some(Ok(piece))) => bytes.extend_from_slice(&piece),
                Poll::Ready(Some(Err(cut))) => break Some(Some(cut)),
            }
        };
        (String::from_utf8(bytes).unwrap(), end)
    }

    #[test]
    fn a_range_is_given_as_it_arrives_and_ends_behind_its_last_byte() {
        for (range, first, second) in [
            (0..1, ("0", true), ("", true)),
            (0..3, ("012", true), ("", true)),
            (2..4, ("2", false), ("3", true)),
            (3..5, ("", false), ("34", true)),
            (1..6, ("12", false), ("345", true)),
            (4..7, ("", false), ("45", false)),
            (6..8, ("", false), ("", false)),
        ] {
            let writer = BodyWriter::new();
            let mut ranged = RangeReader::new(writer.reader(), range.clone());
            writer.push(Bytes::from_static(b"0"));
            writer.push(Bytes::from_static(b"12"));
            let ended = |ended: bool| ended.then_some(None);
            assert_eq!(read(&mut ranged), (first.0.into(), ended(first.1)), "{range:?}");
            writer.push(Bytes::from_static(b"345"));
            assert_eq!(read(&mut ranged), (second.0.into(), ended(second.1)), "{range:?}");
            writer.complete();
            assert_eq!(read(&mut ranged), (String::new(), Some(None)), "the body ends: {range:?}");
        }
    }

    #[test]
    fn an_upload_that_fails_cuts_what_is_not_given_yet() {
        let writer = BodyWriter::new();
        writer.push(Bytes::from_static(b"0123"));
        let (mut given, mut open) =
            (RangeReader::new(writer.reader(), 0..4), RangeReader::new(writer.reader(), 0..5));
        assert_eq!(read(&mut given), ("0123".into(), Some(None)));
        assert_eq!(read(&mut open), ("0123".into(), None));
        drop(writer);
        assert_eq!(read(&mut given), (String::new(), Some(None)));
        assert_eq!(read(&mut open), (String::new(), Some(Some(BodyCut))));
    }
}
