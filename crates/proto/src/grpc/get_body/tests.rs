use futures_util::{StreamExt, stream};
use headwater_types::{Attributes, MediaClass, Ttl, limits::CHUNK_BYTES};
use http_body_util::BodyExt;

use super::*;
use crate::{convert::status::read_error, grpc::get_parser::GetParser, storage::Arriving};

fn header() -> GetHeader {
    let attributes = Attributes {
        content_type: "video/mp2t".into(),
        content_encoding: None,
        cache_control: None,
        user_meta: Vec::new(),
    };
    let arriving = Arriving { attributes, class: MediaClass::Media, ttl: Ttl::from_secs(60).unwrap() };
    GetHeader::Arriving { arriving, range: None }
}

/// The chunks of an answer, and its status.
async fn read(mut body: GetBody) -> (Vec<Bytes>, Status) {
    let mut parser = GetParser::new();
    let mut chunks = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.unwrap().into_data() {
            Ok(bytes) => parser.push(bytes),
            Err(trailers) => {
                assert!(parser.is_between_messages() && body.is_end_stream());
                return (chunks, Status::from_header_map(trailers.trailers_ref().unwrap()).unwrap());
            }
        }
        while let Some(part) = parser.next_part().unwrap() {
            if let Message::Chunk(bytes) = part {
                chunks.push(bytes);
            }
        }
    }
    panic!("no trailers");
}

#[tokio::test]
async fn chunks_share_the_bytes_of_the_body() {
    let pieces =
        vec![Bytes::from(vec![1; 2 * CHUNK_BYTES + 1]), Bytes::new(), Bytes::from(vec![2; CHUNK_BYTES])];
    let starts = [&pieces[0][..], &pieces[0][CHUNK_BYTES..], &pieces[0][2 * CHUNK_BYTES..], &pieces[2][..]];
    let starts = starts.map(<[u8]>::as_ptr);
    let streamed = stream::iter(pieces.clone().into_iter().map(Ok)).boxed();
    for body in [ObjectBody::Memory(Chunks::new(pieces)), ObjectBody::Stream(streamed)] {
        let (chunks, status) = read(GetBody::new(header(), Some(body))).await;
        assert_eq!(
            chunks.iter().map(|c| c.len()).collect::<Vec<_>>(),
            [CHUNK_BYTES, CHUNK_BYTES, 1, CHUNK_BYTES]
        );
        assert_eq!(chunks.iter().map(|c| c.as_ptr()).collect::<Vec<_>>(), starts);
        assert_eq!(status.code(), tonic::Code::Ok);
    }
    let (chunks, status) = read(GetBody::new(header(), None)).await;
    assert_eq!((chunks.len(), status.code()), (0, tonic::Code::Ok));
}

#[tokio::test]
async fn the_header_does_not_wait_for_the_body() {
    let mut body = GetBody::new(header(), Some(ObjectBody::Stream(stream::pending().boxed())));
    let mut parser = GetParser::new();
    parser.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
    assert!(matches!(parser.next_part(), Ok(Some(Message::Header(_)))));
}

#[tokio::test]
async fn what_cuts_the_body_is_its_status() {
    let cut = StorageError::NotServing("a new map".into());
    for before in [vec![], vec![Ok(Bytes::from_static(b"ab"))]] {
        let pieces = stream::iter(before.clone()).chain(stream::iter([Err(cut.clone())])).boxed();
        let (chunks, status) = read(GetBody::new(header(), Some(ObjectBody::Stream(pieces)))).await;
        assert_eq!((chunks.len(), read_error(&status)), (before.len(), cut.clone()));
    }
}
