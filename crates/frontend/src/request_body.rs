//! A request's body as the handlers read it: data only, with a limit on standing still.

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use crate::{
    net::{IdleBody, ReadError, with_idle_timeout},
    rates::Metered,
};

/// Why a body could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestBodyError {
    /// The connection or stream ended before the body did, or its framing is broken.
    #[error("the body ended before it was complete")]
    Cut,
    /// Nothing arrived for the idle limit.
    #[error("the body stopped arriving")]
    Idle,
}

/// A request's body, and whether it has been read to its end. It is not polled before a handler wants it: the first
/// poll is what sends `100 Continue`.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: Inner,
    declared: Option<u64>,
    ended: bool,
    received: u64,
    /// Where the bytes are counted as they arrive, and the time of the request.
    metered: Option<(Metered, Duration)>,
}

#[derive(Debug)]
enum Inner {
    /// As it came: most requests have no body, and need no timer for it.
    Plain(Body),
    Limited(IdleBody),
}

impl RequestBody {
    pub fn new(inner: Body) -> Self {
        let declared = inner.size_hint().exact();
        Self {
            ended: inner.is_end_stream(),
            declared,
            inner: Inner::Plain(inner),
            received: 0,
            metered: None,
        }
    }

    /// From now on it may stand still for at most `limit`.
    pub fn limit_idle(&mut self, limit: Duration) {
        if let Inner::Plain(body) = &mut self.inner {
            self.inner = Inner::Limited(with_idle_timeout(std::mem::take(body), limit));
        }
    }

    /// Nothing of it is left unread.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Counts its bytes for a request that came at monotonic time `now`: at once if their number was declared, else as they
    /// arrive.
    pub fn meter(&mut self, metered: Metered, now: Duration) {
        match self.declared {
            Some(size) => metered.count(size, now),
            None => self.metered = Some((metered, now)),
        }
    }

    /// Bytes read so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The next bytes, `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RequestBodyError> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Self::next`], to be polled.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RequestBodyError>> {
        while !self.ended {
            match ready!(self.inner.poll_frame(cx)) {
                None => self.ended = true,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                // Trailers carry nothing that we use.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => {
                        self.received += data.len() as u64;
                        if let Some((metered, now)) = &self.metered {
                            metered.count(data.len() as u64, *now);
                        }
                        return Poll::Ready(Ok(Some(data)));
                    }
                    _ => {}
                },
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Reads and ignores what is left: at most `bytes`, for at most `time`.
    pub async fn discard(&mut self, bytes: u64, time: Duration) {
        let read = async {
            let until = self.received.saturating_add(bytes);
            while self.received <= until {
                match self.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        };
        // What is still unread after that closes the connection; the request is answered all the same.
        let _ = tokio::time::timeout(time, read).await;
    }
}

impl Inner {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        Poll::Ready(match self {
            Self::Plain(body) => {
                ready!(Pin::new(body).poll_frame(cx)).map(|r| r.map_err(|_| RequestBodyError::Cut))
            }
            Self::Limited(body) => ready!(Pin::new(body).poll_frame(cx)).map(|r| {
                r.map_err(|error| match error {
                    ReadError::Idle(_) => RequestBodyError::Idle,
                    ReadError::Cut(_) => RequestBodyError::Cut,
                })
            }),
        })
    }
}
