//! The answer to a GET on its way out: each chunk is a DATA frame of its own that shares the bytes of the body.

use bytes::{Bytes, BytesMut};
use futures_core::stream::BoxStream;
use headwater_types::Chunks;
use http::HeaderMap;
use http_body::{Body, Frame};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::Status;

use super::{
    framing::{put_chunk_framing, put_message},
    piece::next_chunk,
};
use crate::{
    convert::read::GetHeader,
    error::StorageError,
    storage::ObjectBody,
    v1::{GetMessage, get_message::Message},
};

enum Pieces {
    Memory { chunks: Chunks, next: usize },
    Stream(BoxStream<'static, Result<Bytes, StorageError>>),
    Over,
}

/// The header, the chunks, and the status as trailers.
pub(super) struct GetBody {
    /// What comes before the chunk: messages without bytes of the body, then the framing of the chunk.
    before: BytesMut,
    /// A chunk whose framing is in `before`, or has been sent.
    chunk: Option<Bytes>,
    /// What was cut off for being more than one chunk may have.
    rest: Bytes,
    pieces: Pieces,
    /// What cut the body.
    error: Option<StorageError>,
    has_ended: bool,
}

impl GetBody {
    /// An answer with the bytes of `body`, if it is one that has any.
    pub(super) fn new(header: GetHeader, body: Option<ObjectBody>) -> Self {
        let mut before = BytesMut::new();
        put_message(&mut before, &GetMessage { message: Some(Message::Header(header.into())) });
        let pieces = match body {
            Some(ObjectBody::Memory(chunks)) => Pieces::Memory { chunks, next: 0 },
            Some(ObjectBody::Stream(pieces)) => Pieces::Stream(pieces),
            None => Pieces::Over,
        };
        Self { before, chunk: None, rest: Bytes::new(), pieces, error: None, has_ended: false }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(chunk) = next_chunk(&mut self.rest) {
                return Poll::Ready(Some(chunk));
            }
            let piece = match &mut self.pieces {
                Pieces::Memory { chunks, next } => {
                    let piece = chunks.as_slice().get(*next).cloned();
                    *next += 1;
                    piece.map(Ok)
                }
                Pieces::Stream(pieces) => ready!(pieces.as_mut().poll_next(cx)),
                Pieces::Over => None,
            };
            match piece {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => {
                    self.error = Some(error);
                    self.pieces = Pieces::Over;
                }
                None => {
                    self.pieces = Pieces::Over;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn trailers(&mut self) -> Result<HeaderMap, Status> {
        let status = self.error.take().map_or_else(|| Status::ok(""), Status::from);
        let mut trailers = HeaderMap::with_capacity(3);
        status.add_header(&mut trailers)?;
        Ok(trailers)
    }
}

impl Body for GetBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        // The framing of a chunk is sent as soon as there is a chunk, so a chunk that waits here is the next frame.
        if let Some(chunk) = this.chunk.take() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match this.poll_chunk(cx) {
            Poll::Ready(Some(chunk)) => {
                put_chunk_framing(&mut this.before, chunk.len());
                this.chunk = Some(chunk);
            }
            Poll::Ready(None) if this.before.is_empty() => {
                this.has_ended = true;
                return Poll::Ready(Some(this.trailers().map(Frame::trailers)));
            }
            Poll::Pending if this.before.is_empty() => return Poll::Pending,
            // The header does not wait for the first chunk.
            Poll::Ready(None) | Poll::Pending => {}
        }
        Poll::Ready(Some(Ok(Frame::data(this.before.split().freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests;
