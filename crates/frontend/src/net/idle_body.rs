//! A request body that may not stand still for long.

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::Sleep;

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing came for this long.
    #[error("no byte of the body came for {0:?}")]
    Idle(Duration),
    /// The connection or the framing broke.
    #[error("the body was cut short")]
    Cut(#[source] axum::Error),
}

/// A body with a limit on the time between two of its pieces. See [`with_idle_timeout`].
#[derive(Debug)]
pub struct IdleBody {
    inner: Body,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether `timer` runs for the piece that is waited for.
    armed: bool,
}

/// Fails a body that yields nothing for `limit` while it is read. Time in which nobody asks for more does not count:
/// the slow side is then ours. There is no minimum rate.
///
/// 60 s suit an authenticated PUT: encoders open the request when a segment begins and send when it ends.
pub fn with_idle_timeout(body: Body, limit: Duration) -> IdleBody {
    IdleBody { inner: body, limit, timer: Box::pin(tokio::time::sleep(limit)), armed: false }
}

impl http_body::Body for IdleBody {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            this.armed = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(ReadError::Cut)));
        }
        if !this.armed {
            this.timer.set(tokio::time::sleep(this.limit));
            this.armed = true;
        }
        ready!(this.timer.as_mut().poll(cx));
        // Asked again, it waits anew.
        this.armed = false;
        Poll::Ready(Some(Err(ReadError::Idle(this.limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use headwater_types::{Clock, SystemClock};
    use http_body_util::BodyExt;
    use std::convert::Infallible;

    #[tokio::test]
    async fn each_piece_has_the_whole_limit_and_the_time_between_polls_is_free() {
        const LIMIT: Duration = Duration::from_millis(400);
        const PIECES: usize = 3;
        // Together they take longer than the limit; after them nothing comes.
        let pieces = stream::unfold(0, |sent| async move {
            if sent == PIECES {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(LIMIT / 2).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), sent + 1))
        });
        let mut body = with_idle_timeout(Body::from_stream(pieces), LIMIT);
        for _ in 0..PIECES {
            assert!(body.frame().await.unwrap().is_ok());
        }

        tokio::time::sleep(LIMIT).await;
        let clock = SystemClock::new();
        assert!(matches!(body.frame().await, Some(Err(ReadError::Idle(LIMIT)))));
        assert!(clock.monotonic() >= LIMIT, "{:?}", clock.monotonic());
    }
}
