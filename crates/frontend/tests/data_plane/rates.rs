//! Rate limits of namespaces and keys.

use axum::body::Body;
use bytes::Bytes;
use headwater_frontend::FrontendConfig;
use headwater_meta::{KeyRecord, NamespaceSettings, RateLimits};
use http::{Method, Request};
use std::{sync::Arc, time::Duration};

use crate::{
    support::{Answer, Bench, NAMESPACE},
    writes::untouchable,
};

fn limited(rate_limits: RateLimits) -> Bench {
    Bench::with(FrontendConfig::default(), NamespaceSettings { rate_limits, ..NamespaceSettings::default() })
}

fn get_as(key: &str) -> Request<Body> {
    Request::get("/cache/live/a.ts").header("authorization", key).body(Body::empty()).unwrap()
}

fn is_limited(answer: &Answer, seconds: &str, by: &str) {
    assert_eq!((answer.status.as_u16(), &*answer.code()), (429, "rate_limited"));
    assert_eq!(answer.header("retry-after"), seconds);
    let detail = String::from_utf8_lossy(&answer.body);
    assert!(detail.contains(by), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_put_past_the_limit_is_refused_before_its_body_and_stores_nothing() {
    let bench = limited(RateLimits { write_requests_per_s: Some(2), ..RateLimits::default() });
    assert_eq!(bench.put("a.ts", "1", &[]).await.status, 201);
    assert_eq!(bench.put("b.ts", "2", &[]).await.status, 201);
    let request = bench.request(Method::PUT, "c.ts").header("content-length", 5);
    let refused = bench.send(request.body(untouchable()).unwrap()).await;
    is_limited(&refused, "1", "write_requests_per_s of the namespace is 2");
    assert_eq!(refused.header("connection"), "close");
    assert_eq!(bench.near.puts.lock().len(), 2);
    assert_eq!(bench.get("c.ts", &[]).await.status, 404, "reads have limits of their own");
    // Whoever may not do it anyway is told that, and takes nothing away from the others.
    tokio::time::advance(Duration::from_millis(500)).await;
    for key in ["", &*bench.reader] {
        let request = Request::put("/cache/live/c.ts").header("authorization", key);
        let status = bench.send(request.body(untouchable()).unwrap()).await.status.as_u16();
        assert_eq!(status, if key.is_empty() { 401 } else { 403 });
    }
    assert_eq!(bench.put("c.ts", "3", &[]).await.status, 201, "half a second is one of two");
    assert_eq!(bench.put("d.ts", "4", &[]).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_key_is_its_own() {
    let bench = Bench::new();
    bench.put("a.ts", "1", &[]).await;
    let id = bench.reader.split('_').nth(1).unwrap().to_owned();
    bench.change(|state| {
        let record = state.keys.get(&headwater_types::KeyId(id.into())).unwrap();
        let rate_limits = RateLimits { read_requests_per_s: Some(1), ..RateLimits::default() };
        let record = KeyRecord { rate_limits, ..KeyRecord::clone(record) };
        state.keys.insert(record.id.clone(), Arc::new(record));
    });
    assert_eq!(bench.send(get_as(&bench.reader)).await.status, 200);
    is_limited(&bench.send(get_as(&bench.reader)).await, "1", "read_requests_per_s of the key is 1");
    assert_eq!(bench.get("a.ts", &[]).await.status, 200, "another key");
    let preflight = Request::options("/cache/live/a.ts").body(Body::empty()).unwrap();
    assert_eq!(bench.send(preflight).await.status, 204);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(bench.send(get_as(&bench.reader)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_sent_and_received_count() {
    let bench = limited(RateLimits {
        read_bytes_per_s: Some(1_000),
        write_bytes_per_s: Some(1_000),
        ..RateLimits::default()
    });
    let body = Bytes::from(vec![7; 3_000]);
    // As much as a second allows is let in at once, and what is larger is paid for by the next.
    for path in ["declared.ts", "chunked.ts"] {
        let put = match path {
            "declared.ts" => bench.put_request(path, body.clone(), &[]),
            _ => {
                let pieces: Vec<Result<_, std::convert::Infallible>> = vec![Ok(body.clone())];
                let request = bench.request(Method::PUT, path).header("transfer-encoding", "chunked");
                request.body(Body::from_stream(futures_util::stream::iter(pieces))).unwrap()
            }
        };
        assert_eq!(bench.send(put).await.status, 201, "{path}");
        let next = bench.put("next.ts", "1", &[]).await;
        is_limited(&next, "2", "write_bytes_per_s of the namespace is 1000");
        tokio::time::advance(Duration::from_secs(3)).await;
    }
    // Also of a body that breaks off.
    let pieces = futures_util::stream::iter([Ok(body.clone()), Err(std::io::Error::other("cut"))]);
    let request = bench.request(Method::PUT, "cut.ts").header("transfer-encoding", "chunked");
    let cut = bench.send(request.body(Body::from_stream(pieces)).unwrap()).await;
    assert_eq!(cut.code(), "body_incomplete");
    is_limited(&bench.put("next.ts", "1", &[]).await, "2", "write_bytes_per_s of the namespace is 1000");
    assert_eq!(bench.bodiless(Method::HEAD, "declared.ts", &[]).await.status, 200);
    assert_eq!(bench.get("declared.ts", &[("range", "bytes=0-999")]).await.status, 206);
    assert_eq!(bench.get("declared.ts", &[]).await.status, 200);
    is_limited(&bench.get("declared.ts", &[]).await, "3", "read_bytes_per_s of the namespace is 1000");
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(bench.get("declared.ts", &[]).await.status, 200);
    assert_eq!(bench.metric("http_received_bytes_total{namespace=\"live\"}"), 9_000);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_lifted_holds_no_more() {
    let bench = limited(RateLimits { read_requests_per_s: Some(1), ..RateLimits::default() });
    bench.get("a.ts", &[]).await;
    assert_eq!(bench.get("a.ts", &[]).await.status, 429);
    bench.change(|state| {
        let mut record = (*state.namespaces[&NAMESPACE]).clone();
        record.version += 1;
        record.settings.rate_limits = RateLimits::default();
        state.namespaces.insert(NAMESPACE, Arc::new(record));
    });
    assert_eq!(bench.get("a.ts", &[]).await.status, 404);
}
