//! A response body that keeps its request in flight until it is written or given up.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{activity::InFlight, stream_tasks::Reader};

/// The body as hyper gets it.
#[derive(Debug)]
pub(super) struct ResponseBody<B> {
    inner: B,
    request: InFlight,
    /// Over HTTP/2. Over HTTP/1 it is the connection that stalls.
    reader: Option<Arc<Reader>>,
}

impl<B> ResponseBody<B> {
    pub(super) fn new(inner: B, request: InFlight) -> Self {
        Self { inner, request, reader: Reader::of_this_stream() }
    }
}

impl<B> http_body::Body for ResponseBody<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Some(reader) = &this.reader {
            // Also behind the last bytes: they wait for the reader's window before the stream ends.
            match &polled {
                Poll::Ready(Some(Ok(_))) => reader.is_next(this.request.now()),
                _ => reader.is_not_next(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
