//! Ranges of an object that is still arriving, through both zones: what byte-range playlists and parts are read with.

use crate::{
    origin::{Origin, expect},
    read_while_write::{assert_cut, open_get, open_put},
};
use headwater_testkit::RawConn;
use std::time::Duration;

const KEY: &str = "d/s.mp4";

/// Asks for a range, with more header lines.
async fn ask(origin: &Origin, frontend: usize, range: &str, headers: &str) -> RawConn {
    let mut conn = origin.conn_at(frontend).await;
    let headers = format!("{}Range: {range}\r\n{headers}", origin.player());
    conn.send(Origin::bytes("GET", &format!("/cache/live/{KEY}"), &headers, b"")).await.unwrap();
    conn
}

/// Reads the head of a 206; its Content-Range and Content-Length.
async fn partial(reader: &mut RawConn) -> (String, usize) {
    let (status, headers) = reader.head().await.unwrap();
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(status, 206, "{headers:?}");
    assert_eq!((header("transfer-encoding"), header("etag")), (None, None));
    assert_eq!(header("content-type"), Some("video/mp4"));
    assert_eq!(header("cache-control"), Some("public, max-age=60"));
    (header("content-range").unwrap().to_owned(), header("content-length").unwrap().parse().unwrap())
}

#[tokio::test]
pub(crate) async fn bounded_ranges_are_answered_as_their_bytes_arrive() {
    let origin = Origin::start().await;
    let mut put = open_put(&origin, KEY).await;
    put.send("5\r\nfirst\r\n").await.unwrap();
    let mut open = Vec::new();
    for frontend in 0..2 {
        drop(open_get(&origin, frontend, KEY).await);
        // While the upload goes on, on one connection: the answer ends behind its last byte.
        let mut conn = origin.conn_at(frontend).await;
        for (range, want) in [("0-0", "f"), ("0-4", "first"), ("1-3", "irs"), ("4-4", "t")] {
            let headers = format!("{}Range: bytes={range}\r\n", origin.player());
            conn.send(Origin::bytes("GET", &format!("/cache/live/{KEY}"), &headers, b"")).await.unwrap();
            assert_eq!(partial(&mut conn).await, (format!("bytes {range}/*"), want.len()));
            assert_eq!(conn.exactly(want.len()).await.unwrap(), want.as_bytes());
        }
        let mut reader = ask(&origin, frontend, "bytes=3-7", "").await;
        assert_eq!(partial(&mut reader).await, ("bytes 3-7/*".into(), 5));
        assert_eq!(reader.exactly(2).await.unwrap(), b"st");
        open.push(reader);
    }
    put.send("6\r\nsecond\r\n").await.unwrap();
    for reader in &mut open {
        assert_eq!(reader.exactly(3).await.unwrap(), b"sec");
    }
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    for frontend in 0..2 {
        let (target, player) = (format!("/cache/live/{KEY}"), origin.player());
        let whole = origin.request_at(frontend, "GET", &target, &player, b"").await;
        assert_eq!(whole.body, b"firstsecond", "no part is kept for the whole");
        let stored = ask(&origin, frontend, "bytes=3-7", "").await.response().await.unwrap();
        assert_eq!((stored.status, stored.header("content-range")), (206, Some("bytes 3-7/11")));
    }
}

#[tokio::test]
pub(crate) async fn a_range_beyond_what_has_arrived_waits_for_its_first_byte() {
    let origin = Origin::start().await;
    let mut put = open_put(&origin, KEY).await;
    put.send("5\r\nfirst\r\n").await.unwrap();
    let mut waiting = Vec::new();
    for frontend in 0..2 {
        drop(open_get(&origin, frontend, KEY).await);
        for range in ["5-6", "6-8"] {
            waiting.push((range, ask(&origin, frontend, &format!("bytes={range}"), "").await));
        }
    }
    for (_, reader) in &mut waiting {
        assert!(reader.is_silent_for(Duration::from_millis(100)).await, "the object may end before it");
    }
    put.send("1\r\ns\r\n").await.unwrap();
    for (range, reader) in waiting.iter_mut().filter(|(range, _)| *range == "5-6") {
        assert_eq!(partial(reader).await, (format!("bytes {range}/*"), 2));
        assert_eq!(reader.exactly(1).await.unwrap(), b"s");
    }
    for (_, reader) in waiting.iter_mut().filter(|(range, _)| *range == "6-8") {
        assert!(reader.is_silent_for(Duration::from_millis(100)).await, "one byte is missing");
    }
    put.send("3\r\neco\r\n").await.unwrap();
    for (range, reader) in &mut waiting {
        match *range {
            "5-6" => assert_eq!(reader.exactly(1).await.unwrap(), b"e"),
            _ => {
                assert_eq!(partial(reader).await, ("bytes 6-8/*".into(), 3));
                assert_eq!(reader.exactly(3).await.unwrap(), b"eco");
            }
        }
    }
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 201, "");
}

