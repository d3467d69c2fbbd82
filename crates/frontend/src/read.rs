//! Asks the members of a shard until one that may answer does.

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use headwater_proto::{Storage, StorageError};
use headwater_types::{Epoch, ErrorCode, ShardId};
use std::{future::poll_fn, task::Poll, time::Duration};

use crate::{frontend::Frontend, problem::Problem, retry::Retry, routes::Route};

/// One call of one member. The duration is the time left for it.
pub(crate) type Call<'a, T> = BoxFuture<'a, Result<T, StorageError>>;

/// Reads from a shard: the member in our own zone first, another when it does not answer or is slow, and again by the
/// newest map until the budget is spent, which is counted from when the request `started`. That there is no such object is an answer; it is believed only of a member
/// that may say it, which is what [`StorageError::NotFound`] means.
pub(crate) async fn read<T, F>(
    frontend: &Frontend,
    started: Duration,
    shard: ShardId,
    call: F,
) -> Result<T, Problem>
where
    F: for<'a> Fn(&'a dyn Storage, Epoch, Duration) -> Call<'a, T>,
{
    let budget = frontend.config.read_budget;
    let mut left = budget;
    let mut retry = Retry::default();
    frontend.hedges.earn();
    loop {
        let failure = match frontend.routes.get(shard) {
            Some(route) => match ask_members(frontend, shard, &route, left, &call).await {
                Ok(answer) => return Ok(answer),
                Err(error) if is_answer(&error) => return Err(problem(&error)),
                Err(error) => Some(error),
            },
            None => None,
        };
        left = budget.saturating_sub(frontend.clock.monotonic().saturating_sub(started));
        if left.is_zero() {
            tracing::warn!(%shard, error = ?failure, "no member answered a read in time");
            return Err(unavailable());
        }
        retry.pause(failure.as_ref(), &frontend.routes, &*frontend.rng, left).await;
    }
}

/// Whether an error settles a read. Everything else another member may know better.
fn is_answer(error: &StorageError) -> bool {
    matches!(error, StorageError::NotFound)
}

fn problem(error: &StorageError) -> Problem {
    match error {
        StorageError::NotFound => {
            Problem::new(ErrorCode::NotFound, "there is no such object, or it has expired")
        }
        _ => unavailable(),
    }
}

pub(crate) fn unavailable() -> Problem {
    Problem::new(ErrorCode::Unavailable, "no replica that may answer did so in time; try again")
}

/// One round over the members of a route, at most for `left`.
async fn ask_members<T, F>(
    frontend: &Frontend,
    shard: ShardId,
    route: &Route,
    left: Duration,
    call: &F,
) -> Result<T, StorageError>
where
    F: for<'a> Fn(&'a dyn Storage, Epoch, Duration) -> Call<'a, T>,
{
    let ask = |index: usize| route.readers.get(index).map(|target| call(&*target.storage, route.epoch, left));
    let Some(mut first) = ask(0) else { return Err(StorageError::Unavailable("no members".into())) };
    // The usual case, a member in this process or memory: it answers at once, and no timer is ever armed.
    let polled = poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await;
    let (first, failure) = match polled {
        Poll::Ready(Err(error)) if !is_answer(&error) => (None, error),
        Poll::Ready(answer) => return answer,
        Poll::Pending => (Some(first), StorageError::Unavailable("no answer in time".into())),
    };
    // Boxed, so that the usual case does not carry the timers of this one around.
    Box::pin(ask_on(frontend, shard, route, left, call, first, failure)).await
}

/// Goes on where the first member did not answer at once.
async fn ask_on<'a, T, F>(
    frontend: &Frontend,
    shard: ShardId,
    route: &'a Route,
    left: Duration,
    call: &F,
    first: Option<Call<'a, T>>,
    mut failure: StorageError,
) -> Result<T, StorageError>
where
    F: for<'b> Fn(&'b dyn Storage, Epoch, Duration) -> Call<'b, T>,
{
    let ask = |index: usize| route.readers.get(index).map(|target| call(&*target.storage, route.epoch, left));
    let mut in_flight: FuturesUnordered<_> = first.into_iter().collect();
    let mut next = 1;
    let deadline = tokio::time::sleep(left);
    let moved_on = frontend.routes.moved_on(shard, route.epoch);
    tokio::pin!(deadline, moved_on);
    let mut silent = Duration::ZERO;
    loop {
        if in_flight.is_empty() {
            let Some(call) = ask(next) else { return Err(failure) };
            in_flight.push(call);
            next += 1;
        }
        let hedge_after = frontend.config.hedge_after;
        tokio::select! {
            biased;
            Some(outcome) = in_flight.next() => match outcome {
                Err(error) if !is_answer(&error) => {
                    failure = error;
                    // No answer is not slowness: the next is asked whatever the hedge budget says.
                    if let Some(call) = ask(next) {
                        in_flight.push(call);
                        next += 1;
                    }
                }
                answer => return answer,
            },
            // The members have changed: whoever is silent may be gone. Reads may be repeated.
            () = &mut moved_on => return Err(failure),
            () = &mut deadline => return Err(failure),
            () = tokio::time::sleep(hedge_after), if next < route.readers.len() => {
                silent += hedge_after;
                if silent >= frontend.config.silent_after || frontend.hedges.take() {
                    frontend.metrics.hedges.inc();
                    if let Some(call) = ask(next) {
                        in_flight.push(call);
                        next += 1;
                    }
                }
            }
        }
    }
}
