//! API keys.

use headwater_meta::{Reporter, limits::REPORT_STALE};
use headwater_types::{ApiKey, Clock, KeyId, SystemClock, UnixMillis};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{Bench, Fault};

const KEYS: &str = "/v1/namespaces/live/keys";

fn reporter(name: &str, version: u64, ago: Duration) -> Reporter {
    Reporter { name: name.into(), version, node: None, ago }
}

#[tokio::test]
async fn a_key_is_shown_once_and_works() {
    let bench = Bench::new().await;
    let namespace = bench.namespace("live").await;
    let body =
        json!({"permission": "readwrite", "prefix": "a/", "expires_in_s": 60, "cidrs": ["10.0.0.0/8"]});
    let answer = bench.post(KEYS, body).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let (disposition, location) =
        (answer.header("content-disposition").to_owned(), answer.header("location").to_owned());
    let created = answer.is(201);
    let id = created["id"].as_str().unwrap();
    assert_eq!(disposition, format!("attachment; filename=\"headwater-live-{id}.json\""));
    assert_eq!(location, format!("{KEYS}/{id}"));
    let key = ApiKey::parse(created["api_key"].as_str().unwrap()).unwrap();
    let record = bench.cache.verify(&key, SystemClock::new().unix_millis()).expect("it is valid");
    assert_eq!(record.namespace.map(|id| id.0), namespace["id"].as_u64());
    let valid_for = record.expires_at.unwrap().millis_since(record.created_at);
    assert!((55_000..=60_000).contains(&valid_for), "{valid_for} ms");

    bench.store.presence.lock().keys_used.insert(KeyId(id.into()), UnixMillis(1_000));
    let shown = bench.get(&location).await;
    assert!(!String::from_utf8_lossy(&shown.body).contains(key.secret()));
    let shown = shown.is(200);
    assert_eq!((&shown["namespace"], &shown["permission"]), (&json!("live"), &json!("readwrite")));
    assert_eq!((&shown["prefix"], &shown["cidrs"]), (&json!("a/"), &json!(["10.0.0.0/8"])));
    assert_eq!(
        (&shown["digest"], &shown["last_used_at"]),
        (&json!(false), &json!("1970-01-01T00:00:01.000Z"))
    );
    assert_eq!(shown["api_key"], Value::Null);
    assert_eq!(bench.get(KEYS).await.is(200)["items"], json!([shown]));
    let audit = bench.get("/v1/audit").await;
    let text = String::from_utf8_lossy(&audit.body).into_owned();
    assert!(text.contains("key.create") && text.contains(id) && !text.contains(key.secret()), "{text}");
    assert!(!text.contains(&record.secret_sha256));
    bench.stop().await;
}

#[tokio::test]
async fn a_prefix_is_the_same_with_and_without_its_closing_slash() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    let longest = "a".repeat(898);
    for (given, stored) in [
        ("news", "news/"),
        ("news/", "news/"),
        ("news/sport", "news/sport/"),
        (longest.as_str(), &format!("{longest}/")),
    ] {
        let made = bench.post(KEYS, json!({"permission": "readonly", "prefix": given})).await.is(201);
        assert_eq!(made["prefix"], stored);
        let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
        assert_eq!(bench.get(&path).await.is(200)["prefix"], stored);
        let key = ApiKey::parse(made["api_key"].as_str().unwrap()).unwrap();
        let record = bench.cache.verify(&key, SystemClock::new().unix_millis()).expect("it is valid");
        assert_eq!(record.prefix.as_deref(), Some(stored));
    }
    bench.stop().await;
}

#[tokio::test]
async fn keys_of_a_namespace_and_of_the_admin_plane_are_apart() {
    let bench = Bench::new().await;
    for name in ["live", "vod"] {
        bench.namespace(name).await;
    }
    let key = bench.post(KEYS, json!({"permission": "readonly"})).await.is(201);
    let admin = bench.post("/v1/keys", json!({"permission": "admin"})).await.is(201);
    let (key, admin) = (key["id"].as_str().unwrap(), admin["id"].as_str().unwrap());
    for path in [
        format!("/v1/namespaces/vod/keys/{key}"),
        format!("/v1/keys/{key}"),
        format!("{KEYS}/{admin}"),
        format!("{KEYS}/nothing"),
    ] {
        bench.get(&path).await.problem(404, "not_found");
        bench.delete(&path).await.problem(404, "not_found");
    }
    assert_eq!(bench.get("/v1/namespaces/vod/keys").await.is(200)["items"], json!([]));
    assert_eq!(bench.get("/v1/keys").await.is(200)["items"][0]["id"], admin);
    assert_eq!(bench.get(&format!("/v1/keys/{admin}")).await.is(200)["namespace"], Value::Null);
    for path in ["/v1/namespaces/no/keys", "/v1/namespaces/no/keys/x"] {
        bench.get(path).await.problem(404, "not_found");
    }
    bench.post("/v1/namespaces/no/keys", json!({"permission": "readonly"})).await.problem(404, "not_found");
    bench.stop().await;
}

