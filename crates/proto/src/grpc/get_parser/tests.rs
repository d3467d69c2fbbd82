use bytes::{BufMut, BytesMut};
use headwater_types::limits::CHUNK_BYTES;
use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{
    grpc::framing::{put_chunk_framing, put_message},
    v1::GetHeader,
};

/// All that a parser makes of frames: the chunks together, the number of headers before and between them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    bytes: Vec<u8>,
    headers: usize,
    error: Option<StorageError>,
    is_between_messages: bool,
}

fn read(frames: &[Bytes]) -> Read {
    let mut parser = GetParser::new();
    let mut read = Read::default();
    for frame in frames {
        parser.push(frame.clone());
        loop {
            match parser.next_part() {
                Ok(Some(Message::Chunk(bytes))) => {
                    let is_slice = frame.as_ptr_range().contains(&bytes.as_ptr());
                    assert!(is_slice || bytes.len() < 256, "a copy of {} bytes", bytes.len());
                    read.bytes.extend_from_slice(&bytes);
                }
                Ok(Some(Message::Header(_))) => read.headers += 1,
                Ok(None) => break,
                Err(error) => {
                    read.error = Some(error);
                    return read;
                }
            }
        }
    }
    read.is_between_messages = parser.is_between_messages();
    read
}

fn cut(mut bytes: Bytes, at: &[Index]) -> Vec<Bytes> {
    let mut cuts: Vec<usize> = at.iter().map(|index| index.index(bytes.len() + 1)).collect();
    cuts.sort_unstable_by(|a, b| b.cmp(a));
    let mut frames: Vec<Bytes> = cuts.into_iter().map(|cut| bytes.split_off(cut)).collect();
    frames.push(bytes);
    frames.reverse();
    frames
}

fn message(part: Option<Message>) -> Bytes {
    let mut buffer = BytesMut::new();
    put_message(&mut buffer, &GetMessage { message: part });
    buffer.freeze()
}

fn prefix(len: usize) -> BytesMut {
    let mut buffer = BytesMut::new();
    buffer.put_u8(0);
    buffer.put_u32(len as u32);
    buffer
}

fn is_invalid(read: &Read) -> bool {
    matches!(read.error, Some(StorageError::Invalid(_)))
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_it_says_the_same(
        chunks in vec(vec(any::<u8>(), 0..400), 0..6),
        at in vec(any::<Index>(), 0..12),
    ) {
        let mut stream = BytesMut::from(&*message(Some(Message::Header(GetHeader::default()))));
        for chunk in &chunks {
            stream.put(message(Some(Message::Chunk(Bytes::copy_from_slice(chunk)))));
        }
        let want = Read { bytes: chunks.concat(), headers: 1, error: None, is_between_messages: true };
        let bytes: Vec<Bytes> = stream.iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect();
        prop_assert_eq!(&read(&bytes), &want);
        prop_assert_eq!(&read(&cut(stream.freeze(), &at)), &want);
    }

    #[test]
    fn garbage_is_read_or_refused_the_same_way_however_it_is_cut(
        len in 0..40_usize,
        // Bytes that begin fields and continue numbers are likely, else little gets past the first check.
        garbage in vec(prop_oneof![Just(CHUNK_TAG), Just(0x0a), Just(0x80), Just(0), 0..20_u8, any::<u8>()], 0..80),
        at in vec(any::<Index>(), 0..6),
    ) {
        let mut stream = prefix(len);
        stream.put_slice(&garbage);
        let stream = stream.freeze();
        prop_assert_eq!(read(std::slice::from_ref(&stream)), read(&cut(stream, &at)));
        let garbage = Bytes::from(garbage);
        prop_assert_eq!(read(std::slice::from_ref(&garbage)), read(&cut(garbage, &at)));
    }
}

#[test]
fn a_chunk_message_at_the_limit_and_one_past() {
    // The tag and the length of the field take 5 bytes.
    for (len, is_too_long) in [(GRPC_MESSAGE_BYTES_MAX - 5, false), (GRPC_MESSAGE_BYTES_MAX - 4, true)] {
        let mut framing = BytesMut::new();
        put_chunk_framing(&mut framing, len);
        let seen = read(&[framing.freeze(), Bytes::from(vec![7; len])]);
        assert_eq!(is_invalid(&seen), is_too_long, "{len}");
        assert_eq!(seen.bytes.len(), if is_too_long { 0 } else { len });
    }
}

#[test]
fn a_collected_message_at_the_limit_and_one_past() {
    // Field 3, which no version has: its tag, and 3 bytes of its length.
    for (len, is_too_long) in [(COLLECTED_BYTES_MAX - 2, false), (COLLECTED_BYTES_MAX - 1, true)] {
        let mut stream = prefix(len + 2);
        stream.put_slice(&[CHUNK_TAG, 0]);
        stream.put_slice(&[3 << 3 | 2]);
        prost::encoding::encode_varint(len as u64 - 4, &mut stream);
        stream.put_bytes(0, len - 4);
        let seen = read(&[stream.freeze()]);
        assert_eq!(is_invalid(&seen), is_too_long, "{len}: {:?}", seen.error);
        assert_eq!(seen.is_between_messages, !is_too_long);
    }
}

#[test]
fn a_chunk_beside_fields_of_a_newer_version_is_read() {
    let mut stream = prefix(8);
    stream.put_slice(&[CHUNK_TAG, 4, b'b', b'o', b'd', b'y', 3 << 3, 1]);
    assert_eq!(read(&[stream.freeze()]).bytes, b"body");
}

#[test]
fn what_is_no_message_is_refused() {
    let whole_chunk = message(Some(Message::Chunk(vec![7; CHUNK_BYTES].into())));
    let mut compressed = BytesMut::from(&*whole_chunk);
    compressed[0] = 1;
    assert!(is_invalid(&read(&[compressed.freeze()])));
    assert!(is_invalid(&read(&[message(None)])));
    let mut longer_than_its_message = prefix(3);
    longer_than_its_message.put_slice(&[CHUNK_TAG, 2, b'a']);
    assert!(is_invalid(&read(&[longer_than_its_message.freeze()])));
    assert!(!read(&[whole_chunk.slice(..whole_chunk.len() - 1)]).is_between_messages);
}
