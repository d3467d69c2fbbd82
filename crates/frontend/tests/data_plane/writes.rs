//! PUT, POST, DELETE and who may do them.

use crate::support::{Bench, Fault};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use headwater_frontend::{FrontendConfig, UPLOAD_OVERHEAD_BYTES};
use headwater_meta::NamespaceSettings;
use http::{Method, Request};
use std::{convert::Infallible, time::Duration};

/// A body that no one may read.
pub fn untouchable() -> Body {
    Body::from_stream(stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, Infallible>>> {
        panic!("the body was read before the decision")
    }))
}

#[tokio::test]
async fn a_put_is_stored_and_comes_back() {
    let bench = Bench::new();
    let created =
        bench.put("a/v_1.ts?ttl_seconds=60&role=origin", "one", &[("x-headwater-meta-take", "7")]).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.body, "");
    assert_eq!(created.header("x-request-id").len(), 36);
    assert!(created.header("server-timing").starts_with("origin;dur="));
    let got = bench.get("a/v_1.ts?ttl_seconds=60", &[]).await;
    assert_eq!((got.status.as_u16(), &got.body[..]), (200, &b"one"[..]));
    assert_eq!(got.header("etag"), created.header("etag"));
    assert_eq!(got.header("content-type"), "video/mp2t");
    assert_eq!(got.header("x-headwater-meta-take"), "7");
    let replaced = bench
        .send(
            bench
                .request(Method::POST, "a/v_1.ts")
                .header("transfer-encoding", "chunked")
                .body(Body::from("two"))
                .unwrap(),
        )
        .await;
    assert_eq!(replaced.status, 204);
    assert!(!replaced.headers.contains_key("content-length"));
    assert_ne!(replaced.header("etag"), created.header("etag"));
    assert_eq!(bench.get("a/v_1.ts", &[]).await.body, "two");
    assert_eq!(bench.near.puts.lock()[0].ttl.as_secs(), 60);
}

#[tokio::test]
async fn refusals_are_sent_before_the_body_is_read() {
    let settings = NamespaceSettings { max_object_bytes: 10, ..NamespaceSettings::default() };
    let bench = Bench::with(FrontendConfig::default(), settings);
    let (writer, reader, live, stranger) =
        (&*bench.writer, &*bench.reader, &*bench.live_writer, &*bench.stranger);
    let length = ("content-length", "5");
    for (path, key, header, status, code) in [
        ("/cache/live/a.ts", "", length, 401, "unauthorized"),
        ("/cache/live/a.ts", "Bearer hw_x", length, 401, "unauthorized"),
        ("/cache/nowhere/a.ts", "", length, 401, "unauthorized"),
        ("/cache/nowhere/a.ts", writer, length, 403, "forbidden"),
        ("/cache/live/a.ts", reader, length, 403, "forbidden"),
        ("/cache/live/a.ts", stranger, length, 403, "forbidden"),
        ("/cache/live/b/a.ts", live, length, 403, "forbidden"),
        ("/cache/live/a.ts", writer, ("x-nothing", ""), 411, "length_required"),
        ("/cache/live/a.ts", writer, ("content-length", "11"), 413, "too_large"),
        ("/cache/live/a//b.ts", writer, length, 400, "invalid_key"),
        ("/cache/LIVE/a.ts", writer, length, 400, "invalid_namespace"),
        ("/cache/live/a.ts?ttl_seconds=x", writer, length, 400, "invalid_ttl"),
        ("/elsewhere", writer, length, 404, "not_found"),
    ] {
        let request = Request::put(path).header("authorization", key).header(header.0, header.1);
        let answer = bench.send(request.body(untouchable()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{path}");
        assert_eq!(answer.header("connection"), "close");
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
    }
    assert_eq!(bench.near.calls() + bench.far.calls(), 0);
    let unknown = bench.send(bench.request(Method::PATCH, "a.ts").body(Body::empty()).unwrap()).await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (405, "method_not_allowed"));
    assert!(unknown.header("allow").contains("PUT"));
}

#[tokio::test]
async fn any_credential_that_grants_is_enough() {
    let bench = Bench::new();
    let uri = format!("/cache/live/a.ts?token={}", bench.writer);
    let request = Request::put(uri).header("authorization", &bench.reader).header("content-length", 1);
    assert_eq!(bench.send(request.body(Body::from("x")).unwrap()).await.status, 201);
}

#[tokio::test]
async fn empty_bodies_are_probes_of_media_and_objects_elsewhere() {
    let bench = Bench::new();
    bench.put("v.m3u8", "#EXTM3U\n", &[]).await;
    let chunked = || bench.request(Method::PUT, "v.m3u8").header("transfer-encoding", "chunked");
    assert_eq!(bench.put("v.m3u8", "", &[]).await.status, 204);
    assert_eq!(
        bench
            .send(chunked().body(Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())).unwrap())
            .await
            .status,
        204
    );
    assert_eq!(bench.get("v.m3u8", &[]).await.body, "#EXTM3U\n");
    assert_eq!(bench.put("note.txt", "", &[]).await.status, 201);
    let empty = bench.get("note.txt", &[]).await;
    assert_eq!((empty.status.as_u16(), empty.header("content-length"), empty.body.len()), (200, "0", 0));
}

