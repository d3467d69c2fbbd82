//! One replicated write on its way to one member: opened while the body arrives, finished by the commit.

use futures_core::Stream;
use futures_util::FutureExt;
use headwater_proto::{Replicate, ReplicateBegin, ReplicateCommit, Replication, StorageError};
use headwater_types::{BodyReader, BodyWriter, Epoch, Member, Ttl, Version};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::{commit::Staged, node::StorageNode};

/// A call that has moved nothing for so long is given up. A body as a whole takes as long as the link takes.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// An open `Replicate` call. Dropped before [`Outgoing::commit`], it leaves nothing at the member.
#[derive(Debug)]
pub struct Outgoing {
    /// Who is called.
    pub member: Member,
    commit: oneshot::Sender<ReplicateCommit>,
    call: JoinHandle<Result<Version, StorageError>>,
    /// Pieces that were taken off it so far.
    sent: Arc<AtomicU64>,
}

impl Outgoing {
    /// Opens a call that sends what `body` has and gets.
    pub fn open(peer: Arc<dyn Replication>, begin: ReplicateBegin, body: BodyReader) -> Self {
        let (commit, committed) = oneshot::channel();
        let member = begin.to;
        let sent = Arc::new(AtomicU64::new(0));
        let pieces = Pieces { body, bytes: 0, sent: sent.clone(), committed: Some(committed), commit: None };
        let call = async move { peer.replicate(begin, Box::pin(pieces)).await };
        let call = tokio::spawn(call.in_current_span());
        Self { member, commit, call, sent }
    }

    /// Why the call has ended before its commit, if it has. To be asked at most once more after it said so.
    pub fn refusal(&mut self) -> Option<StorageError> {
        match (&mut self.call).now_or_never()? {
            Ok(Err(error)) => Some(error),
            Ok(Ok(_)) | Err(_) => Some(StorageError::Unavailable("the call was ended".into())),
        }
    }

    /// Sends the commit behind the body and waits for the acknowledgement.
    pub async fn commit(self, commit: ReplicateCommit) -> Result<Version, StorageError> {
        // A closed channel means that the call has ended; its result says why.
        let _ = self.commit.send(commit);
        // A caller that gives up waiting must not leave the call behind.
        let mut call = AbortOnDropHandle::new(self.call);
        loop {
            let sent = self.sent.load(Ordering::Relaxed);
            match tokio::time::timeout(STALLED_AFTER, &mut call).await {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(_)) => return Err(StorageError::OutcomeUnknown("the call was ended".into())),
                Err(_) if self.sent.load(Ordering::Relaxed) != sent => {}
                Err(_) => return Err(StorageError::OutcomeUnknown("the call does not get on".into())),
            }
        }
    }
}

/// Chunks as they arrive, and behind the last one the commit, which says how many bytes there are.
struct Pieces {
    body: BodyReader,
    bytes: u64,
    sent: Arc<AtomicU64>,
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
        let bytes = self.bytes;
        if let Some(commit) = self.commit.take_if(|commit| commit.size == bytes) {
            self.sent.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready(Some(Replicate::Commit(commit)));
        }
        if self.commit.is_none() && self.committed.is_none() {
            return Poll::Ready(None);
        }
        match ready!(self.body.poll_piece(cx)) {
            Some(Ok(piece)) => {
                self.bytes += piece.len() as u64;
                self.sent.fetch_add(1, Ordering::Relaxed);
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
            remaining: STALLED_AFTER,
            size: Some(record.meta.size),
            staged: true,
            began: None,
        };
        Outgoing::open(self.peer(member), begin, body.reader())
    }
}

#[cfg(test)]
mod tests;
