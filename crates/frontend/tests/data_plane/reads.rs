//! GET, HEAD and OPTIONS.

use crate::support::Bench;
use axum::body::Body;
use bytes::Bytes;
use headwater_frontend::FrontendConfig;
use headwater_meta::NamespaceSettings;
use http::{Method, Request};
use http_body_util::BodyExt;
use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle};

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nv_1.ts\n";

#[tokio::test(start_paused = true)]
async fn all_headers_of_a_stored_object() {
    let bench = Bench::new();
    bench.put("v_1.ts?ttl_seconds=30", "0123456789", &[]).await;
    for method in [Method::GET, Method::HEAD] {
        let answer = bench.bodiless(method.clone(), "v_1.ts", &[]).await;
        assert_eq!(answer.status, 200);
        for (name, want) in [
            ("content-type", "video/mp2t"),
            ("content-length", "10"),
            ("accept-ranges", "bytes"),
            ("cache-control", "public, max-age=30"),
            ("last-modified", "Mon, 24 Nov 2025 16:00:00 GMT"),
            ("sunset", "Mon, 24 Nov 2025 16:00:30 GMT"),
            ("access-control-allow-origin", "*"),
        ] {
            assert_eq!(answer.header(name), want, "{method} {name}");
        }
        assert_eq!(answer.header("etag").len(), 34);
        assert!(answer.header("access-control-expose-headers").contains("ETag"));
        assert_eq!(answer.body.len(), if method == Method::GET { 10 } else { 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn ranges_and_conditions() {
    let bench = Bench::new();
    let etag = bench.put("v_1.ts", "0123456789", &[]).await.header("etag").to_owned();
    let etag = etag.as_str();
    for (headers, status, body, content_range) in [
        (&[("range", "bytes=2-4")][..], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=-3")], 206, "789", "bytes 7-9/10"),
        (&[("range", "bytes=9-")], 206, "9", "bytes 9-9/10"),
        (&[("range", "bytes=0-1,3-4")], 200, "0123456789", ""),
        (&[("range", "bytes=2-4"), ("if-range", etag)], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=2-4"), ("if-range", "\"other\"")], 200, "0123456789", ""),
        (&[("if-none-match", etag)], 304, "", ""),
        (&[("if-none-match", "*")], 304, "", ""),
        (&[("if-none-match", "\"other\"")], 200, "0123456789", ""),
        (&[("if-modified-since", "Mon, 24 Nov 2025 16:00:00 GMT")], 304, "", ""),
        (&[("if-modified-since", "Mon, 24 Nov 2025 15:59:59 GMT")], 200, "0123456789", ""),
        (
            &[("if-none-match", "\"x\""), ("if-modified-since", "Mon, 24 Nov 2025 16:00:00 GMT")],
            200,
            "0123456789",
            "",
        ),
    ] {
        let answer = bench.get("v_1.ts", headers).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, body.as_bytes()), "{headers:?}");
        assert_eq!(answer.header("content-range"), content_range, "{headers:?}");
        assert_eq!(answer.header("etag"), etag);
        assert_eq!(answer.headers.contains_key("content-length"), status != 304);
    }
    let beyond = bench.get("v_1.ts", &[("range", "bytes=10-")]).await;
    assert_eq!(
        (beyond.code().as_str(), beyond.header("content-range")),
        ("range_not_satisfiable", "bytes */10")
    );
    let head = bench.bodiless(Method::HEAD, "absent.ts", &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header("cache-control")), (404, 0, "no-store"));
    assert!(head.header("content-length").parse::<u64>().unwrap() > 0);
    assert_eq!(bench.get("v_1.ts", &[("if-match", "\"other\"")]).await.code(), "precondition_failed");
}

#[tokio::test]
async fn playlists_are_cached_for_half_their_target_duration() {
    let bench = Bench::new();
    for streams in [false, true] {
        bench.near.streams.store(streams, SeqCst);
        bench
            .put(&format!("{streams}/v.m3u8"), PLAYLIST.replace(":6", if streams { ":9" } else { ":6" }), &[])
            .await;
        let want = if streams { "public, max-age=4" } else { "public, max-age=3" };
        for method in [Method::HEAD, Method::GET, Method::GET] {
            let answer = bench.bodiless(method.clone(), &format!("{streams}/v.m3u8"), &[]).await;
            assert_eq!(answer.header("cache-control"), want, "{method} {streams}");
            assert_eq!(answer.header("content-type"), "application/vnd.apple.mpegurl");
        }
    }
    let since = [("if-modified-since", "Mon, 24 Nov 2099 16:00:00 GMT")];
    assert_eq!(bench.get("true/v.m3u8", &since).await.status, 200, "a second is too coarse for a playlist");
}

