//! The bytes around the messages of a GET's answer, written by hand so that chunks are never copied into a message.
//!
//! A gRPC message has a prefix: one byte that says whether it is compressed, four for its length (big endian). A chunk
//! of [`crate::v1::GetMessage`] is one protobuf field: its tag, its length, its bytes.

use bytes::{BufMut, BytesMut};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};

/// Length of the prefix of a message.
pub(super) const PREFIX_BYTES: usize = 5;
/// The number of the field `chunk` of [`crate::v1::GetMessage`].
const CHUNK_FIELD: u32 = 2;
/// How the field `chunk` begins: its number and its wire type.
pub(super) const CHUNK_TAG: u8 = (CHUNK_FIELD as u8) << 3 | WireType::LengthDelimited as u8;

/// Appends a whole message. It must be shorter than 4 GiB.
pub(super) fn put_message(buffer: &mut BytesMut, message: &impl Message) {
    let encoded = message.encode_to_vec();
    put_prefix(buffer, encoded.len());
    buffer.put_slice(&encoded);
}

/// Appends all of a chunk message but the `len` bytes of the chunk, which must follow. The chunk must be shorter than
/// 4 GiB.
pub(super) fn put_chunk_framing(buffer: &mut BytesMut, len: usize) {
    put_prefix(buffer, key_len(CHUNK_FIELD) + encoded_len_varint(len as u64) + len);
    encode_key(CHUNK_FIELD, WireType::LengthDelimited, buffer);
    encode_varint(len as u64, buffer);
}

fn put_prefix(buffer: &mut BytesMut, message_len: usize) {
    buffer.put_u8(0);
    buffer.put_u32(message_len as u32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{GetMessage, get_message::Message as Part};
    use bytes::Bytes;

    #[test]
    fn a_chunk_is_framed_as_its_message_is_encoded() {
        for len in [0, 1, 127, 128, 16 * 1024, 256 * 1024] {
            let chunk = Bytes::from(vec![7; len]);
            let (mut framed, mut encoded) = (BytesMut::new(), BytesMut::new());
            put_chunk_framing(&mut framed, len);
            framed.put_slice(&chunk);
            put_message(&mut encoded, &GetMessage { message: Some(Part::Chunk(chunk)) });
            assert!(framed == encoded, "they differ at {len}");
            assert_eq!(framed[PREFIX_BYTES], CHUNK_TAG);
        }
    }
}