#[tokio::test]
async fn digests_are_checked_and_nothing_is_stored_of_a_wrong_body() {
    let bench = Bench::new();
    let right = ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    let wrong = ("content-digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:");
    assert_eq!(bench.put("a.ts", "hello", &[right]).await.status, 201);
    assert_eq!(bench.put("b.ts", "hello", &[wrong]).await.code(), "digest_mismatch");
    assert_eq!(bench.put("b.ts", "hello", &[("content-md5", "x")]).await.code(), "malformed_digest");
    assert_eq!(bench.get("b.ts", &[]).await.code(), "not_found");
}

#[tokio::test]
async fn bodies_that_are_too_long_or_break_off_leave_nothing() {
    let settings = NamespaceSettings { max_object_bytes: 10, ..NamespaceSettings::default() };
    let bench = Bench::with(FrontendConfig::default(), settings);
    let pieces = |pieces: Vec<Result<&'static str, &'static str>>| {
        let body = Body::from_stream(stream::iter(pieces));
        bench.send(
            bench.request(Method::PUT, "a.bin").header("transfer-encoding", "chunked").body(body).unwrap(),
        )
    };
    assert_eq!(pieces(vec![Ok("12345"), Ok("67890")]).await.status, 201);
    bench.bodiless(Method::DELETE, "a.bin", &[]).await;
    assert_eq!(pieces(vec![Ok("12345"), Ok("67890"), Ok("1")]).await.code(), "too_large");
    let cut = pieces(vec![Ok("12345"), Err("reset")]).await;
    assert_eq!((cut.code().as_str(), cut.header("connection")), ("body_incomplete", "close"));
    assert_eq!(bench.near.stored(), 0);
    while bench.near.uploads() > 0 || bench.metric("ingest_reserved_bytes") > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn preconditions_hold_or_nothing_changes() {
    let bench = Bench::new();
    assert_eq!(bench.put("a.ts", "1", &[("if-match", "*")]).await.code(), "precondition_failed");
    let first = bench.put("a.ts", "1", &[("if-none-match", "*")]).await;
    assert_eq!(first.status, 201);
    assert_eq!(bench.put("a.ts", "2", &[("if-none-match", "*")]).await.code(), "precondition_failed");
    assert_eq!(bench.put("a.ts", "2", &[("if-match", first.header("etag"))]).await.status, 204);
    assert_eq!(
        bench.put("a.ts", "3", &[("if-match", first.header("etag"))]).await.code(),
        "precondition_failed"
    );
    assert_eq!(bench.get("a.ts", &[]).await.body, "2");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_given_up_after_the_limit() {
    let bench = Bench::new();
    let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let request =
        bench.request(Method::PUT, "a.ts").header("transfer-encoding", "chunked").body(body).unwrap();
    let started = tokio::time::Instant::now();
    assert_eq!(bench.send(request).await.code(), "request_timeout");
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_full_budget_refuses_after_a_short_wait_without_reading() {
    let config = FrontendConfig { ingest_budget_bytes: 100_000, ..FrontendConfig::default() };
    let bench = Bench::with(config, NamespaceSettings::default());
    let open = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let request = bench.request(Method::PUT, "a.ts").header("content-length", 100_000).body(open).unwrap();
    let mut holding = Box::pin(bench.raw(request));
    assert!(futures_util::poll!(&mut holding).is_pending());
    let reserved = 100_000 + UPLOAD_OVERHEAD_BYTES;
    assert_eq!(bench.metric("ingest_reserved_bytes"), reserved, "larger than the budget, and alone");
    let started = tokio::time::Instant::now();
    let refused = bench.request(Method::PUT, "b.ts").header("content-length", 1).body(untouchable()).unwrap();
    let refused = bench.send(refused).await;
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("overloaded", "1"));
    assert_eq!(started.elapsed(), Duration::from_secs(2));
    drop(holding);
    assert_eq!(bench.put("b.ts", "x", &[]).await.status, 201);
}

#[tokio::test]
async fn delete_is_idempotent_reads_its_body_and_may_be_ignored() {
    let bench = Bench::new();
    bench.put("a.ts", "x", &[]).await;
    for _ in 0..2 {
        let request = bench.request(Method::DELETE, "a.ts").header("transfer-encoding", "chunked");
        let answer = bench.send(request.body(Body::from("ignored")).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("connection")), (204, ""));
    }
    assert_eq!(bench.get("a.ts", &[]).await.status, 404);
    let settings = NamespaceSettings { ignore_deletes: true, ..NamespaceSettings::default() };
    let bench = Bench::with(FrontendConfig::default(), settings);
    bench.put("a.ts", "x", &[]).await;
    assert_eq!(bench.bodiless(Method::DELETE, "a.ts", &[]).await.status, 204);
    assert_eq!(bench.get("a.ts", &[]).await.status, 200);
}

#[tokio::test]
async fn a_delete_with_a_condition_is_refused_and_deletes_nothing() {
    let bench = Bench::new();
    let etag = bench.put("a.ts", "x", &[]).await.header("etag").to_owned();
    for condition in
        [("if-match", "\"other\""), ("if-match", &*etag), ("if-match", "*"), ("if-none-match", "*")]
    {
        let answer = bench.bodiless(Method::DELETE, "a.ts", &[condition]).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (400, "invalid_header"), "{condition:?}");
    }
    assert_eq!(bench.get("a.ts", &[]).await.status, 200);
}

