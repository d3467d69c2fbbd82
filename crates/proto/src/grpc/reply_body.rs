//! The body of a GET's answer on its way in: bounded waits, and no clean end before all bytes are there.

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use std::{future::pending, time::Duration};
use tokio::time::sleep;

use super::limits::BODY_IDLE_MAX;
use crate::{error::StorageError, storage::ObjectBody, v1::get_message::Message};

struct ReplyBody<S> {
    messages: S,
    /// Bytes still to come; `None` for an object that is still arriving.
    left: Option<u64>,
}

/// The bytes of a committed object or a range of it: `len` of them, without a pause of more than [`BODY_IDLE_MAX`].
pub(super) fn committed<S>(messages: S, len: u64) -> ObjectBody
where
    S: Stream<Item = Result<Message, StorageError>> + Send + Unpin + 'static,
{
    body(ReplyBody { messages, left: Some(len) })
}

/// The bytes of an object that is still arriving: as many as there will be, as slowly as its encoder sends them. A
/// node that dies meanwhile is noticed by the connection's keepalive.
pub(super) fn arriving<S>(messages: S) -> ObjectBody
where
    S: Stream<Item = Result<Message, StorageError>> + Send + Unpin + 'static,
{
    body(ReplyBody { messages, left: None })
}

fn body<S>(body: ReplyBody<S>) -> ObjectBody
where
    S: Stream<Item = Result<Message, StorageError>> + Send + Unpin + 'static,
{
    let pieces = stream::unfold(Some(body), |body| async move {
        let mut body = body?;
        let piece = body.next_piece().await.transpose()?;
        let rest = piece.is_ok().then_some(body);
        Some((piece, rest))
    });
    ObjectBody::Stream(pieces.boxed())
}

impl<S> ReplyBody<S>
where
    S: Stream<Item = Result<Message, StorageError>> + Unpin,
{
    async fn next_piece(&mut self) -> Result<Option<Bytes>, StorageError> {
        let idle_max = self.left.map(|_| BODY_IDLE_MAX);
        let message = tokio::select! {
            biased;
            message = self.messages.next() => message,
            () = idle(idle_max) => return Err(StorageError::Unavailable("the body stopped arriving".into())),
        };
        let bytes = match message.transpose()? {
            Some(Message::Chunk(bytes)) => bytes,
            Some(Message::Header(_)) => {
                return Err(StorageError::Invalid("a body has a message that is no chunk".into()));
            }
            None if self.left.unwrap_or(0) == 0 => return Ok(None),
            None => return Err(StorageError::Unavailable("the body ended early".into())),
        };
        if let Some(left) = &mut self.left {
            let len = bytes.len() as u64;
            *left =
                left.checked_sub(len).ok_or_else(|| StorageError::Invalid("the body is too long".into()))?;
        }
        Ok(Some(bytes))
    }
}

async fn idle(max: Option<Duration>) {
    match max {
        Some(max) => sleep(max).await,
        None => pending().await,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the paused clock of a test's runtime")]
mod tests {
    use super::*;

    fn chunk(text: &'static str) -> Result<Message, StorageError> {
        Ok(Message::Chunk(Bytes::from_static(text.as_bytes())))
    }

    async fn read(body: ObjectBody) -> (Vec<Bytes>, Option<StorageError>) {
        let ObjectBody::Stream(mut pieces) = body else { panic!("it is a stream") };
        let mut read = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(bytes) => read.push(bytes),
                Err(error) => return (read, Some(error)),
            }
        }
        (read, None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_committed_body_that_pauses_too_long_is_cut() {
        let paused = stream::iter([chunk("ab")]).chain(stream::pending());
        let start = tokio::time::Instant::now();
        let (pieces, error) = read(committed(paused, 4)).await;
        assert_eq!(pieces, ["ab"]);
        assert!(matches!(error, Some(StorageError::Unavailable(_))), "{error:?}");
        assert!(start.elapsed() >= BODY_IDLE_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn an_arriving_body_may_pause_for_long() {
        let slow = stream::iter([chunk("ab"), chunk("cd")]).then(|message| async {
            sleep(10 * BODY_IDLE_MAX).await;
            message
        });
        assert_eq!(read(arriving(slow.boxed())).await, (vec!["ab".into(), "cd".into()], None));
    }

    #[tokio::test]
    async fn a_committed_body_has_its_length() {
        let short = read(committed(stream::iter([chunk("ab")]), 3)).await.1;
        assert!(matches!(short, Some(StorageError::Unavailable(_))), "{short:?}");
        let long = read(committed(stream::iter([chunk("ab")]), 1)).await.1;
        assert!(matches!(long, Some(StorageError::Invalid(_))), "{long:?}");
        assert_eq!(read(committed(stream::iter([chunk("ab")]), 2)).await.1, None);
    }
}
