//! What is answered while the metadata does not.

use serde_json::{Value, json};

use crate::support::{Bench, Fault};

#[tokio::test]
async fn without_a_quorum_the_reason_is_clear_and_stale_reads_go_on() {
    let bench = Bench::with_nodes().await;
    bench.namespace("live").await;
    bench.store.meets(Some(Fault::Unavailable));
    for (method, path, body) in [
        ("GET", "/v1/namespaces", Value::Null),
        ("GET", "/v1/namespaces/live", Value::Null),
        ("GET", "/v1/namespaces/live/keys", Value::Null),
        ("GET", "/v1/cluster", Value::Null),
        ("POST", "/v1/namespaces", json!({"name": "vod"})),
        ("PATCH", "/v1/namespaces/live", json!({})),
        ("DELETE", "/v1/namespaces/live?force=true", Value::Null),
        ("POST", "/v1/keys", json!({"permission": "admin"})),
    ] {
        let answer = bench.send(method, path, body).await;
        assert_eq!(answer.header("retry-after"), "1");
        let detail = answer.problem(503, "metadata_unavailable");
        assert!(detail.contains("the data plane goes on"), "{detail}");
        assert!(detail.contains("need 2 of 3 voters"), "{detail}");
    }
    for path in [
        "/v1/namespaces",
        "/v1/namespaces/live",
        "/v1/namespaces/live/keys",
        "/v1/namespaces/live/objects",
        "/v1/namespaces/live/channels",
        "/v1/nodes",
        "/v1/shards",
        "/v1/cluster",
        "/v1/purges",
    ] {
        bench.get(&format!("{path}?stale=true")).await.is(200);
    }
    bench.get("/v1/cluster/meta").await.is(200);
    bench.store.meets(None);
    bench.get("/v1/namespaces/vod").await.problem(404, "not_found");
    assert_eq!(bench.audit.last(9).len(), 1, "what was not done is not in the audit log");
    bench.stop().await;
}

#[tokio::test]
async fn stale_reads_need_no_voter_at_all() {
    let bench = Bench::with_nodes().await;
    bench.namespace("live").await;
    let key = bench.post("/v1/namespaces/live/keys", json!({"permission": "readonly"})).await.is(201);
    let key = format!("/v1/namespaces/live/keys/{}", key["id"].as_str().unwrap());
    bench.store.meets(Some(Fault::Gone));
    for path in ["/v1/namespaces/live", &key, "/v1/nodes/1", "/v1/nodes", "/v1/shards"] {
        bench.get(path).await.problem(503, "metadata_unavailable");
        bench.get(&format!("{path}?stale=true")).await.is(200);
    }
    let cluster = bench.get("/v1/cluster?stale=true").await.is(200);
    assert_eq!((&cluster["meta"], &cluster["shards"]["healthy"]), (&Value::Null, &json!(1024)));
    bench.get("/v1/cluster/meta").await.problem(503, "metadata_unavailable");
    bench.get("/v1/purges/1?stale=true").await.problem(404, "not_found");
    bench.stop().await;
}

#[tokio::test]
async fn a_change_that_was_made_is_no_failure_where_the_members_are_not_known() {
    let bench = Bench::with_nodes().await;
    bench.store.meets(Some(Fault::MembersUnknown));
    let cluster = bench.post("/v1/cluster/zones/a/fence", Value::Null).await.is(200);
    assert_eq!((&cluster["fenced_zone"], &cluster["meta"]), (&json!("a"), &Value::Null));
    let cluster = bench.delete("/v1/cluster/zones/a/fence").await.is(200);
    assert_eq!(cluster["fenced_zone"], Value::Null);
    bench.stop().await;
}

#[tokio::test]
async fn what_is_not_safe_to_repeat_is_not_called_so() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    bench.store.meets(Some(Fault::UnknownButDone));
    let keys = "/v1/namespaces/live/keys";
    let create = bench.post(keys, json!({"permission": "readonly"})).await;
    let signing = bench.post("/v1/namespaces/live/signing-keys", Value::Null).await;
    let delete = bench.delete("/v1/namespaces/live?force=true").await;
    for (answer, expected) in
        [(create, "list the keys"), (signing, "list the keys"), (delete, "look at the namespace")]
    {
        let detail = answer.problem(503, "outcome_unknown");
        assert!(detail.contains(expected) && !detail.contains("safe"), "{detail}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn an_unknown_outcome_says_so_and_what_to_do() {
    let bench = Bench::new().await;
    bench.store.meets(Some(Fault::UnknownButDone));
    let detail = bench.post("/v1/namespaces", json!({"name": "live"})).await.problem(503, "outcome_unknown");
    assert!(detail.contains("look at the namespace before you send it again"), "{detail}");
    let purge = bench.post("/v1/namespaces/live/purge", json!({"prefix": "a/"})).await;
    let detail = purge.problem(503, "outcome_unknown");
    assert!(detail.contains("look at the purges before you send it again"), "{detail}");
    let update = bench.send("PATCH", "/v1/namespaces/live", json!({"stale_after": 7})).await;
    let detail = update.problem(503, "outcome_unknown");
    assert!(detail.contains("send it again: it is safe"), "{detail}");
    bench.store.meets(None);
    bench.post("/v1/namespaces", json!({"name": "live"})).await.problem(409, "exists");
    bench.get("/v1/namespaces/live").await.is(200);
    let actions: Vec<String> = bench.audit.last(4).iter().map(|entry| entry.action.clone()).collect();
    assert!(actions.iter().any(|action| action == "namespace.create.unknown"), "{actions:?}");
    bench.stop().await;
}
