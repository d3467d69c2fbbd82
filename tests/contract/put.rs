//! PUT and POST.

use crate::origin::{Origin, expect};
use base64::{Engine, engine::general_purpose::STANDARD};
use headwater_meta::{NamespaceSettings, Rule};
use headwater_types::{Ttl, limits};
use md5::Md5;
use sha2::{Digest, Sha256};
use std::time::Duration;

fn sunset_in(response: &headwater_testkit::RawResponse) -> u64 {
    let date = |name| httpdate::parse_http_date(response.header(name).expect(name)).unwrap();
    date("sunset").duration_since(date("last-modified")).unwrap().as_secs()
}

#[tokio::test]
pub(crate) async fn created_replaced_and_post_is_put() {
    let origin = Origin::start().await;
    let created = origin.put("k.ts", b"one").await;
    expect(&created, 201, "");
    for header in ["etag", "x-request-id", "server-timing"] {
        assert!(created.header(header).is_some(), "{header}");
    }
    let replaced = origin.put("k.ts", b"two").await;
    expect(&replaced, 204, "");
    assert_ne!(created.header("etag"), replaced.header("etag"));
    let post = origin.request("POST", "/cache/live/k.ts?role=origin", &origin.encoder(), b"three").await;
    expect(&post, 204, "");
    for frontend in 0..2 {
        let get = origin.request_at(frontend, "GET", "/cache/live/k.ts", &origin.player(), b"").await;
        assert_eq!(get.body, b"three");
        assert_eq!(get.header("etag"), post.header("etag"));
    }
}

#[tokio::test]
async fn ttl_by_query_rule_and_default_at_the_limits() {
    let seconds = |s| Ttl::from_secs(s).unwrap();
    let origin = Origin::with_settings(NamespaceSettings {
        default_ttl: seconds(100),
        max_ttl: seconds(1000),
        ttl_rules: vec![Rule { glob: "*.m3u8".into(), value: seconds(50) }],
        ..NamespaceSettings::default()
    })
    .await;
    for (key, ttl) in [
        ("d/k.ts", 100),
        ("d/p.m3u8", 50),
        ("p.m3u8", 50),
        ("d/e/p.m3u8", 50),
        ("d/p.m3u8?ttl_seconds=70", 70),
        ("d/k.ts?ttl_seconds=5", 5),
        ("d/k.ts?ttl_seconds=1000", 1000),
    ] {
        let put = origin.put(key, b"x").await;
        assert!(put.status < 300, "{key}: {}", put.text());
        let get = origin.get(key).await;
        expect(&get, 200, "");
        assert!((ttl..=ttl + 1).contains(&sunset_in(&get)), "{key}: {}", sunset_in(&get));
    }
    for bad in ["0", "-1", "1001", "x", "", "1.5"] {
        expect(&origin.put(&format!("bad.ts?ttl_seconds={bad}"), b"x").await, 400, "invalid_ttl");
    }
    expect(&origin.get("bad.ts").await, 404, "not_found");
    expect(&origin.get_with("d/k.ts?ttl_seconds=nonsense", "").await, 200, "");
}

#[tokio::test]
pub(crate) async fn types_encodings_and_metadata_are_stored() {
    let origin = Origin::start().await;
    for (key, sent, stored) in [
        ("a.ts", "", "video/mp2t"),
        ("a.m3u8", "Content-Type: application/octet-stream\r\n", "application/vnd.apple.mpegurl"),
        ("a.mpd", "", "application/dash+xml"),
        ("a.bin", "", "application/octet-stream"),
        ("a.ts", "Content-Type: video/custom\r\n", "video/custom"),
    ] {
        origin.put_with(key, sent, b"x").await;
        assert_eq!(origin.get(key).await.header("content-type"), Some(stored), "{key}");
    }
    let headers = "Content-Encoding: gzip\r\nCache-Control: max-age=7\r\nX-Headwater-Meta-Show: news\r\n";
    origin.put_with("b.ts", headers, b"x").await;
    let get = origin.get("b.ts").await;
    assert_eq!(get.header("content-encoding"), Some("gzip"));
    assert_eq!(get.header("cache-control"), Some("max-age=7"));
    assert_eq!(get.header("x-headwater-meta-show"), Some("news"));
    origin.put_with("d.ts", "Cache-Control: no-cache\r\nCache-Control: private\r\n", b"x").await;
    assert_eq!(origin.get("d.ts").await.header("cache-control"), Some("no-cache, private"), "one list");

    let name = "x-headwater-meta-a";
    let at = "v".repeat(limits::USER_META_BYTES_MAX - name.len());
    expect(&origin.put_with("m.ts", &format!("{name}: {at}\r\n"), b"x").await, 201, "");
    expect(&origin.put_with("n.ts", &format!("{name}: {at}v\r\n"), b"x").await, 400, "meta_too_large");
    expect(&origin.get("n.ts").await, 404, "not_found");
}