#[tokio::test]
async fn a_precondition_that_does_not_hold_is_told_before_the_body_is_asked_for() {
    let bench = Bench::new();
    let etag = bench.put("a.ts", "x", &[]).await.header("etag").to_owned();
    let expect = ("expect", "100-continue");
    for (path, condition) in [
        ("a.ts", ("if-none-match", "*")),
        ("a.ts", ("if-match", "\"00000000000000000000000000000000\"")),
        ("b.ts", ("if-match", "*")),
    ] {
        let request = bench.request(Method::PUT, path).header("content-length", 1);
        let request = request.header(expect.0, expect.1).header(condition.0, condition.1);
        let answer = bench.send(request.body(untouchable()).unwrap()).await;
        assert_eq!(answer.code(), "precondition_failed", "{path} {condition:?}");
    }
    assert_eq!(bench.put("a.ts", "2", &[expect, ("if-match", &etag)]).await.status, 204);
    assert_eq!(bench.put("b.ts", "2", &[expect, ("if-none-match", "*")]).await.status, 201);
    // Where no member answers the look, the write decides.
    bench.near.fault([Fault::Unavailable]);
    bench.far.fault([Fault::Unavailable]);
    let decided = bench.put("b.ts", "3", &[expect, ("if-none-match", "*")]).await;
    assert_eq!(decided.code(), "precondition_failed");
}

#[tokio::test]
async fn overwritten_media_is_counted() {
    let bench = Bench::new();
    for name in ["a.ts", "a.ts", "a.ts", "b.ts", "v.m3u8", "v.m3u8", "note.txt", "note.txt"] {
        bench.put(name, "#EXTM3U\n", &[]).await;
    }
    assert_eq!(bench.metric("media_overwritten_total{namespace=\"live\"}"), 2);
}

#[tokio::test]
async fn what_was_given_wrongly_is_not_repeated() {
    let bench = Bench::new();
    let secret = bench.writer.rsplit('_').next().unwrap().to_owned();
    for (path, code) in [
        (format!("/cache/{}/a.ts", bench.writer), "invalid_namespace"),
        (format!("/cache/live/a.ts?ttl_seconds={secret}"), "invalid_ttl"),
    ] {
        let request = Request::put(path).header("authorization", &bench.writer).header("content-length", 1);
        let answer = bench.send(request.body(Body::from("x")).unwrap()).await;
        assert_eq!(answer.code(), code);
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(!text.contains(&secret[..8]), "{text}");
    }
}
