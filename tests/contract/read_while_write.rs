//! Reading an object that is still arriving, through both zones.

use crate::origin::{Origin, expect};
use headwater_testkit::{RawConn, until};
use std::time::Duration;

pub(crate) async fn open_put(origin: &Origin, key: &str) -> RawConn {
    let mut conn = origin.conn().await;
    let head = format!(
        "PUT /cache/live/{key} HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n{}\r\n",
        origin.encoder()
    );
    conn.send(head).await.unwrap();
    conn
}

/// A reader that has its response head, at one of the frontends.
pub(crate) async fn open_get(
    origin: &Origin,
    frontend: usize,
    key: &str,
) -> (RawConn, Vec<(String, String)>) {
    until("the object arrives", Duration::from_secs(30), || async {
        let mut conn = origin.conn_at(frontend).await;
        conn.send(Origin::bytes("GET", &format!("/cache/live/{key}"), &origin.player(), b"")).await.unwrap();
        let (status, headers) = conn.head().await.unwrap();
        (status == 200).then_some((conn, headers))
    })
    .await
}

/// The reader's answer breaks off soon: it neither ends cleanly nor stays open.
pub(crate) async fn assert_cut(reader: &mut RawConn) {
    let rest = tokio::time::timeout(Duration::from_secs(30), reader.rest()).await;
    let rest = rest.expect("the reader is cut").expect("the connection ends");
    assert!(!rest.ends_with(b"0\r\n\r\n"), "no clean end");
}

#[tokio::test]
pub(crate) async fn media_is_streamed_as_it_arrives_in_both_zones() {
    let origin = Origin::start().await;
    let mut put = open_put(&origin, "d/s.ts").await;
    expect(&origin.get("d/s.ts").await, 404, "not_found");
    put.send("5\r\nfirst\r\n").await.unwrap();
    for frontend in 0..2 {
        let (mut reader, headers) = open_get(&origin, frontend, "d/s.ts").await;
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(header("transfer-encoding"), Some("chunked"));
        assert_eq!(header("etag"), None);
        assert_eq!(header("content-type"), Some("video/mp2t"));
        assert_eq!(header("cache-control"), Some("public, max-age=60"));
        assert_eq!(reader.chunk().await.unwrap(), b"first", "before the upload ends");
        let head = origin.request_at(frontend, "HEAD", "/cache/live/d/s.ts", &origin.player(), b"").await;
        assert_eq!((head.status, head.header("content-length")), (200, None));
    }
    let (mut a, _) = open_get(&origin, 0, "d/s.ts").await;
    let (mut b, _) = open_get(&origin, 1, "d/s.ts").await;
    put.send("6\r\nsecond\r\n").await.unwrap();
    for reader in [&mut a, &mut b] {
        assert_eq!(reader.chunk().await.unwrap(), b"first");
        assert_eq!(reader.chunk().await.unwrap(), b"second");
    }
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    for reader in [&mut a, &mut b] {
        assert!(reader.chunk().await.unwrap().is_empty(), "the clean end");
    }
}

#[tokio::test]
pub(crate) async fn a_failed_upload_cuts_its_readers() {
    let origin = Origin::start().await;
    let mut put = open_put(&origin, "d/s.ts").await;
    put.send("5\r\nfirst\r\n").await.unwrap();
    let (mut a, _) = open_get(&origin, 0, "d/s.ts").await;
    let (mut b, _) = open_get(&origin, 1, "d/s.ts").await;
    drop(put);
    for reader in [&mut a, &mut b] {
        assert_cut(reader).await;
    }
    expect(&origin.get("d/s.ts").await, 404, "not_found");
}

#[tokio::test]
pub(crate) async fn playlists_are_visible_only_when_whole() {
    let origin = Origin::start().await;
    let mut put = open_put(&origin, "d/p.m3u8").await;
    put.send("8\r\n#EXTM3U\n\r\n").await.unwrap();
    expect(&origin.get("d/p.m3u8").await, 404, "not_found");
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    let mut put = open_put(&origin, "d/p.m3u8").await;
    put.send("9\r\n#EXTM3U\n#\r\n").await.unwrap();
    assert_eq!(origin.get("d/p.m3u8").await.body, b"#EXTM3U\n", "the one before");
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 204, "");
    assert_eq!(origin.get("d/p.m3u8").await.body, b"#EXTM3U\n#");
}

