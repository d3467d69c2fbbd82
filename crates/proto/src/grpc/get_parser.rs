//! Takes the answer to a GET apart: DATA frames in, headers and slices of chunks out. The bytes of chunks are never
//! copied or put together. Pure: it reads nothing itself.

use bytes::{Buf, Bytes};
use headwater_types::limits::GRPC_MESSAGE_BYTES_MAX;
use prost::{Message as _, encoding::decode_varint};

use super::{
    framing::{CHUNK_TAG, PREFIX_BYTES},
    limits::COLLECTED_BYTES_MAX,
};
use crate::{
    error::StorageError,
    v1::{GetMessage, get_message::Message},
};

/// Longest encoding of a number in protobuf.
const VARINT_BYTES_MAX: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Within the prefix of a message, or the tag and the length of its first field.
    Start,
    /// Within a message that is nothing but a chunk, of which so many bytes are still to come.
    Chunk { left: usize },
    /// Within any other message, of which so many bytes are still to come.
    Other { left: usize },
}

/// Reads the messages of one answer. After an error it has nothing more to say.
#[derive(Debug)]
pub(super) struct GetParser {
    state: State,
    /// What was read of the current message, its prefix included; nothing while in a chunk.
    seen: Vec<u8>,
    /// What was received and not yet read.
    input: Bytes,
}

impl GetParser {
    /// At the start of the first message.
    pub(super) fn new() -> Self {
        Self { state: State::Start, seen: Vec::new(), input: Bytes::new() }
    }

    /// Takes a DATA frame. All before it must have been read: [`GetParser::next_part`] has said that there is no more.
    pub(super) fn push(&mut self, frame: Bytes) {
        debug_assert!(self.input.is_empty(), "a frame that was not read");
        self.input = frame;
    }

    /// The next header, or the next bytes of a chunk: a slice of the frame that they came in. `None` until there is
    /// another frame.
    ///
    /// # Errors
    /// [`StorageError::Invalid`] for whatever is no message, is compressed, or is larger than it may be.
    pub(super) fn next_part(&mut self) -> Result<Option<Message>, StorageError> {
        loop {
            match self.state {
                State::Start => {
                    if self.input.is_empty() {
                        return Ok(None);
                    }
                    self.seen.push(self.input.get_u8());
                    if let Some(state) = after_start(&self.seen)? {
                        self.state = state;
                    }
                }
                State::Chunk { left } => {
                    if left > 0 && self.input.is_empty() {
                        return Ok(None);
                    }
                    let bytes = self.input.split_to(left.min(self.input.len()));
                    self.seen.clear();
                    self.state = match left - bytes.len() {
                        0 => State::Start,
                        left => State::Chunk { left },
                    };
                    return Ok(Some(Message::Chunk(bytes)));
                }
                State::Other { left } => {
                    let bytes = self.input.split_to(left.min(self.input.len()));
                    self.seen.extend_from_slice(&bytes);
                    let left = left - bytes.len();
                    if left > 0 {
                        self.state = State::Other { left };
                        return Ok(None);
                    }
                    let message = decode(&self.seen[PREFIX_BYTES..])?;
                    self.seen.clear();
                    self.state = State::Start;
                    return Ok(Some(message));
                }
            }
        }
    }

    /// Whether the answer may end here: no message has begun.
    pub(super) fn is_between_messages(&self) -> bool {
        self.state == State::Start && self.seen.is_empty()
    }
}

/// What follows the start of a message; `None` while the start is not complete.
fn after_start(seen: &[u8]) -> Result<Option<State>, StorageError> {
    let Some((prefix, field)) = seen.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    let [flag, len @ ..] = *prefix;
    if flag != 0 {
        return Err(StorageError::Invalid(format!("a message has the compression flag {flag}")));
    }
    let len = u32::from_be_bytes(len) as usize;
    if len > GRPC_MESSAGE_BYTES_MAX {
        return Err(StorageError::Invalid(format!("a message of {len} bytes")));
    }
    let left = len - field.len();
    if left > 0 && is_open(field) {
        return Ok(None);
    }
    match chunk_len(field) {
        Some(chunk) if chunk == left as u64 => Ok(Some(State::Chunk { left })),
        _ if len > COLLECTED_BYTES_MAX => {
            Err(StorageError::Invalid(format!("a message of {len} bytes that is no plain chunk")))
        }
        _ => Ok(Some(State::Other { left })),
    }
}

/// Whether it takes more bytes to tell if a message is nothing but a chunk.
fn is_open(field: &[u8]) -> bool {
    match field {
        [] | [CHUNK_TAG] => true,
        [CHUNK_TAG, len @ ..] => {
            len.len() < VARINT_BYTES_MAX && len.last().is_some_and(|byte| byte & 0x80 != 0)
        }
        _ => false,
    }
}

/// The length of the chunk that a message begins with.
fn chunk_len(field: &[u8]) -> Option<u64> {
    let mut len = field.strip_prefix(&[CHUNK_TAG])?;
    decode_varint(&mut len).ok()
}

fn decode(message: &[u8]) -> Result<Message, StorageError> {
    let message =
        GetMessage::decode(message).map_err(|e| StorageError::Invalid(format!("a message: {e}")))?;
    message.message.ok_or_else(|| StorageError::Invalid("a message is neither header nor chunk".into()))
}

#[cfg(test)]
mod tests;
