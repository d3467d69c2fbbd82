//! What GStreamer's `curlhttpsink` does: POST with `Expect: 100-continue` and without credentials, a second time with
//! Basic ones after the 401, then the body in very many tiny chunks.

use crate::origin::{Origin, expect};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::time::Duration;

/// As measured of a short stream: that many buffers of one transport packet each.
const CHUNKS: usize = 1791;
const PACKET: usize = 188;

fn head(authorization: &str) -> String {
    format!(
        "POST /cache/live/gst/stream.ts HTTP/1.1\r\nHost: o\r\nUser-Agent: GStreamer curlhttpsink\r\nAccept: */*\r\n\
         Transfer-Encoding: chunked\r\nContent-Type: video/mpegts\r\nExpect: 100-continue\r\n{authorization}\r\n"
    )
}

#[tokio::test]
async fn a_post_of_tiny_chunks_after_a_401() {
    let origin = Origin::start().await;
    let credentials = STANDARD.encode(format!("encoder:{}", origin.keys.encoder));
    let authorization = format!("Authorization: Basic {credentials}\r\n");
    for (round, status) in [201, 204].into_iter().enumerate() {
        // It waits for 100 or a final answer, and would wait for ever.
        let mut conn = origin.conn().await;
        let refused = conn.exchange(head("")).await.unwrap();
        expect(&refused, 401, "unauthorized");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Basic"));
        assert!(conn.is_closed_within(Duration::from_secs(30)).await, "a body was announced and not read");

        let mut conn = origin.conn().await;
        conn.send(head(&authorization)).await.unwrap();
        assert_eq!(conn.head().await.unwrap().0, 100);
        let body: Vec<u8> = (0..CHUNKS * PACKET).map(|i| (i * 31 % 251 + round) as u8).collect();
        let sending = async {
            for packet in body.chunks(PACKET) {
                // Each in a write of its own, as the sink does.
                conn.send([format!("{PACKET:x}\r\n").as_bytes(), packet, b"\r\n"].concat()).await.unwrap();
            }
            conn.exchange("0\r\n\r\n").await.unwrap()
        };
        // With a delayed acknowledgement for every few of them it would take far longer.
        let answer = tokio::time::timeout(Duration::from_secs(10), sending).await.expect("no stalls");
        expect(&answer, status, "");
        for frontend in 0..2 {
            let target = "/cache/live/gst/stream.ts";
            let get = origin.request_at(frontend, "GET", target, &origin.player(), b"").await;
            assert!(get.body == body, "{} bytes instead of {}", get.body.len(), body.len());
            assert_eq!(get.header("content-type"), Some("video/mpegts"));
        }
    }
}