#[tokio::test]
pub(crate) async fn an_earlier_version_is_read_until_the_new_one_is_whole() {
    let origin = Origin::start().await;
    origin.put("d/s.ts", b"old").await;
    let mut put = open_put(&origin, "d/s.ts").await;
    put.send("3\r\nnew\r\n").await.unwrap();
    let get = origin.get("d/s.ts").await;
    assert_eq!((get.body.as_slice(), get.header("content-length")), (&b"old"[..], Some("3")));
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 204, "");
    assert_eq!(origin.get("d/s.ts").await.body, b"new");
}

#[tokio::test]
pub(crate) async fn old_readers_wait_for_the_whole() {
    let origin = Origin::start().await;
    let mut put = open_put(&origin, "d/s.ts").await;
    put.send("5\r\nfirst\r\n").await.unwrap();
    drop(open_get(&origin, 0, "d/s.ts").await);
    let mut old = origin.conn().await;
    old.send(format!("GET /cache/live/d/s.ts HTTP/1.0\r\nHost: o\r\n{}\r\n", origin.player())).await.unwrap();
    put.send("6\r\nsecond\r\n").await.unwrap();
    let (mut reader, _) = open_get(&origin, 0, "d/s.ts").await;
    assert_eq!(reader.chunk().await.unwrap(), b"first");
    assert_eq!(reader.chunk().await.unwrap(), b"second");
    assert!(old.is_silent_for(Duration::from_millis(300)).await, "not a byte before the upload ends");
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    let response = old.response().await.unwrap();
    assert_eq!((response.status, response.header("content-length")), (200, Some("11")));
    assert_eq!(response.body, b"firstsecond");
}

#[tokio::test]
pub(crate) async fn delete_cuts_readers_while_the_upload_wins() {
    let origin = Origin::start().await;
    let mut put = open_put(&origin, "d/s.ts").await;
    put.send("5\r\nfirst\r\n").await.unwrap();
    let (mut a, _) = open_get(&origin, 0, "d/s.ts").await;
    let (mut b, _) = open_get(&origin, 1, "d/s.ts").await;
    expect(&origin.request("DELETE", "/cache/live/d/s.ts", &origin.encoder(), b"").await, 204, "");
    for reader in [&mut a, &mut b] {
        assert_cut(reader).await;
    }
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    assert_eq!(origin.get("d/s.ts").await.body, b"first");
}

#[tokio::test]
pub(crate) async fn a_namespace_may_turn_it_off() {
    let settings = headwater_meta::NamespaceSettings { read_while_write: false, ..Default::default() };
    let origin = Origin::with_settings(settings).await;
    let mut put = open_put(&origin, "d/s.ts").await;
    put.send("5\r\nfirst\r\n").await.unwrap();
    expect(&origin.get("d/s.ts").await, 404, "not_found");
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    assert_eq!(origin.get("d/s.ts").await.body, b"first");
}

#[tokio::test]
pub(crate) async fn of_two_uploads_the_one_begun_last_is_followed() {
    let origin = Origin::start().await;
    let mut first = open_put(&origin, "d/s.ts").await;
    first.send("5\r\nfirst\r\n").await.unwrap();
    let mut followers = Vec::new();
    for frontend in 0..2 {
        let (mut reader, _) = open_get(&origin, frontend, "d/s.ts").await;
        assert_eq!(reader.chunk().await.unwrap(), b"first");
        followers.push(reader);
    }
    let mut last = open_put(&origin, "d/s.ts").await;
    last.send("4\r\nlast\r\n").await.unwrap();
    // Bytes of the older upload that come later change nothing.
    for frontend in 0..2 {
        until("the one begun last is followed", Duration::from_secs(30), || async {
            let (mut reader, _) = open_get(&origin, frontend, "d/s.ts").await;
            (reader.chunk().await.unwrap() == b"last").then_some(())
        })
        .await;
    }
    first.send("3\r\nold\r\n").await.unwrap();
    for reader in &mut followers {
        assert_eq!(reader.chunk().await.unwrap(), b"old", "who follows the older one goes on with it");
    }
    let (mut a, _) = open_get(&origin, 0, "d/s.ts").await;
    let (mut b, _) = open_get(&origin, 1, "d/s.ts").await;
    for reader in [&mut a, &mut b] {
        assert_eq!(reader.chunk().await.unwrap(), b"last");
    }
    drop(last);
    for reader in [&mut a, &mut b] {
        assert_cut(reader).await;
    }
    expect(&first.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    for reader in &mut followers {
        assert!(reader.chunk().await.unwrap().is_empty(), "the clean end");
    }
    assert_eq!(origin.get("d/s.ts").await.body, b"firstold");
}
