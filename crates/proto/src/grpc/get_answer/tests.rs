use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;
use crate::{
    grpc::framing::put_chunk_framing,
    v1::{GetHeader, GetMessage},
};

/// A header, a chunk of four bytes, of which all but `missing` are there.
fn data(missing: usize) -> Frame<Bytes> {
    let mut data = BytesMut::new();
    put_message(&mut data, &GetMessage { message: Some(Message::Header(GetHeader::default())) });
    put_chunk_framing(&mut data, 4);
    data.extend_from_slice(&b"body"[missing..]);
    Frame::data(data.freeze())
}

fn trailers(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    Frame::trailers(trailers)
}

fn response(frames: Vec<Result<Frame<Bytes>, Status>>) -> Response<Body> {
    Response::new(Body::new(StreamBody::new(stream::iter(frames))))
}

/// How many parts come, and what ends them.
async fn read(response: Response<Body>) -> (usize, Option<StorageError>) {
    let mut answer = match GetAnswer::new(response) {
        Ok(answer) => answer,
        Err(status) => return (0, Some(read_error(&status))),
    };
    let mut parts = 0;
    while let Some(part) = answer.next().await {
        match part {
            Ok(_) => parts += 1,
            Err(error) => {
                assert!(answer.next().await.is_none(), "it goes on behind an error");
                return (parts, Some(error));
            }
        }
    }
    (parts, None)
}

#[tokio::test]
async fn only_a_status_ends_an_answer_cleanly() {
    let ok = Status::ok("");
    assert_eq!(read(response(vec![Ok(data(0)), Ok(trailers(&ok))])).await, (2, None));

    let said = StorageError::NotServing("a new map".into());
    let status = Status::from(said.clone());
    assert_eq!(read(response(vec![Ok(data(0)), Ok(trailers(&status))])).await, (2, Some(said)));

    for frames in [
        vec![Ok(data(0))],
        vec![Ok(data(1)), Ok(trailers(&ok))],
        vec![Ok(data(0)), Ok(Frame::trailers(HeaderMap::new()))],
        vec![Ok(data(0)), Err(Status::cancelled("reset"))],
    ] {
        let (parts, error) = read(response(frames)).await;
        assert!(parts == 2 && matches!(error, Some(StorageError::Unavailable(_))), "{parts}: {error:?}");
    }
}

#[tokio::test]
async fn a_status_may_come_in_the_headers() {
    let refused = Status::from(StorageError::AskTail).into_http();
    assert_eq!(read(refused).await, (0, Some(StorageError::AskTail)));
    assert_eq!(read(Status::ok("").into_http()).await, (0, None));
}

#[tokio::test]
async fn whoever_does_not_know_the_call_is_no_node() {
    let mut not_found = response(vec![]);
    *not_found.status_mut() = StatusCode::NOT_FOUND;
    assert!(matches!(read(not_found).await, (0, Some(StorageError::Invalid(_)))));
    let mut bad_gateway = response(vec![]);
    *bad_gateway.status_mut() = StatusCode::BAD_GATEWAY;
    assert!(matches!(read(bad_gateway).await, (0, Some(StorageError::Unavailable(_)))));
}
