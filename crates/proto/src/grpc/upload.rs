//! The client's side of a streamed write: how long it may take, and what its failure means.

use std::{future::Future, time::Duration};
use tokio::time::{sleep, timeout};
use tonic::{Response, Status};

use super::{
    limits::{CONNECT_TIMEOUT, REPLY_GRACE},
    outgoing::Progress,
};
use crate::{
    convert::{REMAINING_MAX, status::write_error},
    error::StorageError,
};

/// Waits for the reply to a streamed write. The body takes as long as its source takes; `remaining` counts from its
/// end. A reply that comes earlier, a refusal for example, is answered at once, and the rest of the body is dropped.
///
/// A write without its closing message leaves nothing behind, so until that was sent every failure is a plain
/// `Unavailable`; from then on it is `OutcomeUnknown`, unless the node says more.
pub(super) async fn upload<R>(
    call: impl Future<Output = Result<Response<R>, Status>>,
    progress: Progress,
    remaining: Duration,
) -> Result<R, StorageError> {
    let late = async {
        // The transport's own limit is for one attempt; calls that wait for one another's attempts would add up.
        if timeout(CONNECT_TIMEOUT, progress.opened()).await.is_err() {
            return Status::deadline_exceeded("no connection in time");
        }
        progress.ended().await;
        sleep(remaining.min(REMAINING_MAX) + REPLY_GRACE).await;
        Status::deadline_exceeded("no reply within the deadline")
    };
    let reply = tokio::select! {
        biased;
        reply = call => reply,
        status = late => Err(status),
    };
    reply.map(Response::into_inner).map_err(|status| write_error(&status, progress.stop()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the paused clock of a test's runtime")]
mod tests {
    use super::*;
    use crate::{
        grpc::outgoing::Outgoing,
        storage::{BodyEnd, BodyPiece},
        v1::PutMessage,
    };
    use futures_util::{StreamExt, stream};
    use headwater_types::Digest;
    use std::future::{pending, ready};
    use tokio::time::Instant;

    fn pieces() -> [BodyPiece; 2] {
        [BodyPiece::Chunk("ab".into()), BodyPiece::End(BodyEnd { digest: Digest(0), size: 2 })]
    }

    async fn broken() -> Result<Response<()>, Status> {
        Err(Status::cancelled("the connection broke"))
    }

    fn is_unavailable(outcome: &Result<(), StorageError>) -> bool {
        matches!(outcome, Err(StorageError::Unavailable(_)))
    }

    fn is_unknown(outcome: &Result<(), StorageError>) -> bool {
        matches!(outcome, Err(StorageError::OutcomeUnknown(_)))
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_counts_from_the_end_of_the_body() {
        let slow = stream::iter(pieces()).then(|piece| async {
            sleep(Duration::from_secs(300)).await;
            piece
        });
        let (messages, progress) = Outgoing::new(PutMessage::default(), slow.boxed());
        let call = async {
            assert_eq!(messages.count().await, 3);
            pending().await
        };
        let start = Instant::now();
        let outcome = upload(call, progress, Duration::from_secs(10)).await;
        assert!(is_unknown(&outcome), "{outcome:?}");
        let waited = start.elapsed();
        assert!(waited >= Duration::from_secs(611) && waited < Duration::from_secs(612), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_finds_no_connection_is_never_sent() {
        let (messages, progress) = Outgoing::new(PutMessage::default(), stream::iter(pieces()).boxed());
        let start = Instant::now();
        let outcome = upload(pending(), progress, Duration::from_secs(10)).await;
        assert!(is_unavailable(&outcome), "{outcome:?}");
        assert!(start.elapsed() < Duration::from_secs(3));
        assert_eq!(messages.count().await, 0, "a connection that opens late finds nothing to send");
    }

    #[tokio::test]
    async fn a_failure_is_unknown_only_once_all_was_sent() {
        for (taken, is_expected) in
            [(0, is_unavailable as fn(&_) -> bool), (2, is_unavailable), (3, is_unknown)]
        {
            let (mut messages, progress) =
                Outgoing::new(PutMessage::default(), stream::iter(pieces()).boxed());
            assert_eq!(messages.by_ref().take(taken).count().await, taken);
            let outcome = upload(broken(), progress, Duration::ZERO).await;
            assert!(is_expected(&outcome), "{taken}: {outcome:?}");
            assert_eq!(messages.count().await, 0, "nothing is sent behind the answer");
        }
        let (messages, progress) = Outgoing::new(PutMessage::default(), stream::iter(pieces()).boxed());
        drop(messages);
        let outcome = upload(ready(Ok(Response::new(()))), progress, Duration::ZERO).await;
        assert_eq!(outcome, Ok(()));
    }
}
