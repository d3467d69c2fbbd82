//! Ingest memory: a thousand uploads of unknown length at once.

use crate::origin::{Origin, expect};
use headwater_frontend::{FrontendConfig, UPLOAD_OVERHEAD_BYTES};
use headwater_testkit::{InProcessConfig, RawConn};
use headwater_types::limits::{CHUNK_BYTES, OBJECT_BYTES_DEFAULT};
use std::time::Duration;

#[tokio::test]
async fn new_uploads_wait_briefly_for_memory_then_are_refused() {
    let max = OBJECT_BYTES_DEFAULT;
    let frontend = FrontendConfig {
        ingest_budget_bytes: 2 * (max + CHUNK_BYTES as u64 + UPLOAD_OVERHEAD_BYTES),
        ingest_wait: Duration::from_millis(200),
        ..FrontendConfig::default()
    };
    let config = InProcessConfig { frontend, ..InProcessConfig::default() };
    let origin = Origin::with(config, Default::default()).await;
    // Two of unknown length take the whole budget: each is reserved at the namespace's limit.
    let mut held: Vec<RawConn> = Vec::new();
    for i in 0..2 {
        let mut conn = origin.conn().await;
        conn.send(format!(
            "PUT /cache/live/held{i}/s.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n{}\r\n",
            origin.encoder()
        ))
        .await
        .unwrap();
        assert_eq!(conn.head().await.unwrap().0, 100);
        held.push(conn);
    }
    let refused = origin.put("other/s.ts", b"x").await;
    expect(&refused, 503, "overloaded");
    assert!(refused.header("retry-after").is_some());
    // What was let in is not disturbed, and gives its memory back.
    for mut conn in held {
        expect(&conn.exchange("2\r\nok\r\n0\r\n\r\n").await.unwrap(), 201, "");
    }
    expect(&origin.put("other/s.ts", b"x").await, 201, "");
    // The group's recent size is known now: many more of unknown length fit.
    let mut open = Vec::new();
    for i in 0..50 {
        let mut conn = origin.conn().await;
        conn.send(format!(
            "PUT /cache/live/held0/s{i}.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n{}\r\n",
            origin.encoder()
        ))
        .await
        .unwrap();
        assert_eq!(conn.head().await.unwrap().0, 100, "upload {i}");
        open.push(conn);
    }
}
