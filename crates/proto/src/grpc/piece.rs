//! What the two kinds of streamed writes have in common: bytes, then one message that makes them count.

use bytes::Bytes;
use headwater_types::{Digest, limits::CHUNK_BYTES};

use crate::{
    error::ConvertError,
    replication::Replicate,
    storage::{BodyEnd, BodyPiece},
    v1,
};

/// A piece of a streamed write.
pub(super) trait Piece:
    TryFrom<Self::Message, Error = ConvertError> + Into<Self::Message> + Send + Unpin + 'static
{
    /// What carries it on the wire.
    type Message: Send + Unpin + 'static;

    /// A piece of bytes.
    fn chunk(bytes: Bytes) -> Self;
    /// The bytes; or the piece itself, which closes the write.
    fn into_chunk(self) -> Result<Bytes, Self>;
    /// What the closing piece says of all bytes before it.
    fn end(&self) -> Option<BodyEnd>;
    /// The bytes of a chunk, none of the closing piece.
    fn bytes(&self) -> &[u8];
}

impl Piece for BodyPiece {
    type Message = v1::PutMessage;

    fn chunk(bytes: Bytes) -> Self {
        Self::Chunk(bytes)
    }

    fn into_chunk(self) -> Result<Bytes, Self> {
        match self {
            Self::Chunk(bytes) => Ok(bytes),
            end => Err(end),
        }
    }

    fn end(&self) -> Option<BodyEnd> {
        match self {
            Self::Chunk(_) => None,
            Self::End(end) => Some(*end),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Chunk(bytes) => bytes,
            Self::End(_) => &[],
        }
    }
}

impl Piece for Replicate {
    type Message = v1::ReplicateMessage;

    fn chunk(bytes: Bytes) -> Self {
        Self::Chunk(bytes)
    }

    fn into_chunk(self) -> Result<Bytes, Self> {
        match self {
            Self::Chunk(bytes) => Ok(bytes),
            commit => Err(commit),
        }
    }

    fn end(&self) -> Option<BodyEnd> {
        match self {
            Self::Chunk(_) => None,
            // A delete has no bytes, whatever stands in the field of its digest.
            Self::Commit(commit) if commit.tombstone => Some(BodyEnd { digest: Digest::of(&[]), size: 0 }),
            Self::Commit(commit) => Some(BodyEnd { digest: commit.digest, size: commit.size }),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Chunk(bytes) => bytes,
            Self::Commit(_) => &[],
        }
    }
}

/// Takes the next chunk off the front: what one chunk message may carry, without copying. Empty bytes give nothing.
pub(super) fn next_chunk(bytes: &mut Bytes) -> Option<Bytes> {
    (!bytes.is_empty()).then(|| bytes.split_to(bytes.len().min(CHUNK_BYTES)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
        std::iter::from_fn(move || next_chunk(&mut bytes))
    }

    #[test]
    fn splits_at_the_limit_and_shares_the_bytes() {
        let lens = |len: usize| split(Bytes::from(vec![7; len])).map(|c| c.len()).collect::<Vec<_>>();
        assert_eq!(lens(0), Vec::<usize>::new());
        assert_eq!(lens(1), [1]);
        assert_eq!(lens(CHUNK_BYTES), [CHUNK_BYTES]);
        assert_eq!(lens(CHUNK_BYTES + 1), [CHUNK_BYTES, 1]);
        let whole = Bytes::from(vec![7; 2 * CHUNK_BYTES]);
        let second = split(whole.clone()).nth(1).unwrap();
        assert_eq!(second.as_ptr(), whole[CHUNK_BYTES..].as_ptr());
    }
}
