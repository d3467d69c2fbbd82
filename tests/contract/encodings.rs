//! Content types that say nothing, and playlists in the coding that the client accepts, at the raw socket.

use crate::origin::{Origin, expect};
use flate2::read::GzDecoder;
use headwater_testkit::RawResponse;
use headwater_types::Digest;
use std::io::Read;

const GZIP: &str = "Accept-Encoding: gzip, deflate, br, zstd\r\n";
const IDENTITY: &str = "Accept-Encoding: identity\r\n";
const HLS: &str = "application/vnd.apple.mpegurl";

/// What a DVR window of 10,000 lines is.
fn window() -> Vec<u8> {
    let entries = (0..5_000).map(|n| format!("#EXTINF:6.006,\n1080p/2026-01-01/segment_{n:010}.ts?take=a\n"));
    let text = format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:7\n{}", entries.collect::<String>());
    text.into_bytes()
}

fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain).unwrap();
    plain
}

fn tag(body: &[u8]) -> String {
    Digest::of(body).to_etag()
}

fn described(answer: &RawResponse) -> [Option<&str>; 4] {
    ["content-type", "content-encoding", "vary", "cache-control"].map(|name| answer.header(name))
}

async fn get_at(origin: &Origin, frontend: usize, method: &str, key: &str, headers: &str) -> RawResponse {
    let headers = format!("{}{headers}", origin.player());
    origin.request_at(frontend, method, &format!("/cache/live/{key}"), &headers, b"").await
}

#[tokio::test]
pub(crate) async fn content_types_that_say_nothing_are_those_of_the_extension() {
    let origin = Origin::start().await;
    for sent in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=----x",
        "binary/octet-stream",
        "application/octet-stream",
        "application/unknown",
        "text/plain",
    ] {
        for (key, want, cache_control) in [
            ("live.m3u8", HLS, "public, max-age=1"),
            ("d/live.mpd", "application/dash+xml", "public, max-age=1"),
            ("d/init.webm", "video/webm", "public, max-age=60"),
            ("d/1.m4f", "video/iso.segment", "public, max-age=60"),
            ("d/1.m2ts", "video/mp2t", "public, max-age=60"),
            ("d/1.opus", "audio/ogg", "public, max-age=60"),
            ("d/1.flac", "audio/flac", "public, max-age=60"),
            ("d/1.avif", "image/avif", "public, max-age=60"),
        ] {
            origin.put_with(key, &format!("Content-Type: {sent}\r\n"), b"x").await;
            let get = origin.get(key).await;
            assert_eq!(get.header("content-type"), Some(want), "{key} {sent}");
            assert_eq!(get.header("cache-control"), Some(cache_control), "{key}");
        }
    }
}

#[tokio::test]
pub(crate) async fn a_compressed_playlist_is_decoded_for_who_does_not_accept_it() {
    let origin = Origin::start().await;
    let plain = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n".to_vec();
    let packed = gzip(&plain);
    let put = origin.put_with("v.m3u8", "Content-Encoding: gzip\r\n", &packed).await;
    assert_eq!(put.header("etag"), Some(&*tag(&packed)));
    for frontend in 0..2 {
        for (accept, body, coding) in [
            ("", &plain, None),
            (IDENTITY, &plain, None),
            ("Accept-Encoding: gzip;q=0, *\r\n", &plain, None),
            (GZIP, &packed, Some("gzip")),
            ("Accept-Encoding: *\r\n", &packed, Some("gzip")),
        ] {
            let want = [Some(HLS), coding, Some("Accept-Encoding"), Some("public, max-age=3")];
            for method in ["HEAD", "GET"] {
                let answer = get_at(&origin, frontend, method, "v.m3u8", accept).await;
                assert_eq!((answer.status, described(&answer)), (200, want), "{method} {accept}");
                assert_eq!(answer.header("etag"), Some(&*tag(body)));
                assert_eq!(answer.header("content-length"), Some(&*body.len().to_string()));
                assert!(method == "HEAD" || answer.body == *body, "{accept}");
            }
            let known = format!("{accept}If-None-Match: {}\r\n", tag(body));
            let known = get_at(&origin, frontend, "GET", "v.m3u8", &known).await;
            assert_eq!((known.status, known.header("vary")), (304, Some("Accept-Encoding")));
            let other = if coding.is_some() { &plain } else { &packed };
            let other = format!("{accept}If-None-Match: {}\r\n", tag(other));
            assert_eq!(get_at(&origin, frontend, "GET", "v.m3u8", &other).await.status, 200);
            let part =
                get_at(&origin, frontend, "GET", "v.m3u8", &format!("{accept}Range: bytes=1-6\r\n")).await;
            assert_eq!((part.status, part.body.as_slice()), (206, &body[1..7]), "{accept}");
            expect(
                &get_at(&origin, frontend, "GET", "v.m3u8", &format!("{accept}Range: bytes=9999-\r\n")).await,
                416,
                "range_not_satisfiable",
            );
        }
    }
}

#[tokio::test]
pub(crate) async fn a_large_playlist_is_compressed_for_who_asks() {
    let origin = Origin::start().await;
    let plain = window();
    assert!((250_000..500_000).contains(&plain.len()), "{}", plain.len());
    for round in 0..2 {
        let mut plain = plain.clone();
        plain.extend(format!("#EXTINF:6,\n{round}.ts\n").bytes());
        origin.put("dvr.m3u8", &plain).await;
        let mut tags = Vec::new();
        for frontend in [0, 1, 0, 1] {
            let packed = get_at(&origin, frontend, "GET", "dvr.m3u8", GZIP).await;
            let want = [Some(HLS), Some("gzip"), Some("Accept-Encoding"), Some("public, max-age=3")];
            assert_eq!((packed.status, described(&packed)), (200, want));
            assert!(packed.body.len() * 8 < plain.len(), "{} of {}", packed.body.len(), plain.len());
            assert!(gunzip(&packed.body) == plain);
            tags.push(packed.header("etag").unwrap().to_owned());
            let as_stored = get_at(&origin, frontend, "GET", "dvr.m3u8", IDENTITY).await;
            let want = [Some(HLS), None, Some("Accept-Encoding"), Some("public, max-age=3")];
            assert_eq!((as_stored.status, described(&as_stored)), (200, want));
            assert!(as_stored.body == plain);
            assert_ne!(as_stored.header("etag"), packed.header("etag"));
        }
        assert!(tags.iter().all(|tag| *tag == tags[0]), "every frontend says the same: {tags:?}");
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(plain, flate2::Compression::best()).read_to_end(&mut packed).unwrap();
    packed
}
