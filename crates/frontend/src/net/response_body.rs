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
    inner: Inner<B>,
    request: InFlight,
    /// Over HTTP/2. Over HTTP/1 it is the connection that stalls.
    reader: Option<Arc<Reader>>,
}

#[derive(Debug)]
enum Inner<B> {
    /// Of the connection's own refusals; `None` once sent.
    Refusal(Option<Bytes>),
    /// Of the handler.
    Answer(B),
}

impl<B> ResponseBody<B> {
    pub(super) fn refusal(body: Bytes, request: InFlight) -> Self {
        Self::new(Inner::Refusal(Some(body)), request)
    }

    pub(super) fn answer(body: B, request: InFlight) -> Self {
        Self::new(Inner::Answer(body), request)
    }

    fn new(inner: Inner<B>, request: InFlight) -> Self {
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
        let polled = match &mut this.inner {
            Inner::Refusal(body) => Poll::Ready(body.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Answer(body) => Pin::new(body).poll_frame(cx),
        };
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
        match &self.inner {
            Inner::Refusal(body) => body.is_none(),
            Inner::Answer(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Refusal(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Inner::Answer(body) => body.size_hint(),
        }
    }
}
