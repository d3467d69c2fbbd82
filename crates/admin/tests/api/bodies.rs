//! Bodies and parameters: their bounds and their forms.

use axum::body::Body;
use headwater_admin::api::input::BODY_BYTES_MAX;
use http::{Request, header, request::Builder};
use serde_json::{Value, json};

use crate::support::{BOOTSTRAP, Bench};

fn post(content_type: &str) -> Builder {
    Request::post("/v1/namespaces")
        .header(header::AUTHORIZATION, format!("Bearer {BOOTSTRAP}"))
        .header(header::CONTENT_TYPE, content_type)
}

/// A body of `length` bytes that makes the namespace `name`.
fn padded(name: &str, length: usize) -> String {
    let body = json!({"name": name}).to_string();
    format!("{body}{}", " ".repeat(length - body.len()))
}

#[tokio::test]
async fn bodies_at_the_limit_and_one_past() {
    let bench = Bench::new().await;
    bench.raw(post("application/json"), padded("at", BODY_BYTES_MAX)).await.is(201);
    let past = bench.raw(post("application/json"), padded("past", BODY_BYTES_MAX + 1)).await;
    assert!(past.problem(413, "body_too_large").contains("65536"));
    let chunks = padded("past", BODY_BYTES_MAX + 1);
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(chunks)]);
    let past = bench.raw(post("application/json"), Body::from_stream(chunks)).await;
    past.problem(413, "body_too_large");
    bench.get("/v1/namespaces/past").await.problem(404, "not_found");
    bench.stop().await;
}

#[tokio::test]
async fn only_json_is_read() {
    let bench = Bench::new().await;
    let body = || json!({"name": "live"}).to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let detail = bench.raw(post(content_type), body()).await.problem(415, "unsupported_media_type");
        assert!(detail.contains("application/json"), "{detail}");
    }
    for malformed in ["", "{", "{\"name\": \"live\"} x"] {
        bench.raw(post("application/json"), malformed).await.problem(400, "bad_request");
    }
    bench.raw(post("Application/JSON; charset=utf-8"), body()).await.is(201);
    bench.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let bench = Bench::new().await;
    // From here on time passes as soon as nothing else does.
    tokio::time::pause();
    let never = Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    bench.raw(post("application/json"), never).await.problem(408, "request_timeout");
    bench.stop().await;
}

#[tokio::test]
async fn parameters_at_and_past_their_limits() {
    let bench = Bench::new().await;
    for good in ["limit=1", "limit=1000", "prefix=a", "stale=true"] {
        bench.get(&format!("/v1/namespaces?{good}")).await.is(200);
    }
    for (bad, named) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("cursor=!", "cursor"),
        ("stale=maybe", "stale"),
        ("speling=1", "speling"),
    ] {
        let detail = bench.get(&format!("/v1/namespaces?{bad}")).await.problem(400, "invalid_value");
        assert!(detail.contains(named), "{bad}: {detail}");
    }
    for (method, path) in [
        ("GET", "/v1/namespaces/live/keys/x"),
        ("GET", "/v1/keys/x"),
        ("GET", "/v1/nodes/1"),
        ("GET", "/v1/purges/1"),
        ("GET", "/v1/cluster/meta"),
        ("GET", "/v1/audit"),
        ("POST", "/v1/namespaces"),
        ("PATCH", "/v1/namespaces/live"),
        ("PUT", "/v1/namespaces/live"),
        ("POST", "/v1/namespaces/live/keys"),
        ("POST", "/v1/keys"),
        ("POST", "/v1/namespaces/live/signing-keys"),
        ("POST", "/v1/namespaces/live/purge"),
        ("POST", "/v1/nodes/1/drain"),
        ("POST", "/v1/nodes/1/activate"),
        ("DELETE", "/v1/nodes/1"),
        ("POST", "/v1/cluster/meta"),
        ("DELETE", "/v1/cluster/meta/1"),
        ("POST", "/v1/cluster/zones/a/fence"),
        ("DELETE", "/v1/cluster/zones/a/fence"),
    ] {
        let body = if matches!(method, "GET" | "DELETE") { Value::Null } else { json!({}) };
        let answer = bench.send(method, &format!("{path}?speling=1"), body).await;
        let detail = answer.problem(400, "invalid_value");
        assert!(detail.contains("speling"), "{method} {path}: {detail}");
    }
    let query = |length: usize| format!("/v1/namespaces?prefix={}", "a".repeat(length - "prefix=".len()));
    bench.get(&query(4096)).await.is(200);
    bench.get(&query(4097)).await.problem(400, "invalid_value");
    bench.stop().await;
}