#[tokio::test]
pub(crate) async fn a_range_that_the_object_does_not_fill_is_cut_or_refused() {
    let origin = Origin::start().await;
    let mut put = open_put(&origin, KEY).await;
    put.send("5\r\nfirst\r\n").await.unwrap();
    let mut readers = Vec::new();
    for frontend in 0..2 {
        drop(open_get(&origin, frontend, KEY).await);
        for range in ["4-6", "5-5"] {
            readers.push((range, ask(&origin, frontend, &format!("bytes={range}"), "").await));
        }
    }
    for (_, reader) in readers.iter_mut().filter(|(range, _)| *range == "4-6") {
        assert_eq!(partial(reader).await, ("bytes 4-6/*".into(), 3));
        assert_eq!(reader.exactly(1).await.unwrap(), b"t");
    }
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    for (range, reader) in &mut readers {
        match *range {
            "4-6" => {
                assert!(reader.is_closed_within(Duration::from_secs(30)).await, "it was promised 3 bytes")
            }
            _ => {
                let refused = reader.response().await.unwrap();
                expect(&refused, 416, "range_not_satisfiable");
                assert_eq!(refused.header("content-range"), Some("bytes */5"));
            }
        }
    }
}

#[tokio::test]
pub(crate) async fn an_upload_that_fails_or_is_deleted_cuts_its_ranges() {
    for is_deleted in [false, true] {
        let origin = Origin::start().await;
        let mut put = open_put(&origin, KEY).await;
        put.send("5\r\nfirst\r\n").await.unwrap();
        let mut readers = Vec::new();
        for frontend in 0..2 {
            drop(open_get(&origin, frontend, KEY).await);
            let mut begun = ask(&origin, frontend, "bytes=4-6", "").await;
            assert_eq!(partial(&mut begun).await.1, 3);
            readers.push((begun, ask(&origin, frontend, "bytes=5-6", "").await));
        }
        let target = format!("/cache/live/{KEY}");
        let put = if is_deleted {
            expect(&origin.request("DELETE", &target, &origin.encoder(), b"").await, 204, "");
            Some(put)
        } else {
            drop(put);
            None
        };
        for (begun, waiting) in &mut readers {
            assert_cut(begun).await;
            expect(&waiting.response().await.unwrap(), 404, "not_found");
        }
        drop(put);
    }
}

#[tokio::test]
pub(crate) async fn other_ranges_get_the_whole() {
    let settings = headwater_meta::NamespaceSettings { max_object_bytes: 1000, ..Default::default() };
    let origin = Origin::with_settings(settings).await;
    let mut put = open_put(&origin, KEY).await;
    put.send("5\r\nfirst\r\n").await.unwrap();
    drop(open_get(&origin, 1, KEY).await);
    let mut readers = Vec::new();
    let unknown = format!("If-Range: \"{}\"\r\n", "0".repeat(32));
    for (frontend, range, headers) in [
        (0, "bytes=1-", ""),
        (1, "bytes=-1", ""),
        (0, "bytes=100-", ""),
        (1, "bytes=0-0,2-3", ""),
        (0, "bytes=0-1000", ""),
        (1, "bytes=0-99999999999999999999999", ""),
        (0, "bytes=1-2", &*unknown),
        (1, "bytes=1-2", "If-Range: Mon, 30 Nov 2026 00:00:00 GMT\r\n"),
    ] {
        let mut reader = ask(&origin, frontend, range, headers).await;
        let (status, headers) = reader.head().await.unwrap();
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!((status, header("content-range")), (200, None), "{range}");
        assert_eq!(header("transfer-encoding"), Some("chunked"), "{range}");
        assert_eq!(reader.chunk().await.unwrap(), b"first", "{range}");
        readers.push(reader);
    }
    let mut at_limit = ask(&origin, 0, "bytes=0-999", "").await;
    assert_eq!(partial(&mut at_limit).await, ("bytes 0-999/*".into(), 1000), "an object may be as large");
    let headers = format!("{}Range: bytes=1-2\r\n", origin.player());
    let head = origin.request_at(1, "HEAD", &format!("/cache/live/{KEY}"), &headers, b"").await;
    assert_eq!((head.status, head.header("content-length"), head.header("content-range")), (200, None, None));
    expect(&put.exchange("6\r\nsecond\r\n0\r\n\r\n").await.unwrap(), 201, "");
    for mut reader in readers {
        assert_eq!(reader.chunk().await.unwrap(), b"second");
        assert!(reader.chunk().await.unwrap().is_empty(), "the clean end");
    }
}

#[tokio::test]
pub(crate) async fn old_readers_wait_and_get_their_range() {
    let origin = Origin::start().await;
    let mut put = open_put(&origin, KEY).await;
    put.send("5\r\nfirst\r\n").await.unwrap();
    drop(open_get(&origin, 1, KEY).await);
    let mut old = origin.conn_at(1).await;
    let player = origin.player();
    let request = format!("GET /cache/live/{KEY} HTTP/1.0\r\nHost: o\r\nRange: bytes=1-2\r\n{player}\r\n");
    old.send(request).await.unwrap();
    assert!(old.is_silent_for(Duration::from_millis(300)).await, "not a byte before the upload ends");
    expect(&put.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    let response = old.response().await.unwrap();
    assert_eq!((response.status, response.header("content-range")), (206, Some("bytes 1-2/5")));
    assert_eq!(response.body, b"ir");
}
