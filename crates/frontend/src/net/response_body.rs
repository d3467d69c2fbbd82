//! A response body that keeps its request in flight until it is written or given up.

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use super::activity::InFlight;

/// The body as hyper gets it.
#[derive(Debug)]
pub(super) struct ResponseBody {
    inner: Body,
    _request: InFlight,
}

impl ResponseBody {
    pub(super) fn new(inner: Body, request: InFlight) -> Self {
        Self { inner, _request: request }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