#[tokio::test]
async fn refusals_name_the_field() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    let long = format!("{}/", "a".repeat(899));
    for (path, body, named) in [
        (KEYS, json!({}), "missing field `permission`"),
        (
            KEYS,
            json!({"permission": "root"}),
            "permission: unknown variant `root`, expected one of `readonly`",
        ),
        (KEYS, json!({"permission": "admin"}), "permission: admin keys are made at /v1/keys"),
        (KEYS, json!({"permission": "readonly", "speling": 1}), "unknown field `speling`, expected one of"),
        (KEYS, json!({"permission": "readonly", "prefix": ""}), "prefix: is empty"),
        (KEYS, json!({"permission": "readonly", "prefix": "/a"}), "prefix: has an empty segment"),
        (KEYS, json!({"permission": "readonly", "prefix": long}), "prefix: has more than 899 bytes"),
        (KEYS, json!({"permission": "readonly", "expires_in_s": 0}), "expires_in_s: 0 is not within 1 to"),
        (KEYS, json!({"permission": "readonly", "expires_in_s": "1"}), "expires_in_s: invalid type"),
        (KEYS, json!({"permission": "readonly", "cidrs": ["10.0.0.0/33"]}), "cidrs[0]: \"10.0.0.0/33\""),
        (
            KEYS,
            json!({"permission": "readonly", "digest": true}),
            "digest: namespace live does not offer Digest",
        ),
        ("/v1/keys", json!({"permission": "readonly"}), "permission: must be admin here"),
        ("/v1/keys", json!({"permission": "admin", "prefix": "a/"}), "prefix: admin keys have none"),
        ("/v1/keys", json!({"permission": "admin", "digest": true}), "digest: admin keys have none"),
        (
            "/v1/keys",
            json!({"permission": "admin", "rate_limits": {"read_requests_per_s": 1}}),
            "rate_limits: admin keys have none",
        ),
    ] {
        let detail = bench.post(path, body).await.problem(400, "invalid_value");
        assert!(detail.contains(named), "{detail:?} does not contain {named:?}");
    }
    assert!(bench.cache.state().keys.is_empty());
    bench.stop().await;
}

#[tokio::test]
async fn a_digest_key_has_its_hashes() {
    let bench = Bench::new().await;
    bench.post("/v1/namespaces", json!({"name": "live", "digest": true})).await.is(201);
    let created = bench.post(KEYS, json!({"permission": "readwrite", "digest": true})).await.is(201);
    assert_eq!(created["digest"], true);
    let state = bench.cache.state();
    let digest = state.keys.values().next().unwrap().digest.clone().expect("hashes");
    assert_eq!((digest.md5.len(), digest.sha256.len()), (32, 64));
    bench.stop().await;
}

#[tokio::test]
async fn a_revocation_says_who_confirmed_it() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    let created = bench.post(KEYS, json!({"permission": "readonly"})).await.is(201);
    let key = ApiKey::parse(created["api_key"].as_str().unwrap()).unwrap();
    let path = format!("{KEYS}/{}", key.id);
    bench.store.presence.lock().reporters = vec![
        reporter("frontend-1", u64::MAX, Duration::ZERO),
        reporter("frontend-2", 0, Duration::ZERO),
        reporter("frontend-3", 0, REPORT_STALE * 2),
        reporter("node-1", 0, Duration::ZERO),
    ];
    let revoked = bench.delete(&format!("{path}?wait_ms=0")).await.is(200);
    assert_eq!(revoked["confirmed"], json!(["frontend-1"]));
    assert_eq!(revoked["pending"], json!(["frontend-2"]));
    assert_eq!((&revoked["silent"], &revoked["frontends_known"]), (&json!(["frontend-3"]), &json!(true)));
    assert!(bench.cache.verify(&key, UnixMillis(0)).is_none());
    bench.get(&path).await.problem(404, "not_found");

    // Sent again, as after a lost answer, it waits until the others have it.
    let long = format!("{path}?wait_ms=10000");
    let waiting = bench.delete(&long);
    let confirm = async {
        tokio::task::yield_now().await;
        for reporter in &mut bench.store.presence.lock().reporters[1..3] {
            reporter.version = u64::MAX;
        }
    };
    let (again, ()) = tokio::join!(waiting, confirm);
    let again = again.is(200);
    assert_eq!(again["confirmed"], json!(["frontend-1", "frontend-2", "frontend-3"]));
    assert_eq!((&again["pending"], &again["silent"]), (&json!([]), &json!([])));

    // A voter that has just started knows of nobody: it is waited for some that confirm.
    bench.store.presence.lock().reporters.clear();
    let none = bench.delete(&format!("{path}?wait_ms=0")).await.is(200);
    assert_eq!((&none["confirmed"], &none["frontends_known"]), (&json!([]), &json!(true)));
    let waiting = bench.delete(&long);
    let appear = async {
        tokio::task::yield_now().await;
        bench.store.presence.lock().reporters.push(reporter("frontend-1", u64::MAX, Duration::ZERO));
    };
    let (one, ()) = tokio::join!(waiting, appear);
    assert_eq!(one.is(200)["confirmed"], json!(["frontend-1"]));
    bench.store.meets(Some(Fault::PresenceUnknown));
    let unknown = bench.delete(&format!("{path}?wait_ms=0")).await.is(200);
    assert_eq!((&unknown["confirmed"], &unknown["frontends_known"]), (&json!([]), &json!(false)));
    bench.delete(&format!("{path}?wait_ms=10001")).await.problem(400, "invalid_value");
    bench.stop().await;
}

#[tokio::test]
async fn pages_have_every_key_once() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        let key = bench.post(KEYS, json!({"permission": "readonly"})).await.is(201);
        made.push(key["id"].as_str().unwrap().to_owned());
    }
    made.sort();
    let first = bench.get(&format!("{KEYS}?limit=3")).await.is(200);
    let cursor = first["cursor"].as_str().expect("there are more");
    let second = bench.get(&format!("{KEYS}?limit=3&cursor={cursor}")).await.is(200);
    assert_eq!(second["cursor"], Value::Null);
    let both = [&first, &second].into_iter().flat_map(|page| page["items"].as_array().unwrap());
    assert_eq!(both.map(|key| key["id"].as_str().unwrap()).collect::<Vec<_>>(), made);
    bench.stop().await;
}