/// Starts an upload that the test feeds piece by piece.
fn upload(bench: &Bench, path: &str) -> (mpsc::Sender<Result<Bytes, &'static str>>, Request<Body>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let pieces = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let request = bench.request(Method::PUT, path).header("transfer-encoding", "chunked");
    (sender, request.body(Body::from_stream(pieces)).unwrap())
}

#[tokio::test]
async fn media_is_read_while_it_is_written() {
    let bench = std::sync::Arc::new(Bench::new());
    for whole in [true, false] {
        let path = format!("v_{whole}.m4s");
        let (pieces, request) = upload(&bench, &path);
        let putting = tokio::spawn({
            let bench = bench.clone();
            async move { bench.send(request).await }
        });
        pieces.send(Ok(Bytes::from_static(b"one"))).await.unwrap();
        while bench.near.uploads() == 0 {
            tokio::task::yield_now().await;
        }
        let head = bench.bodiless(Method::HEAD, &path, &[]).await;
        assert_eq!(head.status, 200);
        assert!(!head.headers.contains_key("content-length"));
        let following = bench.raw(bench.request(Method::GET, &path).body(Body::empty()).unwrap()).await;
        assert!(!following.headers().contains_key("etag"));
        assert!(!following.headers().contains_key("content-length"));
        assert_eq!(following.headers()["cache-control"], "public, max-age=60");
        let mut body = following.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        let last = if whole { Ok(Bytes::from_static(b"two")) } else { Err("reset") };
        pieces.send(last).await.unwrap();
        drop(pieces);
        assert_eq!(
            body.collect().await.map(|rest| rest.to_bytes()).ok(),
            whole.then(|| Bytes::from_static(b"two"))
        );
        assert_eq!(putting.await.unwrap().status, if whole { 201 } else { 400 });
    }
}

#[tokio::test]
async fn playlists_and_namespaces_without_the_option_are_not_followed() {
    let bench = Bench::with(
        FrontendConfig::default(),
        NamespaceSettings { read_while_write: false, ..NamespaceSettings::default() },
    );
    bench.put("a.ts", "x", &[]).await;
    assert!(!bench.near.puts.lock()[0].followable);
    let bench = Bench::new();
    bench.put("a.m3u8", "x", &[]).await;
    bench.put("a.ts", "x", &[]).await;
    let followable: Vec<bool> = bench.near.puts.lock().iter().map(|put| put.followable).collect();
    assert_eq!(followable, [false, true]);
}

#[tokio::test]
async fn preflights_need_no_credential() {
    let bench = Bench::new();
    for namespace in ["live", "nowhere"] {
        let request = Request::options(format!("/cache/{namespace}/a.ts"))
            .header("origin", "https://player.example")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization");
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-headers"), "authorization");
        assert!(answer.header("access-control-allow-methods").contains("PUT"));
    }
    let refused = bench.send(Request::get("/cache/live/a.ts").body(Body::empty()).unwrap()).await;
    assert_eq!((refused.status.as_u16(), refused.header("access-control-allow-origin")), (401, "*"));
}

#[tokio::test]
async fn requests_are_counted_by_namespace_and_never_by_key() {
    let bench = Bench::new();
    bench.put("a.ts", "xyz", &[]).await;
    bench.get("a.ts", &[]).await;
    bench.bodiless(Method::GET, "secret-name.ts", &[]).await;
    let sample = |verb: &str, status: u16, tier: &str| {
        let labels =
            format!("namespace=\"live\",class=\"media\",verb=\"{verb}\",status=\"{status}\",tier=\"{tier}\"");
        bench.metric(&format!("http_requests_total{{{labels}}}"))
    };
    assert_eq!(sample("put", 201, ""), 1);
    assert_eq!(sample("get", 200, "hot"), 1);
    assert_eq!(sample("get", 404, ""), 1);
    assert_eq!(bench.metric("http_received_bytes_total{namespace=\"live\"}"), 3);
    assert!(bench.metric("http_sent_bytes_total{namespace=\"live\"}") > 3);
    let text = bench.metrics();
    assert!(!text.contains("secret-name") && !text.contains("a.ts"), "{text}");
}

