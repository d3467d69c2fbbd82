//! A request body that tells its connection when it is received and whether it was read to its end.

use axum::body::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use super::body_phase::{BodyPhase, Receiving};

/// Whether a request's body was read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct BodyEnded(Arc<AtomicBool>);

impl BodyEnded {
    /// Whether it was, cleanly.
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body as handlers get it.
#[derive(Debug)]
pub(super) struct RequestBody {
    incoming: Incoming,
    receiving: Option<Receiving>,
    ended: BodyEnded,
}

impl RequestBody {
    /// Sets `ended` when its end is read. It counts as being received from now on: hyper looks for its first bytes before
    /// a handler does, and the header that came just now waits for its acknowledgement.
    pub(super) fn new(incoming: Incoming, phase: &BodyPhase, ended: BodyEnded) -> Self {
        Self { incoming, receiving: Some(phase.receive()), ended }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.incoming).poll_frame(cx));
        let more = match &frame {
            Some(Ok(_)) => !this.incoming.is_end_stream(),
            Some(Err(_)) => {
                this.receiving = None;
                return Poll::Ready(frame);
            }
            None => false,
        };
        if !more {
            this.receiving = None;
            this.ended.0.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
