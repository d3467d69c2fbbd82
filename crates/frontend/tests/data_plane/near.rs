//! Bodies that a frontend keeps, and that a node has to confirm.

use crate::support::{Bench, Fault};
use http::{Method, StatusCode};
use std::sync::atomic::Ordering::SeqCst;

/// A bench whose nodes are in other processes.
fn apart() -> Bench {
    let bench = Bench::new();
    for node in [&bench.near, &bench.far] {
        node.streams.store(true, SeqCst);
    }
    bench
}

fn near_hits(bench: &Bench) -> u64 {
    let metrics = bench.metrics();
    let lines =
        metrics.lines().filter(|line| line.contains("tier=\"near\"") && line.contains("http_requests"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_body_is_sent_again_only_after_a_node_has_confirmed_it() {
    let bench = apart();
    bench.put("a/v_1.ts", "one", &[]).await;
    for (read, hits) in [(1, 0), (2, 1), (3, 2)] {
        let calls = bench.near.calls();
        let got = bench.get("a/v_1.ts", &[]).await;
        assert_eq!((got.status, &got.body[..]), (StatusCode::OK, &b"one"[..]), "{read}");
        assert_eq!(got.header("content-length"), "3");
        assert_eq!(bench.near.calls(), calls + 1, "the node is asked each time");
        assert_eq!(near_hits(&bench), hits);
    }
    assert!(bench.metric("near_cache_bytes") > 3, "the body, and what is kept beside it");
    // Another frontend replaces it: what is kept here is not the newest any more.
    bench.beside().put("a/v_1.ts", "second", &[]).await;
    assert_eq!(bench.get("a/v_1.ts", &[]).await.body, "second");
    assert_eq!(near_hits(&bench), 2);
    assert_eq!(bench.get("a/v_1.ts", &[]).await.body, "second");
    assert_eq!(near_hits(&bench), 3);
    // Nobody confirms what is deleted.
    bench.beside().bodiless(Method::DELETE, "a/v_1.ts", &[]).await;
    assert_eq!(bench.get("a/v_1.ts", &[]).await.status, 404);
    // The same bytes are stored again: they are what is kept, with what is said of them now.
    bench.put("a/v_1.ts", "second", &[("x-headwater-meta-take", "2")]).await;
    let got = bench.get("a/v_1.ts", &[]).await;
    assert_eq!((&got.body[..], got.header("x-headwater-meta-take")), (&b"second"[..], "2"));
    assert_eq!(near_hits(&bench), 4);
}

#[tokio::test]
async fn conditions_and_ranges_are_those_of_the_object() {
    let bench = apart();
    let etag = bench.put("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:8\n", &[]).await.header("etag").to_owned();
    let first = bench.get("a.m3u8", &[]).await;
    assert_eq!(first.header("cache-control"), "public, max-age=4");
    let again = bench.get("a.m3u8", &[]).await;
    assert_eq!(near_hits(&bench), 1);
    for name in ["etag", "content-type", "content-length", "last-modified", "cache-control", "sunset"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    for (header, value, status) in [
        ("if-none-match", &*etag, 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"00000000000000000000000000000000\"", 200),
        ("if-match", &etag, 200),
        ("if-match", "\"00000000000000000000000000000000\"", 412),
        ("range", "bytes=0-6", 206),
        ("range", "bytes=99-", 416),
    ] {
        assert_eq!(bench.get("a.m3u8", &[(header, value)]).await.status, status, "{header}: {value}");
    }
    assert_eq!(bench.get("a.m3u8", &[("range", "bytes=1-6")]).await.body, "EXTM3U");
}

#[tokio::test]
async fn a_body_that_broke_off_is_not_kept() {
    let bench = apart();
    bench.put("a.ts", "0123456789", &[]).await;
    bench.near.fault([Fault::DieAfter(5)]);
    let response =
        bench.raw(bench.request(Method::GET, "a.ts").body(axum::body::Body::empty()).unwrap()).await;
    assert!(http_body_util::BodyExt::collect(response.into_body()).await.is_err());
    assert_eq!(bench.metric("near_cache_bytes"), 0);
    assert_eq!(bench.get("a.ts", &[]).await.body, "0123456789");
    assert_eq!(near_hits(&bench), 0);
}
