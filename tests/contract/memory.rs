//! Ingest memory: what is let in, what waits and what is refused.

use crate::origin::{Origin, expect};
use headwater_frontend::{FrontendConfig, UPLOAD_OVERHEAD_BYTES};
use headwater_testkit::{InProcessConfig, RawConn};
use headwater_types::limits::BODY_AHEAD_BYTES;
use std::time::Duration;

/// What an upload of unknown length must find.
const UNKNOWN: u64 = UPLOAD_OVERHEAD_BYTES + BODY_AHEAD_BYTES;

async fn origin_with(ingest_budget_bytes: u64) -> Origin {
    let frontend = FrontendConfig {
        ingest_budget_bytes,
        ingest_wait: Duration::from_millis(200),
        ..FrontendConfig::default()
    };
    Origin::with(InProcessConfig { frontend, ..InProcessConfig::default() }, Default::default()).await
}

/// Opens an upload whose body waits for `100 Continue`.
async fn open(origin: &Origin, key: &str, framing: &str) -> RawConn {
    let mut conn = origin.conn().await;
    let encoder = origin.encoder();
    let head = format!(
        "PUT /cache/live/{key} HTTP/1.1\r\nHost: o\r\n{framing}\r\nExpect: 100-continue\r\n{encoder}\r\n"
    );
    conn.send(head).await.unwrap();
    conn
}

const CHUNKED: &str = "Transfer-Encoding: chunked";

#[tokio::test]
async fn new_uploads_wait_briefly_for_memory_then_are_refused() {
    // Beside a body whose length is known there is just room for one of unknown length.
    let known = 3_000_000;
    let origin = origin_with(UPLOAD_OVERHEAD_BYTES + known + UNKNOWN).await;
    let mut held = open(&origin, "held/s.ts", &format!("Content-Length: {known}")).await;
    assert_eq!(held.head().await.unwrap().0, 100);
    let mut unknown = open(&origin, "unknown/s.ts", CHUNKED).await;
    assert_eq!(unknown.head().await.unwrap().0, 100, "it fits exactly");

    // Of it only the overhead is taken: what it had to find is left.
    let left = BODY_AHEAD_BYTES - UPLOAD_OVERHEAD_BYTES;
    let mut more = open(&origin, "more/s.ts", &format!("Content-Length: {left}")).await;
    assert_eq!(more.head().await.unwrap().0, 100, "it fits exactly");
    let refused = open(&origin, "other/s.ts", CHUNKED).await.response().await.unwrap();
    expect(&refused, 503, "overloaded");
    assert!(refused.header("retry-after").is_some());
    expect(&origin.put("other/s.ts", b"x").await, 503, "overloaded");

    // What was let in is not disturbed, and gives its memory back.
    expect(&held.exchange(vec![7; known as usize]).await.unwrap(), 201, "");
    expect(&more.exchange(vec![7; left as usize]).await.unwrap(), 201, "");
    expect(&unknown.exchange("2\r\nok\r\n0\r\n\r\n").await.unwrap(), 201, "");
    expect(&origin.put("other/s.ts", b"x").await, 201, "");
}

#[tokio::test]
async fn open_uploads_of_which_nothing_has_arrived_use_up_nothing_but_their_buffers() {
    const OPEN: u64 = 80;
    let origin = origin_with((OPEN - 1) * UPLOAD_OVERHEAD_BYTES + UNKNOWN).await;
    let mut uploads = Vec::new();
    for i in 0..OPEN {
        let mut conn = open(&origin, &format!("channel{i}/s.ts"), CHUNKED).await;
        assert_eq!(conn.head().await.unwrap().0, 100, "upload {i}");
        uploads.push(conn);
    }
    let refused = open(&origin, "one/more.ts", CHUNKED).await.response().await.unwrap();
    expect(&refused, 503, "overloaded");
    for mut conn in uploads {
        expect(&conn.exchange("2\r\nok\r\n0\r\n\r\n").await.unwrap(), 201, "");
    }
}

#[tokio::test]
async fn the_newest_that_grew_is_refused_for_an_older_one() {
    const PIECE: usize = 256 << 10;
    let origin = origin_with(8 << 20).await;
    let piece = [format!("{PIECE:x}\r\n").as_bytes(), &[b'x'; PIECE], b"\r\n"].concat();
    let mut uploads = Vec::new();
    for i in 0..3 {
        let mut conn = open(&origin, &format!("channel{i}/s.ts"), CHUNKED).await;
        assert_eq!(conn.head().await.unwrap().0, 100, "upload {i}");
        uploads.push(conn);
    }
    let [mut first, mut second, mut third] = <[RawConn; 3]>::try_from(uploads).ok().unwrap();
    // The third grows first, and stands still then; the first needs room that only its bytes can give.
    third.send(piece.repeat(12)).await.unwrap();
    first.send(piece.repeat(28)).await.unwrap();
    expect(&third.response().await.unwrap(), 503, "overloaded");
    expect(&first.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    expect(&second.exchange("2\r\nok\r\n0\r\n\r\n").await.unwrap(), 201, "");
    assert_eq!(origin.get("channel0/s.ts").await.body.len(), 28 * PIECE);
    expect(&origin.get("channel2/s.ts").await, 404, "not_found");
}
