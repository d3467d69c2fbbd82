//! Bodies: lists of chunks that readers can follow while a writer still appends.
//!
//! A body is never copied on its way: readers share the writer's `Bytes`. Nothing here needs a runtime; a waiting
//! reader is woken through its task's waker.

use bytes::Bytes;
use futures_core::Stream;
use std::{
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::limits::CHUNK_BYTES;

/// Pieces of a body that are smaller than this on average are copied together.
const PIECE_BYTES_MIN: usize = 4 * 1024;

/// A complete body: chunks in order. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Chunks {
    chunks: Arc<[Bytes]>,
    len: u64,
}

impl Chunks {
    /// From pieces, as they are.
    pub fn new(pieces: Vec<Bytes>) -> Self {
        let len = pieces.iter().map(|c| c.len() as u64).sum();
        Self { chunks: pieces.into(), len }
    }

    /// From pieces, copied together only where they are tiny: less than 4 KiB on average. Pieces are
    /// parts of shared chunks, so copying them costs memory wherever somebody else keeps the chunk.
    pub fn compact(pieces: Vec<Bytes>) -> Self {
        let len: usize = pieces.iter().map(Bytes::len).sum();
        if pieces.len() <= len / PIECE_BYTES_MIN + 2 {
            return Self::new(pieces);
        }
        let mut chunks = Vec::with_capacity(len.div_ceil(CHUNK_BYTES));
        let mut left = len;
        let mut chunk = Vec::with_capacity(left.min(CHUNK_BYTES));
        for mut piece in pieces {
            while !piece.is_empty() {
                let part = piece.split_to(piece.len().min(CHUNK_BYTES - chunk.len()));
                chunk.extend_from_slice(&part);
                if chunk.len() == CHUNK_BYTES {
                    left -= CHUNK_BYTES;
                    let full = std::mem::replace(&mut chunk, Vec::with_capacity(left.min(CHUNK_BYTES)));
                    chunks.push(Bytes::from(full));
                }
            }
        }
        if !chunk.is_empty() {
            chunks.push(Bytes::from(chunk));
        }
        Self::new(chunks)
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunks in order.
    pub fn as_slice(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The part of the body in `range`, which must lie within it; shares the bytes.
    pub fn slice(&self, range: Range<u64>) -> Self {
        if range == (0..self.len) {
            return self.clone();
        }
        let mut pieces = Vec::new();
        let mut at = 0u64;
        for chunk in self.chunks.iter() {
            let end = at + chunk.len() as u64;
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                pieces.push(chunk.slice((from - at) as usize..(to - at) as usize));
            }
            at = end;
        }
        Self::new(pieces)
    }

    /// All bytes in one piece; copies where there is more than one chunk.
    pub fn to_bytes(&self) -> Bytes {
        match self.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }
}

/// The writer gave up: what a reader has is not the whole body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body was cut before its end")]
pub struct BodyCut;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Complete,
    Cut,
}

#[derive(Debug)]
struct Inner {
    pieces: Vec<Bytes>,
    len: u64,
    state: State,
    /// Of readers that wait for the next change.
    wakers: Vec<Waker>,
    /// How often `wakers` were woken: what readers know of their place in it is of one round.
    round: u64,
}

#[derive(Debug)]
struct Shared(Mutex<Inner>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the body and wakes every waiting reader, outside of the lock.
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let wakers = {
            let mut inner = self.lock();
            change(&mut inner);
            inner.round += 1;
            std::mem::take(&mut inner.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The writing end of a body. Dropped before [`BodyWriter::complete`], it cuts its readers.
#[derive(Debug)]
pub struct BodyWriter(Arc<Shared>);

impl Default for BodyWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl BodyWriter {
    /// An empty, open body.
    pub fn new() -> Self {
        let inner = Inner { pieces: Vec::new(), len: 0, state: State::Open, wakers: Vec::new(), round: 0 };
        Self(Arc::new(Shared(Mutex::new(inner))))
    }

    /// Appends a piece; empty ones are ignored, as is everything after the end.
    pub fn push(&self, piece: Bytes) {
        if !piece.is_empty() {
            self.0.change(|inner| {
                if inner.state == State::Open {
                    inner.len += piece.len() as u64;
                    inner.pieces.push(piece);
                }
            });
        }
    }

    /// Ends the body well: readers see its clean end. Not taken back by anything later.
    pub fn complete(&self) {
        drop(self.end(State::Complete));
    }

    /// Cuts the body: readers get [`BodyCut`], at once, even if they have not read all that is there. Its memory is freed,
    /// whoever still holds a reader.
    pub fn cut(&self) {
        drop(self.end(State::Cut));
    }

    /// Ends the body, unless it has ended; what nobody can read any more is to be dropped outside of the lock.
    fn end(&self, state: State) -> Vec<Bytes> {
        let mut unread = Vec::new();
        self.0.change(|inner| {
            if inner.state == State::Open {
                inner.state = state;
                if state == State::Cut {
                    unread = std::mem::take(&mut inner.pieces);
                }
            }
        });
        unread
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.0.lock().len
    }

    /// Whether nothing has been appended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has been appended so far.
    pub fn pieces(&self) -> Vec<Bytes> {
        self.0.lock().pieces.clone()
    }

    /// A reader from the first byte on.
    pub fn reader(&self) -> BodyReader {
        BodyReader { shared: self.0.clone(), next: 0, waits: None }
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        self.cut();
    }
}

/// A reader of a body that may still be arriving. Each clone goes on from where it was cloned.
#[derive(Debug)]
pub struct BodyReader {
    shared: Arc<Shared>,
    next: usize,
    /// The round in which this reader waits, and its place among the wakers.
    waits: Option<(u64, usize)>,
}

impl Clone for BodyReader {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), next: self.next, waits: None }
    }
}

impl BodyReader {
    /// The next piece, `None` at the clean end, [`BodyCut`] if the writer gave up.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyCut>>> {
        let mut inner = self.shared.lock();
        if inner.state == State::Cut {
            return Poll::Ready(Some(Err(BodyCut)));
        }
        if let Some(piece) = inner.pieces.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(piece.clone())));
        }
        if inner.state == State::Complete {
            return Poll::Ready(None);
        }
        match self.waits {
            Some((round, place)) if round == inner.round => inner.wakers[place].clone_from(cx.waker()),
            _ => {
                self.waits = Some((inner.round, inner.wakers.len()));
                inner.wakers.push(cx.waker().clone());
            }
        }
        Poll::Pending
    }
}

impl BodyReader {
    /// Passes over pieces that are there, as long as they lie within the next `bytes` bytes. Returns how many bytes were
    /// passed over.
    pub fn skip_up_to(&mut self, bytes: u64) -> u64 {
        let inner = self.shared.lock();
        let mut skipped = 0;
        while let Some(piece) = inner.pieces.get(self.next) {
            let len = piece.len() as u64;
            if skipped + len > bytes {
                break;
            }
            skipped += len;
            self.next += 1;
        }
        skipped
    }
}

impl Stream for BodyReader {
    type Item = Result<Bytes, BodyCut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_piece(cx)
    }
}

mod range_reader;
#[cfg(test)]
mod tests;

pub use range_reader::RangeReader;
