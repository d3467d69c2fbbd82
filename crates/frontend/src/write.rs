//! Brings a write to the head of its shard, through failovers, until its deadline: encoders do not try again.

use futures_util::future::BoxFuture;
use headwater_proto::{Storage, StorageError};
use headwater_types::{Epoch, ErrorCode, ShardId};
use std::time::Duration;
use tokio::sync::watch;

use crate::{frontend::Frontend, ingest::upload::Progress, problem::Problem, retry::Retry};

/// When a write has to be answered.
#[derive(Debug, Clone)]
pub(crate) struct WriteDeadline {
    /// The time runs once the body is complete: a body takes as long as its encoder takes.
    pub body: watch::Receiver<Progress>,
    /// How long it then runs.
    pub limit: Duration,
}

impl WriteDeadline {
    /// Time left, all of it while the body still arrives.
    fn left(&self, now: Duration) -> Duration {
        match *self.body.borrow() {
            Progress::Complete(at) => self.limit.saturating_sub(now.saturating_sub(at)),
            Progress::Open | Progress::Cut => self.limit,
        }
    }

    fn body_is_complete(&self) -> bool {
        matches!(*self.body.borrow(), Progress::Complete(_))
    }

    fn body_is_cut(&self) -> bool {
        *self.body.borrow() == Progress::Cut
    }

    /// Ends when the time is up.
    async fn passed(mut self, now: impl Fn() -> Duration) {
        let complete = self.body.wait_for(|progress| matches!(progress, Progress::Complete(_))).await.is_ok();
        if !complete {
            // The body was given up; the attempt ends by that.
            std::future::pending::<()>().await;
        }
        let left = self.left(now());
        tokio::time::sleep(left).await;
    }
}

/// Makes attempts at a write, all with the same request id, until one is answered for good or the deadline passes. An
/// attempt is given up when the map names another head: what it may have done, the same request id finds there.
pub(crate) async fn write<T, F>(
    frontend: &Frontend,
    shard: ShardId,
    deadline: WriteDeadline,
    attempt: F,
) -> Result<T, Problem>
where
    F: for<'a> Fn(&'a dyn Storage, Epoch, Duration) -> BoxFuture<'a, Result<T, StorageError>>,
{
    let now = || frontend.clock.monotonic();
    let mut retry = Retry::default();
    let mut maybe_done = false;
    let mut attempts = 0u32;
    loop {
        let failure = match frontend.routes.get(shard) {
            None => None,
            Some(route) => {
                attempts += 1;
                let call = attempt(&*route.head.storage, route.epoch, deadline.left(now()));
                tokio::select! {
                    biased;
                    outcome = call => match outcome {
                        Ok(answer) => {
                            if attempts > 1 {
                                frontend.metrics.absorbed.inc();
                            }
                            return Ok(answer);
                        }
                        Err(error) => Some(error),
                    },
                    () = frontend.routes.head_moved(shard, route.head.member) => {
                        maybe_done |= deadline.body_is_complete();
                        continue;
                    }
                    () = deadline.clone().passed(now) => {
                        maybe_done = true;
                        Some(StorageError::OutcomeUnknown("no answer in time".into()))
                    }
                }
            }
        };
        if deadline.body_is_cut() {
            return Err(Problem::new(ErrorCode::BodyIncomplete, "the body was cut; nothing was stored"));
        }
        if let Some(error) = &failure {
            maybe_done |= error.is_unknown();
            if !may_retry(error) {
                return Err(given_up(error.code(), maybe_done));
            }
        }
        let left = deadline.left(now());
        if left.is_zero() {
            tracing::warn!(%shard, attempts, maybe_done, error = ?failure, "a write was given up at its deadline");
            return Err(given_up(ErrorCode::Unavailable, maybe_done));
        }
        tracing::debug!(%shard, attempts, error = ?failure, "a write is tried again");
        retry.pause(failure.as_ref(), &frontend.routes, &*frontend.rng, left).await;
    }
}

/// Whether another attempt may succeed. What the node says of the body concerns this attempt's stream: the kept body is
/// whole and right, so a cut or a wrong digest happened on the way.
fn may_retry(error: &StorageError) -> bool {
    error.is_retryable() || matches!(error, StorageError::BodyCut | StorageError::DigestMismatch)
}

/// The answer to a write whose precondition does not hold.
pub(crate) fn precondition_failed() -> Problem {
    Problem::new(ErrorCode::PreconditionFailed, "the object is not what the precondition asks for")
}

/// The answer after the last attempt. A refusal promises that nothing is stored, but only of the attempt it ended: one
/// before it may have been done all the same. A precondition that does not hold is told as it is, since the head looks
/// for the request id first.
fn given_up(code: ErrorCode, maybe_done: bool) -> Problem {
    match code {
        ErrorCode::PreconditionFailed => precondition_failed(),
        ErrorCode::NotFound | ErrorCode::TooLarge if !maybe_done => Problem::new(code, code.title()),
        _ if maybe_done => Problem::new(
            ErrorCode::OutcomeUnknown,
            "no answer in time: the write may or may not have been stored; send it again",
        ),
        ErrorCode::Overloaded => {
            Problem::new(code, "the storage nodes have no memory for it; nothing was stored")
        }
        ErrorCode::Internal => Problem::new(code, "the storage node did not understand; nothing was stored"),
        _ => Problem::new(ErrorCode::Unavailable, "the shard takes no writes now; nothing was stored"),
    }
}
