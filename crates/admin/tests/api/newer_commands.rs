//! Deletion, signing keys, purges, node states and fences, down to the state machine.

use axum::body::Body;
use headwater_meta::{Command, MetaStore};
use http::{Request, header};
use serde_json::{Value, json};

use crate::support::{BOOTSTRAP, Bench, LIMIT, registration};

#[tokio::test]
async fn a_namespace_is_deleted_with_its_keys() {
    let bench = Bench::with_nodes().await;
    let id = bench.namespace("live").await["id"].as_u64().unwrap();
    bench.post("/v1/namespaces/live/keys", json!({"permission": "readonly"})).await.is(201);
    bench.nodes.put(id, "a.ts", 1, 1);
    bench.delete("/v1/namespaces/live").await.problem(409, "not_empty");
    let answer = bench.delete("/v1/namespaces/live?force=true").await;
    let location = answer.header("location").to_owned();
    let purge = answer.is(202);
    assert_eq!((&purge["namespace"], &purge["prefix"]), (&json!("live"), &json!("")));
    assert_eq!(bench.get(&location).await.is(200)["id"], purge["id"]);
    bench.get("/v1/namespaces/live").await.problem(404, "not_found");
    assert!(bench.cache.state().keys.is_empty());
    let again = bench.namespace("live").await;
    assert_ne!(again["id"], id);
    bench.delete("/v1/namespaces/live").await.is(202);
    assert_eq!(bench.audit.last(1)[0].action, "namespace.delete");
    bench.stop().await;
}

#[tokio::test]
async fn two_signing_keys_live_in_a_namespace() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    let path = "/v1/namespaces/live/signing-keys";
    let answer = bench.post(path, Value::Null).await;
    assert!(
        answer.header("content-disposition").starts_with("attachment; filename=\"headwater-live-signing-")
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    let first = answer.is(201);
    let secret = first["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 43, "32 bytes in base64url");
    bench.post(path, Value::Null).await.is(201);
    bench.post(path, Value::Null).await.problem(409, "too_many");
    let listed = bench.get(path).await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(secret));
    assert_eq!(listed.is(200)["items"].as_array().unwrap().len(), 2);
    let one = bench.get(&format!("{path}?limit=1")).await.is(200);
    let cursor = one["cursor"].as_str().expect("there are two");
    let rest = bench.get(&format!("{path}?limit=1&cursor={cursor}")).await.is(200);
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["cursor"]), (1, &Value::Null));

    let id = first["id"].as_str().unwrap();
    let revoked = bench.delete(&format!("{path}/{id}")).await.is(200);
    assert_eq!((&revoked["id"], &revoked["pending"]), (&json!(id), &json!([])));
    bench.delete(&format!("{path}/{id}")).await.is(200);
    bench.delete(&format!("{path}/nothing")).await.problem(404, "not_found");
    bench.post(path, Value::Null).await.is(201);
    let audit = bench.get("/v1/audit").await;
    assert!(!String::from_utf8_lossy(&audit.body).contains(secret));
    bench.stop().await;
}