/// Puts `first` of an object that goes on arriving.
async fn begin_upload(bench: &Arc<Bench>, path: &str, first: &'static str) -> Arriving {
    let (pieces, request) = upload(bench, path);
    let putting = tokio::spawn({
        let bench = bench.clone();
        async move { bench.send(request).await.status.as_u16() }
    });
    pieces.send(Ok(Bytes::from_static(first.as_bytes()))).await.unwrap();
    while bench.near.uploads() == 0 {
        tokio::task::yield_now().await;
    }
    (pieces, putting)
}

type Arriving = (mpsc::Sender<Result<Bytes, &'static str>>, JoinHandle<u16>);

#[tokio::test]
async fn what_arrives_is_no_version_that_a_reader_could_have() {
    let bench = Arc::new(Bench::new());
    let (pieces, putting) = begin_upload(&bench, "v.m4s", "one").await;
    let request = bench.request(Method::GET, "v.m4s").header("if-none-match", "*");
    let following = bench.raw(request.body(Body::empty()).unwrap()).await;
    assert_eq!(following.status(), 200);
    drop(pieces);
    assert_eq!(following.into_body().collect().await.unwrap().to_bytes(), "one", "never an empty body");
    assert_eq!(putting.await.unwrap(), 201);
    for headers in [&[("if-none-match", "*")][..], &[("if-none-match", "*"), ("range", "bytes=9-")]] {
        let known = bench.get("v.m4s", headers).await;
        assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn readers_of_http_1_0_wait_as_long_as_the_object_arrives() {
    let bench = Arc::new(Bench::new());
    for whole in [true, false] {
        let path = format!("v_{whole}.m4s");
        let (pieces, putting) = begin_upload(&bench, &path, "one").await;
        let old = bench.request(Method::GET, &path).version(http::Version::HTTP_10);
        let reading = tokio::spawn({
            let bench = bench.clone();
            async move { bench.send(old.body(Body::empty()).unwrap()).await }
        });
        // Several times the budget of a read.
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert!(!reading.is_finished());
            pieces.send(Ok(Bytes::from_static(b"+"))).await.unwrap();
        }
        if !whole {
            pieces.send(Err("reset")).await.unwrap();
        }
        drop(pieces);
        assert_eq!(putting.await.unwrap(), if whole { 201 } else { 400 });
        let answer = reading.await.unwrap();
        if whole {
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"one+++"[..]));
            assert_eq!(answer.header("content-length"), "6");
            assert!(!answer.header("etag").is_empty());
        } else {
            assert_eq!(answer.code(), "not_found");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_range_that_does_not_begin_to_arrive_is_given_up_after_the_idle_time_of_a_body() {
    let limit = Duration::from_secs(30);
    let config = FrontendConfig { body_idle: limit, ..FrontendConfig::default() };
    let bench = Arc::new(Bench::with(config, NamespaceSettings::default()));
    let (pieces, putting) = begin_upload(&bench, "v.m4s", "one").await;
    for (range, after_s) in [("bytes=4-5", Some(29)), ("bytes=90-91", None)] {
        let begun = tokio::time::Instant::now();
        let reading = tokio::spawn({
            let bench = bench.clone();
            async move {
                let request = bench.request(Method::GET, "v.m4s").header("range", range);
                bench.raw(request.body(Body::empty()).unwrap()).await
            }
        });
        // What arrives before the range keeps the upload alive, and puts nothing off.
        tokio::time::sleep(Duration::from_secs(after_s.unwrap_or(20))).await;
        assert!(!reading.is_finished(), "{range}");
        pieces.send(Ok(Bytes::from_static(b"+++"))).await.unwrap();
        let answer = reading.await.unwrap();
        match after_s {
            Some(_) => {
                assert_eq!(answer.status(), 206);
                assert_eq!(answer.headers()["content-range"], "bytes 4-5/*");
            }
            None => {
                assert_eq!(answer.status(), 503);
                assert_eq!(answer.headers()["retry-after"], "1");
                assert!((limit..limit + Duration::from_secs(1)).contains(&begun.elapsed()));
            }
        }
    }
    drop(pieces);
    assert_eq!(putting.await.unwrap(), 201, "the upload goes on");
}

#[tokio::test]
async fn a_playlist_has_one_age_whatever_part_of_it_is_answered() {
    let bench = Bench::new();
    let etag = bench.put("v.m3u8", PLAYLIST, &[]).await.header("etag").to_owned();
    for (name, value, status) in
        [("if-none-match", &*etag, 304), ("range", "bytes=0-3", 206), ("if-none-match", "*", 304)]
    {
        // One that has not read it before.
        let other = Bench::beside(&bench);
        let answer = other.get("v.m3u8", &[(name, value)]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("cache-control")),
            (status, "public, max-age=3"),
            "{name}"
        );
    }
}
