//! A [`MetaStore`] at the other end of gRPC.

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all};
use headwater_proto::{grpc::AddressError, v1};
use headwater_types::{Clock, KeyId, RequestId, Rng};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};
use tonic::{Response, Status};

use super::{
    convert::{
        change_to_wire, event_from_wire, from_status, guidance_from_wire, membership_from_wire,
        presence_from_wire, report_to_wire,
    },
    voters::{Voter, Voters, millis},
};
use crate::{
    command::{Command, Envelope},
    raft::repeats_alike,
    store::{
        Applied, MemberChange, Membership, MetaError, MetaStore, Presence, Report, Reported, WatchEvents,
    },
};

/// For each voter that is asked for its status, or for the beginning of a watch.
const CALL_LIMIT: Duration = Duration::from_secs(2);
/// For each voter that is reported to: one that hangs must not keep the answers of the others from a role that reports
/// again soon.
const REPORT_LIMIT: Duration = Duration::from_millis(700);
/// For each voter that is asked for something that another one may do as well, where there is time for both.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(2500);
/// Between two rounds through the voters, and half of that.
const PAUSE_MILLIS: u64 = 100;

/// The voters of a cluster, by address. A few of them are enough to begin with: it learns the others from them.
///
/// One that fails is left for the next; the last one that answered is asked first. What was not done is tried again
/// until the caller's limit, so that a change of the leader is ridden over. A proposal whose outcome is unknown is
/// repeated only where the answer is the same then; otherwise its proposer is told [`MetaError::Unknown`].
#[derive(Debug)]
pub struct MetaGrpcClient {
    voters: Voters,
    watcher: String,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl MetaGrpcClient {
    /// To voters at `host:port`; connects when it is first used. `watcher` names the role and id of who watches, for
    /// the voters' lists. Must be called within a runtime.
    pub fn new(
        addresses: &[String],
        watcher: &str,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, AddressError> {
        Ok(Self { voters: Voters::new(addresses)?, watcher: watcher.to_owned(), clock, rng })
    }

    /// Addresses of the voters that it knows by now, configured ones included.
    pub fn addresses(&self) -> Vec<String> {
        self.voters.in_turn().into_iter().map(|voter| voter.address).collect()
    }

    /// Asks the voters one after the other until one answers, over and over until `limit`. `again`: also one whose
    /// outcome is unknown may be repeated.
    async fn until<T, F>(
        &self,
        limit: Duration,
        attempt_max: Duration,
        again: bool,
        ask: impl Fn(Voter, Duration) -> F,
    ) -> Result<T, MetaError>
    where
        F: Future<Output = Result<T, MetaError>>,
    {
        let deadline = self.clock.monotonic() + limit;
        let mut error = MetaError::Unavailable("no voter took it in time".to_owned());
        loop {
            for voter in self.voters.in_turn() {
                let left = deadline.saturating_sub(self.clock.monotonic());
                if millis(left) == 0 {
                    return Err(error);
                }
                match ask(voter.clone(), left.min(attempt_max)).await {
                    // Nothing was done there: the next one may. What an earlier one may have done stays unknown.
                    Err(e @ MetaError::Unavailable(_)) => {
                        if !matches!(error, MetaError::Unknown(_)) {
                            error = e;
                        }
                    }
                    Err(e @ MetaError::Unknown(_)) if again => error = e,
                    Err(e) => return Err(e),
                    Ok(answer) => {
                        self.voters.answered(&voter);
                        return Ok(answer);
                    }
                }
            }
            let pause = Duration::from_millis(PAUSE_MILLIS / 2 + self.rng.next_u64() % (PAUSE_MILLIS / 2));
            sleep(pause.min(deadline.saturating_sub(self.clock.monotonic()))).await;
        }
    }

    /// Asks each voter once until one answers.
    async fn first<T, F>(&self, ask: impl Fn(Voter) -> F) -> Result<T, MetaError>
    where
        F: Future<Output = Result<T, MetaError>>,
    {
        let mut error = MetaError::Unavailable("there are no voters".to_owned());
        for voter in self.voters.in_turn() {
            match ask(voter.clone()).await {
                Ok(answer) => {
                    self.voters.answered(&voter);
                    return Ok(answer);
                }
                Err(e) => error = unavailable(e),
            }
        }
        Err(error)
    }

    fn learn(&self, membership: &Membership) {
        self.voters.learn(membership.members.iter().map(|member| member.address.as_str()));
    }
}

async fn propose_to(
    mut voter: Voter,
    command: Bytes,
    request_id: Bytes,
    left: Duration,
) -> Result<Applied, MetaError> {
    let request = v1::ProposeRequest { command, request_id, remaining_ms: millis(left) };
    let reply = call(left, voter.client.propose(request)).await?;
    let outcome = serde_json::from_slice(&reply.outcome)
        .map_err(|e| MetaError::Unknown(format!("applied, but its outcome cannot be read: {e}")))?;
    Ok(Applied { version: reply.version, outcome })
}

async fn status(mut voter: Voter) -> Result<Membership, MetaError> {
    call(CALL_LIMIT, voter.client.status(v1::StatusRequest {})).await.map(membership_from_wire)
}

/// A call with a deadline.
async fn call<T>(
    limit: Duration,
    reply: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, MetaError> {
    match timeout(limit, reply).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(from_status(&status)),
        Err(_) => Err(MetaError::Unknown(format!("no answer within {limit:?}"))),
    }
}

/// A question that changes nothing has done nothing, however it failed.
fn unavailable(error: MetaError) -> MetaError {
    match error {
        MetaError::Unknown(message) => MetaError::Unavailable(message),
        other => other,
    }
}

#[async_trait::async_trait]
impl MetaStore for MetaGrpcClient {
    async fn propose(&self, command: Command, limit: Duration) -> Result<Applied, MetaError> {
        let again = repeats_alike(&command);
        let envelope = Envelope::new(command, self.clock.unix_millis());
        let command = envelope.encode().map_err(|e| MetaError::Invalid(e.to_string()))?;
        let request_id = Bytes::copy_from_slice(&RequestId::new(&*self.clock, &*self.rng).0.to_be_bytes());
        let ask = |voter, left| propose_to(voter, command.clone(), request_id.clone(), left);
        self.until(limit, ATTEMPT_LIMIT, again, ask).await
    }

    async fn linearizable_read(&self, limit: Duration) -> Result<u64, MetaError> {
        let ask = |mut voter: Voter, left| async move {
            let request = v1::ReadRequest { remaining_ms: millis(left) };
            Ok(call(left, voter.client.read(request)).await?.version)
        };
        self.until(limit, CALL_LIMIT, true, ask).await.map_err(unavailable)
    }

    async fn watch(&self, after_version: u64) -> Result<WatchEvents, MetaError> {
        let events = self.first(|mut voter| async move {
            let request = v1::WatchRequest { after_version, watcher: self.watcher.clone() };
            let events = call(CALL_LIMIT, voter.client.watch(request)).await?;
            if let Ok(membership) = status(voter).await {
                self.learn(&membership);
            }
            Ok(events)
        });
        let event = |message: Result<v1::WatchEvent, Status>| async {
            event_from_wire(message.map_err(|status| unavailable(from_status(&status)))?).await
        };
        Ok(events.await?.then(event).boxed())
    }

    async fn membership(&self) -> Result<Membership, MetaError> {
        let membership = self.first(status).await?;
        self.learn(&membership);
        Ok(membership)
    }

    async fn change_membership(
        &self,
        change: MemberChange,
        limit: Duration,
    ) -> Result<Membership, MetaError> {
        let ask = |mut voter: Voter, left| {
            let request = change_to_wire(change.clone(), left);
            async move { call(left, voter.client.change_membership(request)).await.map(membership_from_wire) }
        };
        let membership = self.until(limit, limit, true, ask).await?;
        self.learn(&membership);
        Ok(membership)
    }

    async fn report(&self, report: Report) -> Result<Reported, MetaError> {
        let request = report_to_wire(report);
        let calls = self.voters.in_turn().into_iter().map(|mut voter| {
            let request = request.clone();
            async move { call(REPORT_LIMIT, voter.client.report(request)).await }
        });
        let (mut reported, mut addresses) = (None::<Reported>, Vec::new());
        let mut failed = MetaError::Unavailable("there are no voters".to_owned());
        for reply in join_all(calls).await {
            match reply {
                Ok(reply) => {
                    let guidance = reply.guidance.map(guidance_from_wire);
                    // The one that is furthest knows the members best.
                    if reported.as_ref().is_none_or(|best| best.version < reply.version) {
                        addresses = reply.addresses;
                    }
                    let one = Reported { version: reply.version, guidance };
                    reported = Some(reported.map_or(one.clone(), |best| best.and(one)));
                }
                Err(e) => failed = e,
            }
        }
        if reported.is_some() {
            self.voters.learn(addresses.iter().map(String::as_str));
        }
        reported.ok_or(failed)
    }

    async fn presence(&self, keys: &[KeyId]) -> Result<Presence, MetaError> {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let ask = |mut voter: Voter| {
            let request = v1::PresenceRequest { keys: keys.clone() };
            async move { call(CALL_LIMIT, voter.client.presence(request)).await.map(presence_from_wire) }
        };
        self.first(ask).await
    }
}