#[tokio::test]
async fn a_purge_is_begun_and_shown() {
    let bench = Bench::with_nodes().await;
    bench.namespace("live").await;
    let path = "/v1/namespaces/live/purge";
    let answer = bench.post(path, json!({"prefix": "a/", "block": true})).await;
    let location = answer.header("location").to_owned();
    let purge = answer.is(202);
    assert_eq!(location, format!("/v1/purges/{}", purge["id"]));
    assert_eq!((&purge["prefix"], &purge["shards_total"]), (&json!("a/"), &json!(1024)));
    assert_eq!(bench.get(&location).await.is(200)["namespace"], "live");
    assert_eq!(bench.get("/v1/purges").await.is(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(bench.get("/v1/namespaces/live").await.is(200)["blocked"], json!(["a/"]));
    let blocked = "/v1/namespaces/live/blocked";
    let unblock = format!("{blocked}?prefix=a/");
    let conditional = Request::builder()
        .method("DELETE")
        .uri(&unblock)
        .header(header::AUTHORIZATION, format!("Bearer {BOOTSTRAP}"))
        .header(header::IF_MATCH, "\"1\"");
    let detail = bench.raw(conditional, Body::empty()).await.problem(400, "invalid_value");
    assert!(detail.contains("If-Match"), "{detail}");
    let detail = bench.delete(&format!("{blocked}?prefix=a")).await.problem(404, "not_found");
    assert!(detail.contains("blocked: a/"), "{detail}");
    bench.delete(blocked).await.problem(400, "invalid_value");
    assert_eq!(bench.delete(&format!("{blocked}?prefix=a/")).await.is(200)["blocked"], json!([]));
    bench.delete(&format!("{blocked}?prefix=a/")).await.problem(404, "not_found");
    bench.delete("/v1/namespaces/no/blocked?prefix=a/").await.problem(404, "not_found");
    let audited = bench.audit.last(1).remove(0);
    assert_eq!((audited.action.as_str(), audited.target.as_str()), ("namespace.unblock", "live/a/"));
    bench.stop().await;
}

#[tokio::test]
async fn a_node_drains_and_is_not_removed_while_it_holds_shards() {
    let bench = Bench::with_nodes().await;
    assert_eq!(bench.post("/v1/nodes/1/drain", Value::Null).await.is(200)["state"], "draining");
    assert!(bench.get("/v1/cluster").await.is(200)["moves"]["planned"].as_u64().unwrap() > 0);
    let refused = bench.delete("/v1/nodes/1").await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    bench.get("/v1/nodes/1").await.is(200);
    assert_eq!(bench.post("/v1/nodes/1/activate", Value::Null).await.is(200)["state"], "active");
    let last = bench.audit.last(1);
    assert_eq!((last[0].action.as_str(), last[0].target.as_str()), ("node.activate", "1"));
    bench.stop().await;
}

#[tokio::test]
async fn a_node_is_removed_once_and_again_without_harm() {
    let bench = Bench::new().await;
    let nodes = vec![registration(3, "a")];
    bench.store.propose(Command::Register { nodes }, LIMIT).await.unwrap();
    for _ in 0..2 {
        bench.delete("/v1/nodes/3").await.is(204);
    }
    bench.get("/v1/nodes/3").await.problem(404, "not_found");
    let before: Vec<bool> = bench.audit.last(9).iter().map(|entry| entry.before.is_some()).collect();
    assert_eq!(before, [false, true]);
    bench.stop().await;
}

#[tokio::test]
async fn capacity_that_no_zone_has_is_refused_as_such() {
    let bench = Bench::with_nodes().await;
    // Each zone has one node of 1 GiB.
    let body = |name: &str, bytes: u64| json!({"name": name, "hot_capacity_bytes": bytes});
    let detail = bench.post("/v1/namespaces", body("vod", (1 << 30) + 1)).await.problem(409, "capacity");
    assert!(detail.contains("zone a"), "{detail}");
    bench.post("/v1/namespaces", body("live", 1 << 30)).await.is(201);
    let patch = json!({"hot_capacity_bytes": (1 << 30) + 1});
    bench.send("PATCH", "/v1/namespaces/live", patch).await.problem(409, "capacity");
    bench.stop().await;
}

#[tokio::test]
async fn a_zone_is_fenced_and_another_is_not() {
    let bench = Bench::with_nodes().await;
    assert_eq!(bench.post("/v1/cluster/zones/a/fence", Value::Null).await.is(200)["fenced_zone"], "a");
    bench.post("/v1/cluster/zones/b/fence", Value::Null).await.problem(409, "conflict");
    assert_eq!(bench.post("/v1/cluster/zones/a/fence", Value::Null).await.is(200)["fenced_zone"], "a");
    assert_eq!(bench.delete("/v1/cluster/zones/a/fence").await.is(200)["fenced_zone"], Value::Null);
    bench.stop().await;
}

#[tokio::test]
async fn purges_that_are_not_allowed() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    let path = "/v1/namespaces/live/purge";
    let long = "a".repeat(901);
    for (body, named) in [
        (json!({"prefix": 1}), "prefix: invalid type"),
        // All of the namespace must be said.
        (json!({}), "missing field `prefix`"),
        (json!({"block": true}), "missing field `prefix`"),
        (json!({"prefix": long}), "prefix: has 901 bytes"),
        (json!({"speling": 1}), "unknown field `speling`"),
    ] {
        let detail = bench.post(path, body).await.problem(400, "invalid_value");
        assert!(detail.contains(named), "{detail:?} does not contain {named:?}");
    }
    bench.post("/v1/namespaces/no/purge", json!({"prefix": ""})).await.problem(404, "not_found");
    bench.get("/v1/purges/1").await.problem(404, "not_found");
    assert_eq!(bench.get("/v1/purges").await.is(200)["items"], json!([]));
    bench.stop().await;
}
