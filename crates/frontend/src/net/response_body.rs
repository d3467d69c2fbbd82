//! A response body that keeps its request in flight until it is written or given up.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use super::activity::InFlight;

/// The body as hyper gets it.
#[derive(Debug)]
pub(super) struct ResponseBody<B> {
    inner: Inner<B>,
    _request: InFlight,
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
        Self { inner: Inner::Refusal(Some(body)), _request: request }
    }

    pub(super) fn answer(body: B, request: InFlight) -> Self {
        Self { inner: Inner::Answer(body), _request: request }
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
        match &mut self.inner {
            Inner::Refusal(body) => Poll::Ready(body.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Answer(body) => Pin::new(body).poll_frame(cx),
        }
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
