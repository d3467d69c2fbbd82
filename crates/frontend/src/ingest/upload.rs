//! A body that is kept until its PUT is answered, so that every attempt at the write can send it from its first byte.

use bytes::Bytes;
use futures_core::Stream;
use headwater_proto::{BodyEnd, BodyPiece, BodyPieces};
use headwater_types::{BodyReader, BodyShare, BodyWriter, BudgetFull};
use parking_lot::Mutex;
use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::sync::watch;

use crate::config::UPLOAD_OVERHEAD_BYTES;

/// How far a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It arrives.
    Open,
    /// It was complete and right at this time of the monotonic clock.
    Complete(Duration),
    /// It will never be complete: nothing of it may be stored.
    Cut,
}

/// A kept body, and its share of the ingest budget.
#[derive(Debug)]
pub(crate) struct Upload {
    writer: BodyWriter,
    end: Arc<OnceLock<BodyEnd>>,
    progress: watch::Sender<Progress>,
    share: Mutex<BodyShare>,
}

impl Upload {
    /// An empty body.
    pub fn new(share: BodyShare) -> Arc<Self> {
        Arc::new(Self {
            writer: BodyWriter::new(),
            end: Arc::default(),
            progress: watch::Sender::new(Progress::Open),
            share: Mutex::new(share),
        })
    }

    /// Appends a piece: every attempt sees it at once.
    pub fn push(&self, piece: Bytes) {
        self.writer.push(piece);
    }

    /// Reserves `bytes` before they arrive. On an error there is no room, and the upload must be given up.
    pub fn poll_cover(&self, bytes: u64, cx: &mut Context<'_>) -> Poll<Result<(), BudgetFull>> {
        self.share.lock().poll_cover(bytes + UPLOAD_OVERHEAD_BYTES, cx)
    }

    /// The same for a body that is never refused, since its length was reserved.
    pub fn cover_anyway(&self, bytes: u64) {
        self.share.lock().cover_anyway(bytes + UPLOAD_OVERHEAD_BYTES);
    }

    /// Ready once it must be given up, because an older one needs room.
    pub fn poll_refused(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.share.lock().poll_refused(cx)
    }

    /// Ends it well. `held` bytes are kept for it from now on.
    pub fn complete(&self, end: BodyEnd, held: u64, now: Duration) {
        self.share.lock().settle(held + UPLOAD_OVERHEAD_BYTES);
        if self.end.set(end).is_ok() {
            self.writer.complete();
            self.progress.send_replace(Progress::Complete(now));
        }
    }

    /// Gives it up, unless it is complete.
    pub fn cut(&self) {
        self.share.lock().stop_waiting();
        if self.end.get().is_none() {
            self.writer.cut();
            self.progress.send_replace(Progress::Cut);
        }
    }

    /// Follows how far it is.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// The whole body for one attempt, from its first byte.
    pub fn pieces(&self) -> BodyPieces {
        Box::pin(Pieces { reader: self.writer.reader(), end: self.end.clone(), ended: false })
    }
}

/// One attempt's view of a body.
struct Pieces {
    reader: BodyReader,
    end: Arc<OnceLock<BodyEnd>>,
    ended: bool,
}

impl Stream for Pieces {
    type Item = BodyPiece;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BodyPiece>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.reader.poll_piece(cx)) {
            Some(Ok(piece)) => Some(BodyPiece::Chunk(piece)),
            Some(Err(_cut)) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                self.end.get().copied().map(BodyPiece::End)
            }
        })
    }
}
