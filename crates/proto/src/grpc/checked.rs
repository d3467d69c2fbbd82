//! The server's side of a streamed write: bytes off the wire are checked against what their end says of them.

use bytes::Bytes;
use futures_core::{Stream, stream::BoxStream};
use futures_util::{StreamExt, stream};
use headwater_types::DigestHasher;
use std::sync::{Arc, OnceLock};
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use super::{limits::HEADER_WAIT_MAX, piece::Piece};
use crate::{error::StorageError, storage::BodyEnd};

/// Why a body lost its end on the way in; empty while all is well.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<OnceLock<StorageError>>);

impl Fault {
    fn set(&self, error: StorageError) {
        // A body has one end, so there is no second fault.
        let _ = self.0.set(error);
    }

    /// The outcome of the write: behind the trait a bad end looks like a cut body, here it is known better.
    pub(super) fn explain<R>(&self, outcome: Result<R, StorageError>) -> Result<R, StorageError> {
        outcome.map_err(|error| self.0.get().cloned().unwrap_or(error))
    }
}

/// The first message of a streamed write, which must come soon: until then nobody knows whose write this is.
pub(super) async fn first_message<M>(messages: &mut Streaming<M>) -> Result<M, Status> {
    match timeout(HEADER_WAIT_MAX, messages.message()).await {
        Ok(message) => message?.ok_or_else(|| StorageError::BodyCut.into()),
        Err(_) => Err(StorageError::BodyCut.into()),
    }
}

struct Checked<S> {
    messages: S,
    hasher: DigestHasher,
    size: u64,
    fault: Fault,
}

/// The pieces of a streamed write. The closing piece comes through only if it has the digest and the size of the bytes
/// before it; a stream that breaks, ends early or carries anything else just ends, which is a cut body.
pub(super) fn checked<P, S>(messages: S, fault: Fault) -> BoxStream<'static, P>
where
    P: Piece,
    S: Stream<Item = Result<P::Message, Status>> + Send + Unpin + 'static,
{
    let checked = Checked { messages, hasher: DigestHasher::new(), size: 0, fault };
    stream::unfold(Some(checked), |checked| async move {
        let mut checked = checked?;
        let piece = checked.next_piece::<P>().await?;
        let is_last = piece.end().is_some();
        Some((piece, (!is_last).then_some(checked)))
    })
    .boxed()
}

impl<S> Checked<S> {
    async fn next_piece<P>(&mut self) -> Option<P>
    where
        P: Piece,
        S: Stream<Item = Result<P::Message, Status>> + Unpin,
    {
        let message = match self.messages.next().await? {
            Ok(message) => message,
            Err(status) => {
                if status.code() == Code::OutOfRange {
                    self.fault.set(StorageError::Invalid(status.message().to_owned()));
                }
                return None;
            }
        };
        let piece = match P::try_from(message) {
            Ok(piece) => piece,
            Err(malformed) => {
                self.fault.set(malformed.into());
                return None;
            }
        };
        let piece = own(piece);
        self.hasher.update(piece.bytes());
        self.size += piece.bytes().len() as u64;
        match piece.end() {
            Some(end) if end != self.end() => {
                self.fault.set(StorageError::DigestMismatch);
                None
            }
            _ => Some(piece),
        }
    }

    /// What was received so far.
    fn end(&self) -> BodyEnd {
        BodyEnd { digest: self.hasher.digest(), size: self.size }
    }
}

/// A chunk off the wire keeps the transport's buffer alive, up to twice its length. What is stored for hours must take
/// what it counts, so it gets an allocation of its own: the one copy on this way.
fn own<P: Piece>(piece: P) -> P {
    match piece.into_chunk() {
        Ok(bytes) => P::chunk(Bytes::copy_from_slice(&bytes)),
        Err(closing) => closing,
    }
}
