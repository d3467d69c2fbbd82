//! The request stream of a streamed write: its first message, its bytes cut to chunks, its closing message.

use bytes::Bytes;
use futures_core::{Stream, stream::BoxStream};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::watch;

use super::piece::{Piece, next_chunk};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no connection for it yet.
    Waiting,
    /// The transport takes its messages.
    Open,
    /// The transport has its closing message.
    Sent,
    /// Nothing more is sent, and the closing message was not.
    Over,
}

/// How far the transport has taken a streamed write. Shared by its request stream and by whoever waits for the reply.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<watch::Sender<Stage>>);

impl Progress {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Waiting)))
    }

    fn enter(&self, stage: Stage) -> bool {
        self.0.send_if_modified(|now| {
            let is_next = match stage {
                Stage::Waiting => false,
                Stage::Open => *now == Stage::Waiting,
                Stage::Sent => *now == Stage::Open,
                Stage::Over => matches!(now, Stage::Waiting | Stage::Open),
            };
            if is_next {
                *now = stage;
            }
            is_next
        })
    }

    async fn reach(&self, reached: impl FnMut(&Stage) -> bool) {
        // Cannot fail: `self` holds the sender.
        let _ = self.0.subscribe().wait_for(reached).await;
    }

    /// Waits until there is a connection.
    pub(super) async fn opened(&self) {
        self.reach(|stage| *stage != Stage::Waiting).await;
    }

    /// Waits until nothing more is to be sent.
    pub(super) async fn ended(&self) {
        self.reach(|stage| matches!(stage, Stage::Sent | Stage::Over)).await;
    }

    /// Lets nothing more be sent from now on; tells whether the closing message has been.
    pub(super) fn stop(&self) -> bool {
        self.enter(Stage::Over);
        *self.0.borrow() == Stage::Sent
    }
}

/// Turns pieces into messages.
pub(super) struct Outgoing<P: Piece> {
    first: Option<P::Message>,
    pieces: BoxStream<'static, P>,
    rest: Bytes,
    progress: Progress,
}

impl<P: Piece> Outgoing<P> {
    pub(super) fn new(first: P::Message, pieces: BoxStream<'static, P>) -> (Self, Progress) {
        let progress = Progress::new();
        (Self { first: Some(first), pieces, rest: Bytes::new(), progress: progress.clone() }, progress)
    }
}

impl<P: Piece> Stream for Outgoing<P> {
    type Item = P::Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<P::Message>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            return Poll::Ready(this.progress.enter(Stage::Open).then_some(first));
        }
        loop {
            if let Some(chunk) = next_chunk(&mut this.rest) {
                return Poll::Ready(Some(P::chunk(chunk).into()));
            }
            if *this.progress.0.borrow() != Stage::Open {
                return Poll::Ready(None);
            }
            match ready!(this.pieces.as_mut().poll_next(cx)).map(P::into_chunk) {
                Some(Ok(bytes)) => this.rest = bytes,
                Some(Err(closing)) => {
                    return Poll::Ready(this.progress.enter(Stage::Sent).then(|| closing.into()));
                }
                None => {
                    this.progress.enter(Stage::Over);
                }
            }
        }
    }
}

impl<P: Piece> Drop for Outgoing<P> {
    fn drop(&mut self) {
        self.progress.enter(Stage::Over);
    }
}