#[tokio::test]
pub(crate) async fn framing_chunked_length_and_none() {
    let origin = Origin::start().await;
    let mut conn = origin.conn().await;
    let head = format!(
        "PUT /cache/live/c.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n{}\r\n",
        origin.encoder()
    );
    let response = conn.exchange(format!("{head}3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\n")).await.unwrap();
    expect(&response, 201, "");
    // The connection goes on.
    let get = conn.exchange(Origin::bytes("GET", "/cache/live/c.ts", &origin.player(), b"")).await.unwrap();
    assert_eq!(get.body, b"abcdefg");
    let none = format!("PUT /cache/live/d.ts HTTP/1.1\r\nHost: o\r\n{}\r\n", origin.encoder());
    expect(&origin.conn().await.exchange(none).await.unwrap(), 411, "length_required");
}

#[tokio::test]
pub(crate) async fn expect_continue_gets_100_or_the_refusal() {
    let origin = Origin::start().await;
    let head = |key: &str, auth: &str, length: usize| {
        format!(
            "PUT /cache/live/{key} HTTP/1.1\r\nHost: o\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n{auth}\r\n"
        )
    };
    let mut conn = origin.conn().await;
    conn.send(head("k.ts", &origin.encoder(), 3)).await.unwrap();
    assert_eq!(conn.head().await.unwrap().0, 100);
    expect(&conn.exchange("abc").await.unwrap(), 201, "");
    for (key, auth, length, status) in [
        ("k.ts", String::new(), 3, 401),
        ("k.ts", origin.player(), 3, 403),
        ("a//b", origin.encoder(), 3, 400),
        ("k.ts", origin.encoder(), 10 * 1024 * 1024 + 1, 413),
    ] {
        let mut conn = origin.conn().await;
        conn.send(head(key, &auth, length)).await.unwrap();
        assert_eq!(conn.head().await.unwrap().0, status, "{key}");
    }
}

#[tokio::test]
async fn empty_bodies_are_probes_on_media_and_objects_elsewhere() {
    let origin = Origin::start().await;
    origin.put("p.m3u8", b"#EXTM3U\n").await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    for key in ["p.m3u8", "s.ts", "s.mpd", "i.mp4", "i.webm", "s.m4f", "k.key", "t.png"] {
        expect(&origin.put(key, b"").await, 204, "");
        let head = format!(
            "PUT /cache/live/{key} HTTP/1.1\r\nHost: o\r\n{chunked}{}\r\n0\r\n\r\n",
            origin.encoder()
        );
        expect(&origin.conn().await.exchange(head).await.unwrap(), 204, "");
    }
    assert_eq!(origin.get("p.m3u8").await.body, b"#EXTM3U\n", "nothing was overwritten");
    for key in ["s.ts", "i.webm", "k.key"] {
        expect(&origin.get(key).await, 404, "not_found");
    }
    for (content_type, status, stored) in [("video/mp4", 204, 404), ("application/json", 201, 200)] {
        let key = format!("none/{}", content_type.replace('/', "-"));
        expect(&origin.put_with(&key, &format!("Content-Type: {content_type}\r\n"), b"").await, status, "");
        assert_eq!(origin.get(&key).await.status, stored, "{content_type}");
    }
    expect(&origin.put("empty.txt", b"").await, 201, "");
    let get = origin.get("empty.txt").await;
    expect(&get, 200, "");
    assert_eq!(get.header("content-length"), Some("0"));
}

#[tokio::test]
pub(crate) async fn sizes_at_the_limit_and_one_past() {
    let origin = Origin::start().await;
    let max = limits::OBJECT_BYTES_DEFAULT as usize;
    let body: Vec<u8> = (0..max + 1).map(|i| (i * 31 % 251) as u8).collect();
    expect(&origin.put("at.ts", &body[..max]).await, 201, "");
    for frontend in 0..2 {
        let get = origin.request_at(frontend, "GET", "/cache/live/at.ts", &origin.player(), b"").await;
        assert!(get.body == body[..max], "every byte comes back");
    }
    // Content-Length says so: refused before the body.
    let mut conn = origin.conn().await;
    let head = format!(
        "PUT /cache/live/past.ts HTTP/1.1\r\nHost: o\r\nContent-Length: {}\r\n{}\r\n",
        max + 1,
        origin.encoder()
    );
    conn.send(head).await.unwrap();
    expect(&conn.response().await.unwrap(), 413, "too_large");
    // Chunked: refused when the count passes.
    let mut conn = origin.conn().await;
    let head = format!(
        "PUT /cache/live/past.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n{}\r\n",
        origin.encoder()
    );
    conn.send(head).await.unwrap();
    conn.send(format!("{:x}\r\n", max + 1)).await.unwrap();
    conn.send(&body).await.unwrap();
    expect(&conn.response().await.unwrap(), 413, "too_large");
    expect(&origin.get("past.ts").await, 404, "not_found");
    // Chunked, at the limit.
    let mut conn = origin.conn().await;
    let head = format!(
        "PUT /cache/live/chunked.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n{}\r\n",
        origin.encoder()
    );
    conn.send(format!("{head}{max:x}\r\n")).await.unwrap();
    conn.send(&body[..max]).await.unwrap();
    expect(&conn.exchange("\r\n0\r\n\r\n").await.unwrap(), 201, "");
}

