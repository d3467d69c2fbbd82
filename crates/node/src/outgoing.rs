//! One replicated write on its way to one member: opened while the body arrives, finished by the commit.

use futures_core::Stream;
use headwater_proto::{Replicate, ReplicateBegin, ReplicateCommit, Replication, StorageError};
use headwater_types::{BodyReader, BodyWriter, Epoch, Member, Ttl, Version};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::{commit::Staged, node::StorageNode};

/// An open `Replicate` call. Dropped before [`Outgoing::commit`], it leaves nothing at the member.
#[derive(Debug)]
pub struct Outgoing {
    /// Who is called.
    pub member: Member,
    commit: oneshot::Sender<ReplicateCommit>,
    call: JoinHandle<Result<Version, StorageError>>,
}

impl Outgoing {
    /// Opens a call that sends what `body` has and gets.
    pub fn open(peer: Arc<dyn Replication>, begin: ReplicateBegin, body: BodyReader) -> Self {
        let (commit, committed) = oneshot::channel();
        let member = begin.to;
        let pieces = Pieces { body, sent: 0, committed: Some(committed), commit: None };
        let call = async move { peer.replicate(begin, Box::pin(pieces)).await };
        let call = tokio::spawn(call.in_current_span());
        Self { member, commit, call }
    }

    /// Sends the commit behind the body and waits for the acknowledgement.
    pub async fn commit(self, commit: ReplicateCommit) -> Result<Version, StorageError> {
        // A closed channel means that the call has ended; its result says why.
        let _ = self.commit.send(commit);
        // A caller that gives up waiting must not leave the call behind.
        let call = AbortOnDropHandle::new(self.call);
        call.await.unwrap_or_else(|_| Err(StorageError::OutcomeUnknown("the call was ended".into())))
    }
}

/// Chunks as they arrive, and behind the last one the commit, which says how many bytes there are.
struct Pieces {
    body: BodyReader,
    sent: u64,
    committed: Option<oneshot::Receiver<ReplicateCommit>>,
    commit: Option<ReplicateCommit>,
}

impl Stream for Pieces {
    type Item = Replicate;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Replicate>> {
        if let Some(receiver) = &mut self.committed
            && let Poll::Ready(commit) = Pin::new(receiver).poll(cx)
        {
            self.committed = None;
            // The head dropped its end: the upload was given up.
            let Ok(commit) = commit else { return Poll::Ready(None) };
            self.commit = Some(commit);
        }
        let sent = self.sent;
        if let Some(commit) = self.commit.take_if(|commit| commit.size == sent) {
            return Poll::Ready(Some(Replicate::Commit(commit)));
        }
        if self.commit.is_none() && self.committed.is_none() {
            return Poll::Ready(None);
        }
        match ready!(self.body.poll_piece(cx)) {
            Some(Ok(piece)) => {
                self.sent += piece.len() as u64;
                Poll::Ready(Some(Replicate::Chunk(piece)))
            }
            // Complete, and the commit is still to come: its channel wakes us.
            None if self.committed.is_some() => Poll::Pending,
            Some(Err(_)) | None => Poll::Ready(None),
        }
    }
}

impl StorageNode {
    /// Opens a call for a version whose body is whole.
    pub(crate) fn open_whole(&self, staged: &Staged, epoch: Epoch, member: Member) -> Outgoing {
        let record = &staged.record;
        let body = BodyWriter::new();
        record.body.as_slice().iter().for_each(|piece| body.push(piece.clone()));
        body.complete();
        let ttl = record.meta.expires_at.millis_since(record.meta.stored_at).div_ceil(1000).max(1);
        let begin = ReplicateBegin {
            shard: record.shard,
            epoch,
            from: self.member(),
            to: member,
            object: record.object.clone(),
            request_id: record.request_ids.first().copied().unwrap_or(headwater_types::RequestId(0)),
            class: record.meta.class,
            attributes: record.meta.attributes.clone(),
            ttl: Ttl::from_secs(ttl).unwrap_or_else(|_| self.longest_ttl()),
            followable: false,
            remaining: Duration::from_secs(3),
        };
        Outgoing::open(self.peer(member), begin, body.reader())
    }
}
