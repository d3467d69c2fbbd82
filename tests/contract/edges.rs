//! Requests at the edges of the rules: targets, conditions and readers that clients rarely send.

use crate::origin::{Origin, expect};
use headwater_frontend::FrontendConfig;
use headwater_testkit::{InProcessConfig, until};
use std::time::Duration;

#[tokio::test]
async fn a_fragment_in_the_target_stores_nothing_under_a_part_of_its_name() {
    let origin = Origin::start().await;
    let put = origin.request("PUT", "/cache/live/show#1.ts", &origin.encoder(), b"x").await;
    assert_eq!(put.status, 400);
    expect(&origin.get("show").await, 404, "not_found");
    expect(&origin.put("show%231.ts", b"x").await, 201, "");
    assert_eq!(origin.get("show%231.ts").await.body, b"x");
}

#[tokio::test]
async fn a_precondition_that_does_not_hold_takes_the_place_of_continue() {
    let origin = Origin::start().await;
    origin.put("k.ts", b"x").await;
    for (key, condition, status) in
        [("k.ts", "If-None-Match: *", 412), ("k.ts", "If-Match: *", 100), ("new.ts", "If-Match: *", 412)]
    {
        let mut conn = origin.conn().await;
        let head = format!(
            "PUT /cache/live/{key} HTTP/1.1\r\nHost: o\r\nContent-Length: 1\r\nExpect: 100-continue\r\n{condition}\r\n{}\r\n",
            origin.encoder()
        );
        conn.send(head).await.unwrap();
        assert_eq!(conn.head().await.unwrap().0, status, "{key} {condition}");
        if status == 100 {
            expect(&conn.exchange("y").await.unwrap(), 204, "");
        }
    }
}

#[tokio::test]
async fn every_frontend_says_the_same_age_of_a_playlist() {
    let origin = Origin::start().await;
    let put = origin.put("v.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nv_1.ts\n").await;
    let etag = put.header("etag").unwrap();
    assert_eq!(origin.get("v.m3u8").await.header("cache-control"), Some("public, max-age=3"));
    let headers = format!("{}If-None-Match: {etag}\r\n", origin.player());
    let known = origin.request_at(1, "GET", "/cache/live/v.m3u8", &headers, b"").await;
    assert_eq!((known.status, known.header("cache-control")), (304, Some("public, max-age=3")));
}

#[tokio::test]
async fn old_readers_wait_longer_than_a_read_may_take() {
    let budget = Duration::from_millis(400);
    let frontend = FrontendConfig { read_budget: budget, ..FrontendConfig::default() };
    let origin =
        Origin::with(InProcessConfig { frontend, ..InProcessConfig::default() }, Default::default()).await;
    let mut put = origin.conn().await;
    put.send(format!(
        "PUT /cache/live/d/s.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n{}\r\n5\r\nfirst\r\n",
        origin.encoder()
    ))
    .await
    .unwrap();
    until("the object arrives", Duration::from_secs(30), || async {
        let head = origin.request("HEAD", "/cache/live/d/s.ts", &origin.player(), b"").await;
        (head.status == 200).then_some(())
    })
    .await;
    let mut old = Vec::new();
    for frontend in 0..2 {
        let mut conn = origin.conn_at(frontend).await;
        let get = format!("GET /cache/live/d/s.ts HTTP/1.0\r\nHost: o\r\n{}\r\n", origin.player());
        conn.send(get).await.unwrap();
        old.push(conn);
    }
    for conn in &mut old {
        assert!(!conn.is_closed_within(2 * budget).await, "it was not waited for");
    }
    expect(&put.exchange("6\r\nsecond\r\n0\r\n\r\n").await.unwrap(), 201, "");
    for mut conn in old {
        let response = conn.response().await.unwrap();
        assert_eq!((response.status, response.header("content-length")), (200, Some("11")));
        assert_eq!(response.body, b"firstsecond");
    }
}

#[tokio::test]
async fn scripts_may_read_the_metadata_of_an_object() {
    let origin = Origin::start().await;
    origin.put_with("k.ts", "x-headwater-meta-take: 7\r\n", b"x").await;
    let get = origin.get_with("k.ts", "Origin: https://player.example\r\n").await;
    let exposed = get.header("access-control-expose-headers").unwrap();
    for name in ["ETag", "Retry-After", "x-headwater-meta-take"] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{name} in {exposed}");
    }
}
