//! Who gets in.

use axum::{body::Body, extract::ConnectInfo};
use headwater_admin::BootstrapToken;
use headwater_meta::{MetaCache, State, WatchEvent};
use http::{Request, header};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use crate::support::{BOOTSTRAP, Bench, LIMIT};

async fn key(bench: &Bench, path: &str, body: Value) -> String {
    bench.post(path, body).await.is(201)["api_key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_administrators_get_in_and_everyone_gets_a_request_id() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    let admin = key(&bench, "/v1/keys", json!({"permission": "admin"})).await;
    let encoder = key(&bench, "/v1/namespaces/live/keys", json!({"permission": "readwrite"})).await;
    let forged = format!("{}{}", &admin[..admin.len() - 4], "0000");
    for token in [BOOTSTRAP, &admin] {
        let answer = bench.send_as(token, "GET", "/v1/namespaces", Value::Null).await;
        let id = answer.header("x-request-id").to_owned();
        assert_eq!((id.len(), &id[14..15]), (36, "7"), "a UUID of version 7: {id}");
        answer.is(200);
    }
    for token in ["", "x", &BOOTSTRAP[1..], &forged, &format!("{BOOTSTRAP}x")] {
        let answer = bench.send_as(token, "GET", "/v1/namespaces", Value::Null).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(answer.header("x-request-id").len(), 36);
        let detail = answer.problem(401, "unauthorized");
        assert!(detail.contains("Authorization: Bearer") && !detail.contains(&admin), "{detail}");
    }
    bench.send_as(&encoder, "GET", "/v1/namespaces", Value::Null).await.problem(403, "forbidden");
    for value in ["", BOOTSTRAP, &format!("Basic {BOOTSTRAP}")] {
        let request = Request::get("/v1/namespaces").header(header::AUTHORIZATION, value);
        bench.raw(request, Body::empty()).await.problem(401, "unauthorized");
    }
    let lower = Request::get("/v1/namespaces").header(header::AUTHORIZATION, format!("bearer {BOOTSTRAP}"));
    bench.raw(lower, Body::empty()).await.is(200);
    bench.stop().await;
}

#[tokio::test]
async fn revoked_keys_and_other_addresses_are_refused() {
    let bench = Bench::new().await;
    let body = json!({"permission": "admin", "cidrs": ["192.0.2.0/24"]});
    let created = bench.post("/v1/keys", body).await.is(201);
    let token = created["api_key"].as_str().unwrap();
    let from = |address: Option<&str>| {
        let mut request = Request::get("/v1/keys").header(header::AUTHORIZATION, format!("Bearer {token}"));
        if let Some(address) = address {
            request = request.extension(ConnectInfo(address.parse::<SocketAddr>().unwrap()));
        }
        bench.raw(request, Body::empty())
    };
    from(Some("192.0.2.7:1000")).await.is(200);
    from(Some("[::ffff:192.0.2.7]:1000")).await.is(200);
    from(Some("192.0.3.7:1000")).await.problem(403, "forbidden");
    from(None).await.problem(403, "forbidden");
    bench.delete(&format!("/v1/keys/{}", created["id"].as_str().unwrap())).await.is(200);
    from(Some("192.0.2.7:1000")).await.problem(401, "unauthorized");
    bench.stop().await;
}

#[tokio::test]
async fn the_client_is_seen_through_trusted_proxies_only() {
    let mut bench = Bench::new().await;
    // Written as IPv6, they are the same addresses.
    let body = json!({"permission": "admin", "cidrs": ["::ffff:192.0.2.0/120"]});
    let token = key(&bench, "/v1/keys", body).await;
    let from = |bench: &Bench, peer: &str, forwarded: &str, name: &str| {
        let request = Request::post("/v1/namespaces")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-forwarded-for", forwarded)
            .extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        let (router, body) = (bench.router.clone(), json!({"name": name}).to_string());
        async move { router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap().status().as_u16() }
    };
    assert_eq!(from(&bench, "192.0.2.7:1", "198.51.100.1", "a").await, 201, "nobody is trusted");
    assert_eq!(from(&bench, "10.0.0.1:1", "192.0.2.7", "b").await, 403);
    bench.with(|api| api.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(from(&bench, "10.0.0.1:1", "192.0.2.7", "b").await, 201);
    assert_eq!(bench.audit.last(1)[0].client.as_deref(), Some("192.0.2.7"));
    assert_eq!(from(&bench, "10.0.0.1:1", "192.0.2.7, 198.51.100.1", "c").await, 403);
    assert_eq!(from(&bench, "192.0.2.7:1", "198.51.100.1", "c").await, 201, "no proxy: the peer it is");
    bench.stop().await;
}

#[tokio::test]
async fn no_key_is_taken_once_the_metadata_was_not_heard_for_too_long() {
    let mut bench = Bench::new().await;
    let token = key(&bench, "/v1/keys", json!({"permission": "admin"})).await;
    // A copy that no watch feeds may be of any age.
    let copy = MetaCache::new();
    copy.apply(WatchEvent::Snapshot(Box::new(State::clone(&bench.cache.state()))));
    bench.with(|api| api.cache = copy);
    let path = "/v1/namespaces?stale=true";
    bench.send_as(&token, "GET", path, Value::Null).await.is(200);
    bench.with(|api| api.auth_max_staleness = Some(Duration::from_secs(60)));
    let answer = bench.send_as(&token, "GET", path, Value::Null).await;
    assert_eq!(answer.header("retry-after"), "1");
    answer.problem(503, "metadata_stale");
    // The bootstrap token stands in the configuration.
    bench.get(path).await.is(200);
    let cache = bench.cache.clone();
    bench.with(|api| api.cache = cache);
    bench.send_as(&token, "GET", path, Value::Null).await.is(200);
    bench.stop().await;
}

#[tokio::test]
async fn the_last_use_of_an_admin_key_is_told_once_a_minute() {
    let bench = Bench::new().await;
    let created = bench.post("/v1/keys", json!({"permission": "admin"})).await.is(201);
    let token = created["api_key"].as_str().unwrap();
    for _ in 0..3 {
        bench.send_as(token, "GET", "/v1/namespaces", Value::Null).await.is(200);
    }
    let told = async {
        while bench.store.reports.lock().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, told).await.expect("a report");
    let reports = bench.store.reports.lock().clone();
    // The clock may have come to the next minute.
    assert!(reports.len() <= 2, "{reports:?}");
    assert_eq!(reports[0].reporter, "frontend-9");
    assert_eq!(reports[0].keys_used[0].0.to_string(), created["id"].as_str().unwrap());
    bench.stop().await;
}

#[tokio::test]
async fn what_is_open_and_what_is_not_there() {
    let bench = Bench::new().await;
    for path in ["/healthz", "/metrics", "/version", "/", "/v1/openapi.json"] {
        let answer = bench.raw(Request::get(path), Body::empty()).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let document = bench.raw(Request::get("/v1/openapi.json"), Body::empty()).await.is(200);
    assert_eq!(document["openapi"], "3.1.0");
    bench.get("/v1/nothing").await.problem(404, "not_found");
    let answer = bench.post("/v1/nodes", json!({})).await;
    assert!(answer.header("allow").contains("GET"), "{answer:?}");
    answer.problem(405, "method_not_allowed");
    bench.get("/v1/namespaces/%FF").await.problem(404, "not_found");
    bench.get("/v1/nodes/one").await.problem(404, "not_found");
    bench.stop().await;
}

#[test]
fn bootstrap_tokens_at_and_past_the_limit() {
    assert!(BootstrapToken::new(&"a".repeat(32)).is_some());
    assert!(BootstrapToken::new(&format!(" {}\n", "a".repeat(32))).is_some());
    for bad in ["a".repeat(31), format!("{} b", "a".repeat(32)), "é".repeat(32), String::new()] {
        assert!(BootstrapToken::new(&bad).is_none(), "{bad:?}");
    }
    assert_eq!(format!("{:?}", BootstrapToken::new(BOOTSTRAP)), "Some(BootstrapToken(redacted))");
}
