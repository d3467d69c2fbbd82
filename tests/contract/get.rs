//! GET and HEAD.

use crate::origin::{Origin, expect};
use flate2::{Compression, write::GzEncoder};
use headwater_meta::{NamespaceSettings, Rule};
use std::{io::Write, time::Duration};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
pub(crate) async fn a_whole_object_with_all_its_headers() {
    let origin = Origin::start().await;
    let put = origin.put("d/k.ts?ttl_seconds=30", b"0123456789").await;
    let get = origin.get("d/k.ts").await;
    expect(&get, 200, "");
    assert_eq!(get.body, b"0123456789");
    assert_eq!(get.header("content-type"), Some("video/mp2t"));
    assert_eq!(get.header("content-length"), Some("10"));
    assert_eq!(get.header("etag"), put.header("etag"));
    assert_eq!(get.header("accept-ranges"), Some("bytes"));
    assert_eq!(get.header("access-control-allow-origin"), Some("*"));
    for header in ["last-modified", "x-request-id", "server-timing", "sunset", "cache-control"] {
        assert!(get.header(header).is_some(), "{header}");
    }
    assert_ne!(get.header("x-request-id"), put.header("x-request-id"));
    let head = origin.request("HEAD", "/cache/live/d/k.ts", &origin.player(), b"").await;
    for header in ["content-type", "content-length", "etag", "last-modified", "sunset", "accept-ranges"] {
        assert_eq!(head.header(header), get.header(header), "{header}");
    }
}

#[tokio::test]
pub(crate) async fn head_ignores_ranges() {
    let origin = Origin::start().await;
    let etag = origin.put("k.ts", b"0123456789").await.header("etag").unwrap().to_owned();
    for range in ["bytes=0-1", "bytes=-3", "bytes=10-", "bytes=x"] {
        let headers = format!("{}Range: {range}\r\nIf-Range: {etag}\r\n", origin.player());
        let head = origin.request("HEAD", "/cache/live/k.ts", &headers, b"").await;
        assert_eq!((head.status, head.header("content-length")), (200, Some("10")), "{range}");
        assert_eq!(head.header("content-range"), None, "{range}");
        assert_eq!(head.header("etag"), Some(etag.as_str()), "{range}");
    }
}

