//! The first step of an installation: a namespace, a key for the encoder, a key for players; and its wrong uses.

use headwater_meta::Permission;
use headwater_types::{ApiKey, Clock, SystemClock};
use serde_json::{Value, json};

use crate::support::Bench;

const KEYS: &str = "/v1/namespaces/live-origin/keys";
const DAY_MS: u64 = 24 * 3600 * 1000;

fn key(created: &Value) -> ApiKey {
    ApiKey::parse(created["api_key"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_namespace_and_two_keys() {
    let bench = Bench::with_nodes().await;
    let body = json!({"name": "live-origin", "hot_capacity_bytes": 200 << 20});
    let namespace = bench.post("/v1/namespaces", body).await.is(201);
    assert_eq!(namespace["hot_capacity_bytes"], 200 << 20);
    let body = json!({"permission": "readwrite", "expires_in_s": 30 * DAY_MS / 1000});
    let encoder = bench.post(KEYS, body).await;
    assert!(
        encoder.header("content-disposition").starts_with("attachment; filename=\"headwater-live-origin-")
    );
    let encoder = key(&encoder.is(201));
    let player = key(&bench.post(KEYS, json!({"permission": "readonly"})).await.is(201));
    let now = SystemClock::new().unix_millis();
    let record = bench.cache.verify(&encoder, now).expect("it is valid");
    assert_eq!(record.permission, Permission::ReadWrite);
    assert_eq!(record.expires_at.unwrap().millis_since(record.created_at).div_ceil(DAY_MS), 30);
    let record = bench.cache.verify(&player, now).expect("it is valid");
    assert_eq!((record.permission, record.expires_at), (Permission::ReadOnly, None));

    for token in [&encoder, &player] {
        let answer =
            bench.send_as(&token.reveal(), "DELETE", "/v1/namespaces/live-origin", Value::Null).await;
        answer.problem(403, "forbidden");
    }
    bench.post("/v1/namespaces", json!({"name": "live-origin"})).await.problem(409, "exists");
    let detail = bench.post(KEYS, json!({"permission": "read"})).await.problem(400, "invalid_value");
    assert!(detail.contains("`readonly`, `readwrite`, `writeonly`"), "{detail}");
    bench.stop().await;
}
