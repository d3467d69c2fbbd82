//! A [`MetaStore`] at the other end of gRPC.

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all};
use headwater_proto::{
    grpc::{AddressError, channel},
    v1::{self, meta_client::MetaClient},
};
use headwater_types::{Clock, RequestId, Rng, limits::GRPC_MESSAGE_BYTES_MAX};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;
use tonic::{Response, Status, transport::Channel};

use super::{
    NodeReport,
    convert::{event_from_wire, from_status, membership_from_wire, report_to_wire},
};
use crate::{
    command::{Command, Envelope},
    limits::SNAPSHOT_BYTES_MAX,
    state::State,
    store::{Applied, Membership, MetaError, MetaStore, WatchEvents},
};

/// For each voter that is asked for its status, or for the beginning of a watch, or that a heartbeat is sent to.
const CALL_LIMIT: Duration = Duration::from_secs(2);

/// The voters of a cluster, by address. One that fails is left for the next; the last one that answered is asked first.
#[derive(Debug)]
pub struct MetaGrpcClient {
    voters: Vec<MetaClient<Channel>>,
    first: AtomicUsize,
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
        let voter = |address: &String| {
            Ok(MetaClient::new(channel(address)?)
                .max_decoding_message_size(SNAPSHOT_BYTES_MAX)
                .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX))
        };
        if addresses.is_empty() {
            return Err(AddressError { address: String::new() });
        }
        let voters = addresses.iter().map(voter).collect::<Result<_, _>>()?;
        Ok(Self { voters, first: AtomicUsize::new(0), watcher: watcher.to_owned(), clock, rng })
    }

    /// Tells every voter that the node lives, so that a new leader knows at once. Answers the newest version that any
    /// of them has applied; fails if none answered within 2 s.
    pub async fn heartbeat(&self, report: NodeReport) -> Result<u64, MetaError> {
        let calls = self.voters.iter().map(|voter| async {
            let mut voter = voter.clone();
            call(CALL_LIMIT, voter.heartbeat(report_to_wire(report))).await
        });
        let mut newest: Result<u64, MetaError> = Err(no_voters());
        for reply in join_all(calls).await {
            newest = match (newest, reply) {
                (Ok(a), Ok(b)) => Ok(a.max(b.map_version)),
                (Err(_), reply) => reply.map(|reply| reply.map_version),
                (newest, Err(_)) => newest,
            };
        }
        newest
    }

    /// Every voter once with its place, beginning with the one that answered last.
    fn in_turn(&self) -> impl Iterator<Item = (usize, MetaClient<Channel>)> + '_ {
        let first = self.first.load(Ordering::Relaxed);
        let places = (0..self.voters.len()).map(move |turn| (first + turn) % self.voters.len());
        places.map(|at| (at, self.voters[at].clone()))
    }

    fn answered(&self, at: usize) {
        self.first.store(at, Ordering::Relaxed);
    }

    async fn propose_to(
        &self,
        mut voter: MetaClient<Channel>,
        command: Bytes,
        request_id: RequestId,
        left: Duration,
    ) -> Result<Applied, MetaError> {
        let remaining_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        if remaining_ms == 0 {
            return Err(MetaError::Unavailable("no voter took it in time".to_owned()));
        }
        let request_id = Bytes::copy_from_slice(&request_id.0.to_be_bytes());
        let request = v1::ProposeRequest { command, request_id, remaining_ms };
        let reply = call(left, voter.propose(request)).await?;
        let outcome = serde_json::from_slice(&reply.outcome)
            .map_err(|e| MetaError::Unknown(format!("applied, but its outcome cannot be read: {e}")))?;
        Ok(Applied { version: reply.version, outcome })
    }
}

fn no_voters() -> MetaError {
    MetaError::Unavailable("there are no voters".to_owned())
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
        let deadline = self.clock.monotonic() + limit;
        let envelope = Envelope::new(command, self.clock.unix_millis());
        let command = envelope.encode().map_err(|e| MetaError::Invalid(e.to_string()))?;
        let request_id = RequestId::new(&*self.clock, &*self.rng);
        let mut result = Err(no_voters());
        for (at, voter) in self.in_turn() {
            let left = deadline.saturating_sub(self.clock.monotonic());
            result = self.propose_to(voter, command.clone(), request_id, left).await;
            match &result {
                // Nothing was done there: the next one may.
                Err(MetaError::Unavailable(_)) => {}
                Err(_) => break,
                Ok(_) => {
                    self.answered(at);
                    break;
                }
            }
        }
        result
    }

    /// Always unavailable: the wire has no read that a quorum confirms. Use a watch, and wait there for the version
    /// that a proposal answered.
    async fn linearizable_read(&self, _limit: Duration) -> Result<State, MetaError> {
        Err(MetaError::Unavailable(
            "linearizable reads are answered by voters only, not over gRPC".to_owned(),
        ))
    }

    async fn watch(&self, after_version: u64) -> Result<WatchEvents, MetaError> {
        let mut error = no_voters();
        for (at, mut voter) in self.in_turn() {
            let request = v1::WatchRequest { after_version, watcher: self.watcher.clone() };
            match call(CALL_LIMIT, voter.watch(request)).await {
                Ok(events) => {
                    self.answered(at);
                    let event = |message: Result<v1::WatchEvent, Status>| {
                        message.map_err(|status| unavailable(from_status(&status))).and_then(event_from_wire)
                    };
                    return Ok(events.map(event).boxed());
                }
                Err(e) => error = unavailable(e),
            }
        }
        Err(error)
    }

    async fn membership(&self) -> Result<Membership, MetaError> {
        let mut error = no_voters();
        for (at, mut voter) in self.in_turn() {
            match call(CALL_LIMIT, voter.status(v1::StatusRequest {})).await {
                Ok(reply) => {
                    self.answered(at);
                    return Ok(membership_from_wire(reply));
                }
                Err(e) => error = unavailable(e),
            }
        }
        Err(error)
    }
}