#[tokio::test]
async fn equal_bodies_have_equal_tags_in_every_cluster() {
    // Of the 128-bit XXH3 of these bytes, as another implementation computes it.
    const TAG: &str = "\"5f50ca3aad5b935da092d73116291201\"";
    let body: Vec<u8> = (0..5000).map(|i| (i * 31 % 251) as u8).collect();
    let (one, other) = (Origin::start().await, Origin::start().await);
    assert_eq!(one.put("d/k.ts", &body).await.header("etag"), Some(TAG));
    let headers = "Content-Type: text/plain\r\nCache-Control: no-cache\r\n";
    assert_eq!(other.put_with("other.txt?ttl_seconds=9", headers, &body).await.header("etag"), Some(TAG));
    assert_eq!(one.get("d/k.ts").await.header("etag"), Some(TAG));
    let head = format!(
        "PUT /cache/live/pieces HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n{}\r\n",
        other.encoder()
    );
    let mut chunked = head.into_bytes();
    for piece in body.chunks(999) {
        chunked.extend([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    chunked.extend(b"0\r\n\r\n");
    let put = other.conn().await.exchange(chunked).await.unwrap();
    assert_eq!((put.status, put.header("etag")), (201, Some(TAG)));
    assert_ne!(other.put("pieces", &body[1..]).await.header("etag"), Some(TAG));
}

#[tokio::test]
pub(crate) async fn ranges() {
    let origin = Origin::start().await;
    let etag = origin.put("k.ts", b"0123456789").await.header("etag").unwrap().to_owned();
    for (range, status, body, content_range) in [
        ("bytes=0-0", 206, "0", "bytes 0-0/10"),
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=-99", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=5-99", 206, "56789", "bytes 5-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("bytes=-0", 416, "", "bytes */10"),
        ("bytes=0-1,4-5", 200, "0123456789", ""),
        ("bytes=4-2", 200, "0123456789", ""),
        ("lines=1-2", 200, "0123456789", ""),
        ("bytes=x", 200, "0123456789", ""),
    ] {
        let get = origin.get_with("k.ts", &format!("Range: {range}\r\n")).await;
        assert_eq!(get.status, status, "{range}");
        assert_eq!(get.header("content-range").unwrap_or(""), content_range, "{range}");
        if status == 416 {
            expect(&get, 416, "range_not_satisfiable");
        } else {
            assert_eq!(get.text(), body, "{range}");
        }
    }
    let range = "Range: bytes=0-1\r\n";
    assert_eq!(origin.get_with("k.ts", &format!("{range}If-Range: {etag}\r\n")).await.status, 206);
    assert_eq!(origin.get_with("k.ts", &format!("{range}If-Range: \"other\"\r\n")).await.status, 200);
}

#[tokio::test]
pub(crate) async fn conditional_reads() {
    let origin = Origin::start().await;
    origin.put("k.ts", b"x").await;
    origin.put("p.m3u8", b"#EXTM3U\n").await;
    for key in ["k.ts", "p.m3u8"] {
        let get = origin.get(key).await;
        let (etag, modified) = (get.header("etag").unwrap(), get.header("last-modified").unwrap());
        for condition in [etag.to_owned(), "*".into(), format!("\"a\", {etag}"), format!("W/{etag}")] {
            let answer = origin.get_with(key, &format!("If-None-Match: {condition}\r\n")).await;
            assert_eq!(answer.status, 304, "{key} {condition}");
            assert_eq!(answer.header("etag"), Some(etag));
        }
        assert_eq!(origin.get_with(key, "If-None-Match: \"a\"\r\n").await.status, 200);
        let since = origin.get_with(key, &format!("If-Modified-Since: {modified}\r\n")).await.status;
        assert_eq!(since, if key == "k.ts" { 304 } else { 200 }, "too coarse for playlists: {key}");
        let unmodified = format!("If-Unmodified-Since: {modified}\r\n");
        assert_eq!(origin.get_with(key, &unmodified).await.status, 200, "{key}");
        let old = "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:10 GMT\r\n";
        expect(&origin.get_with(key, old).await, 412, "precondition_failed");
        let matched = format!("{old}If-Match: {etag}\r\n");
        assert_eq!(origin.get_with(key, &matched).await.status, 200, "the entity tag is the better witness");
    }
}

#[tokio::test]
async fn cache_control_by_class_encoder_and_rule() {
    let origin = Origin::with_settings(NamespaceSettings {
        cache_control_rules: vec![Rule { glob: "rule/**".into(), value: "private".into() }],
        ..NamespaceSettings::default()
    })
    .await;
    let media = b"#EXTM3U\n#EXT-X-TARGETDURATION:7\n#EXTINF:7,\na.ts\n";
    let gzip = gzip(media);
    let mpd = br#"<MPD type="dynamic" minimumUpdatePeriod="PT4S"></MPD>"#;
    for (key, headers, body, value) in [
        ("m.m3u8", "", &media[..], "public, max-age=3"),
        ("z.m3u8", "Content-Encoding: gzip\r\n", &gzip[..], "public, max-age=3"),
        ("one.m3u8", "", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n", "public, max-age=1"),
        ("multi.m3u8", "", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nm.m3u8\n", "public, max-age=1"),
        ("junk.m3u8", "", b"\xff\xfe", "public, max-age=1"),
        ("m.mpd", "", &mpd[..], "public, max-age=2"),
        ("s.ts", "", b"x", "public, max-age=60"),
        ("o.txt", "", b"x", "no-cache"),
        ("e.ts", "Cache-Control: max-age=9\r\n", b"x", "max-age=9"),
        ("rule/s.ts", "", b"x", "private"),
    ] {
        origin.put_with(key, headers, body).await;
        assert_eq!(origin.get(key).await.header("cache-control"), Some(value), "{key}");
    }
    origin.put("short.ts?ttl_seconds=10", b"x").await;
    let short = origin.get("short.ts").await.header("cache-control").unwrap().to_owned();
    let max_age = short.strip_prefix("public, max-age=").and_then(|age| age.parse::<u64>().ok());
    assert!(max_age.is_some_and(|age| (1..=10).contains(&age)), "{short}");

    let origin =
        Origin::with_settings(NamespaceSettings { unique_names: true, ..NamespaceSettings::default() }).await;
    origin.put("s.ts?ttl_seconds=600", b"x").await;
    let unique = origin.get("s.ts").await.header("cache-control").unwrap().to_owned();
    assert!(unique.starts_with("public, max-age=") && unique.ends_with(", immutable"), "{unique}");
}

#[tokio::test]
async fn gzip_that_cannot_be_decoded_is_stored_byte_for_byte() {
    /// What a playlist may have, decompressed, for the rules to look at it.
    const DECODED_MAX: usize = 4 << 20;
    let origin = Origin::start().await;
    let mut media = b"#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\na.ts\n#".to_vec();
    let packed = gzip(&media);
    media.resize(DECODED_MAX, b'#');
    let at = gzip(&media);
    media.push(b'#');
    let past = gzip(&media);
    let bomb = gzip(&[media.as_slice(), &vec![0; 100 << 20]].concat());
    assert!(bomb.len() < 1 << 20);
    let mut corrupt = packed.clone();
    corrupt[15] ^= 0xff;
    // Half the target duration where it could be read, else the least. To whoever accepts gzip all are sent as they are
    // stored, and what cannot be decoded to everyone.
    for (key, body, value) in [
        ("whole.m3u8", packed.as_slice(), "public, max-age=4"),
        ("at.m3u8", &at, "public, max-age=4"),
        ("past.m3u8", &past, "public, max-age=1"),
        ("bomb.m3u8", &bomb, "public, max-age=1"),
        ("cut.m3u8", &packed[..packed.len() - 9], "public, max-age=1"),
        ("corrupt.m3u8", &corrupt, "public, max-age=1"),
        ("plain.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:8\n", "public, max-age=1"),
        ("junk.mpd", b"\x1f\x8b\x08\x00junk", "public, max-age=1"),
    ] {
        let put = origin.put_with(key, "Content-Encoding: gzip\r\n", body).await;
        expect(&put, 201, "");
        let can_be_decoded = ["whole.m3u8", "at.m3u8"].contains(&key);
        for (frontend, accept) in [(0, "gzip"), (1, "gzip"), (0, "identity"), (1, "identity")] {
            if can_be_decoded && accept == "identity" {
                continue;
            }
            let target = format!("/cache/live/{key}");
            let headers = format!("{}Accept-Encoding: {accept}\r\n", origin.player());
            let get = origin.request_at(frontend, "GET", &target, &headers, b"").await;
            expect(&get, 200, "");
            assert!(get.body == body, "{key}: every byte comes back");
            assert_eq!(get.header("content-encoding"), Some("gzip"), "{key}");
            assert_eq!(get.header("etag"), put.header("etag"), "{key}");
            assert_eq!(get.header("cache-control"), Some(value), "{key}");
        }
    }
}

#[tokio::test]
async fn absent_and_expired_are_404_and_never_cached() {
    let origin = Origin::start().await;
    expect(&origin.get("none.ts").await, 404, "not_found");
    origin.put("k.ts?ttl_seconds=3", b"x").await;
    expect(&origin.get("k.ts").await, 200, "");
    headwater_testkit::until("the object expires", Duration::from_secs(30), || async {
        (origin.get("k.ts").await.status == 404).then_some(())
    })
    .await;
    headwater_testkit::until("its memory is returned", Duration::from_secs(30), || async {
        origin.cluster.tiers.iter().all(|tier| tier.used_bytes() == 0).then_some(())
    })
    .await;
}