#[tokio::test]
pub(crate) async fn digests_are_checked() {
    let origin = Origin::start().await;
    let md5 = |b: &[u8]| format!("Content-MD5: {}\r\n", STANDARD.encode(Md5::digest(b)));
    let sha = |b: &[u8]| format!("Content-Digest: sha-256=:{}:\r\n", STANDARD.encode(Sha256::digest(b)));
    expect(&origin.put_with("a.ts", &md5(b"body"), b"body").await, 201, "");
    expect(&origin.put_with("b.ts", &sha(b"body"), b"body").await, 201, "");
    expect(&origin.put_with("x.ts", &md5(b"other"), b"body").await, 400, "digest_mismatch");
    expect(&origin.put_with("x.ts", &sha(b"other"), b"body").await, 400, "digest_mismatch");
    let right = STANDARD.encode(Sha256::digest(b"body"));
    for malformed in [
        "Content-MD5: short\r\n".to_owned(),
        md5(b"body").repeat(2),
        "Content-Digest: sha-256=:!:\r\n".to_owned(),
        "Content-Digest: nonsense\r\n".to_owned(),
        "Content-Digest: sha-512=nonsense\r\n".to_owned(),
        format!("Content-Digest: SHA-256=:{right}:\r\n"),
        format!("Content-Digest: sha-256=:{right}:,\r\n"),
        format!("Content-Digest: sha-256=:{}:\r\n", &right[..40]),
        format!("{}Content-Digest: nonsense\r\n", sha(b"body")),
    ] {
        let refused = origin.put_with("x.ts", &malformed, b"body").await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "malformed_digest"), "{malformed}");
    }
    expect(&origin.get("x.ts").await, 404, "not_found");
    // An algorithm that is not known is nothing to check.
    expect(&origin.put_with("c.ts", "Content-Digest: sha-512=:AAAA:\r\n", b"body").await, 201, "");
    let both = format!("Content-Digest: sha-512=:AAAA:\r\n{}", sha(b"body"));
    expect(&origin.put_with("d.ts", &both, b"body").await, 201, "");
}

#[tokio::test]
pub(crate) async fn preconditions_and_content_range() {
    let origin = Origin::start().await;
    let date = "If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    expect(&origin.put_with("k.ts", date, b"x").await, 400, "invalid_header");
    expect(&origin.get("k.ts").await, 404, "not_found");
    expect(&origin.put_with("k.ts", "If-Match: *\r\n", b"x").await, 412, "precondition_failed");
    let created = origin.put_with("k.ts", "If-None-Match: *\r\n", b"one").await;
    expect(&created, 201, "");
    expect(&origin.put_with("k.ts", "If-None-Match: *\r\n", b"x").await, 412, "precondition_failed");
    let etag = created.header("etag").unwrap();
    expect(
        &origin.put_with("k.ts", "If-Match: \"00000000000000000000000000000000\"\r\n", b"x").await,
        412,
        "precondition_failed",
    );
    expect(&origin.put_with("k.ts", &format!("If-Match: {etag}\r\n"), b"two").await, 204, "");
    expect(
        &origin.put_with("k.ts", &format!("If-Match: {etag}\r\n"), b"x").await,
        412,
        "precondition_failed",
    );
    expect(&origin.put_with("k.ts", "Content-Range: bytes 0-1/*\r\n", b"xx").await, 400, "content_range");
    assert_eq!(origin.get("k.ts").await.body, b"two");
}

#[tokio::test]
pub(crate) async fn a_cut_body_closes_the_connection_and_leaves_nothing() {
    let origin = Origin::start().await;
    for (framing, part) in
        [("Content-Length: 100\r\n", "half"), ("Transfer-Encoding: chunked\r\n", "4\r\nhalf\r\n")]
    {
        let mut conn = origin.conn().await;
        let head =
            format!("PUT /cache/live/cut.ts HTTP/1.1\r\nHost: o\r\n{framing}{}\r\n{part}", origin.encoder());
        conn.send(head).await.unwrap();
        conn.finish().await.unwrap();
        let rest = String::from_utf8(conn.rest().await.unwrap()).unwrap();
        assert!(!rest.starts_with("HTTP/1.1 2"), "{rest}");
    }
    expect(&origin.get("cut.ts").await, 404, "not_found");
    headwater_testkit::until("no trace of the uploads is left", Duration::from_secs(30), || async {
        let idle = origin.cluster.nodes.iter().all(|node| {
            node.refresh_gauges();
            node.arriving() == 0 && node.metrics().inflight_bytes.get() == 0
        });
        idle.then_some(())
    })
    .await;
    assert!(origin.cluster.tiers.iter().all(|tier| tier.stats().records() == 0));
}
