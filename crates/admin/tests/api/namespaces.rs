//! Namespaces.

use http::{Request, header};
use serde_json::{Value, json};

use crate::support::{Answer, BOOTSTRAP, Bench, Fault};

async fn conditional(bench: &Bench, method: &str, tag: &str, body: Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri("/v1/namespaces/live")
        .header(header::AUTHORIZATION, format!("Bearer {BOOTSTRAP}"))
        .header(header::CONTENT_TYPE, "application/merge-patch+json")
        .header(header::IF_MATCH, tag);
    bench.raw(request, body.to_string()).await
}

#[tokio::test]
async fn a_namespace_is_made_shown_and_changed() {
    let bench = Bench::new().await;
    let body = json!({"name": "live", "unique_names": true, "cors": {"max_age_s": 5}});
    let answer = bench.post("/v1/namespaces", body.clone()).await;
    assert_eq!(answer.header("location"), "/v1/namespaces/live");
    let tag = answer.header("etag").to_owned();
    let made = answer.is(201);
    assert_eq!(tag, format!("\"{}\"", made["version"]));
    assert_eq!(made["cors"]["max_age_s"], 5);
    assert_eq!(made["default_ttl"], 3600);
    let shown = bench.get("/v1/namespaces/live").await;
    assert_eq!(shown.header("etag"), tag);
    assert_eq!(shown.is(200), made);
    bench.post("/v1/namespaces", body).await.problem(409, "exists");

    let patched = bench.send("PATCH", "/v1/namespaces/live", json!({"max_bytes": 9})).await.is(200);
    assert_eq!((&patched["max_bytes"], &patched["unique_names"]), (&json!(9), &json!(true)));
    assert_ne!(patched["version"], made["version"]);
    let replaced = bench.send("PUT", "/v1/namespaces/live", json!({"default_ttl": 60})).await.is(200);
    assert_eq!((&replaced["default_ttl"], &replaced["unique_names"]), (&json!(60), &json!(false)));
    assert_eq!(replaced["max_bytes"], Value::Null);
    assert_eq!((&replaced["id"], &replaced["created_at"]), (&made["id"], &made["created_at"]));
    bench.stop().await;
}

#[tokio::test]
async fn if_match_is_honoured() {
    let bench = Bench::new().await;
    let first = format!("\"{}\"", bench.namespace("live").await["version"]);
    let second = conditional(&bench, "PATCH", &first, json!({"digest": true})).await.is(200);
    let second = format!("\"{}\"", second["version"]);
    for method in ["PATCH", "PUT", "DELETE"] {
        let weak = format!("W/{second}");
        for tag in [first.as_str(), "\"x\"", weak.as_str()] {
            let detail =
                conditional(&bench, method, tag, json!({})).await.problem(412, "precondition_failed");
            assert!(detail.contains(&second), "{detail}");
        }
        conditional(&bench, method, "1", json!({})).await.problem(400, "invalid_value");
    }
    let any = format!("{first}, {second}");
    conditional(&bench, "PATCH", &any, json!({"digest": false})).await.is(200);
    conditional(&bench, "PUT", "*", json!({})).await.is(200);
    bench.stop().await;
}

#[tokio::test]
async fn changes_of_others_are_not_lost() {
    let bench = Bench::new().await;
    let tag = format!("\"{}\"", bench.namespace("live").await["version"]);
    let patches = (0..8).map(|at| {
        let origin = format!("PATCH{at}");
        let body = match at % 2 {
            0 => json!({"cors": {"allowed_methods": [origin]}}),
            _ => json!({"unique_names": true}),
        };
        bench.send("PATCH", "/v1/namespaces/live", body)
    });
    for answer in futures_util::future::join_all(patches).await {
        assert!([200, 409].contains(&answer.status.as_u16()), "{answer:?}");
    }
    let after = bench.get("/v1/namespaces/live").await.is(200);
    assert_eq!(after["unique_names"], true);
    assert_eq!(after["cors"]["allowed_methods"].as_array().unwrap().len(), 1);

    bench.store.meets(Some(Fault::Contended));
    let detail = bench.send("PATCH", "/v1/namespaces/live", json!({})).await.problem(409, "conflict");
    assert!(detail.contains("5 times"), "{detail}");
    conditional(&bench, "PATCH", &tag, json!({})).await.problem(412, "precondition_failed");
    bench.stop().await;
}

#[tokio::test]
async fn refusals_name_the_field() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    for (body, named) in [
        (json!({}), "name: is missing"),
        (json!({"name": 5}), "name: invalid type"),
        (json!({"name": "A"}), "name: namespace \"A\" is not allowed"),
        (json!([]), "must be a JSON object"),
        (json!({"name": "n", "speling": 1}), "speling: is not a field here"),
        (json!({"name": "n", "id": 1}), "id: is not a field here"),
        (json!({"name": "n", "max_object_bytes": 0}), "max_object_bytes 0 is not within 1 to"),
        (json!({"name": "n", "default_ttl": 9, "max_ttl": 8}), "default_ttl 9 is more than max_ttl 8"),
        (json!({"name": "n", "cors": {"allowed_origins": [""]}}), "cors.allowed_origins"),
    ] {
        let detail = bench.post("/v1/namespaces", body).await.problem(400, "invalid_value");
        assert!(detail.contains(named), "{detail:?} does not contain {named:?}");
    }
    for method in ["PATCH", "PUT"] {
        for (body, named) in [
            (json!({"name": "other"}), "name: is not a field here"),
            (json!({"max_object_bytes": "1"}), "max_object_bytes"),
            (json!({"write_deadline_ms": 60_001}), "write_deadline_ms 60001 is not within 1 to 60000"),
            (json!("x"), "must be a JSON object"),
        ] {
            let answer = bench.send(method, "/v1/namespaces/live", body).await;
            let detail = answer.problem(400, "invalid_value");
            assert!(detail.contains(named), "{detail:?} does not contain {named:?}");
        }
        let detail = bench.send(method, "/v1/namespaces/vod", json!({})).await.problem(404, "not_found");
        assert!(detail.contains("\"vod\""), "{detail}");
    }
    bench.get("/v1/namespaces/vod").await.problem(404, "not_found");
    bench.delete("/v1/namespaces/vod").await.problem(404, "not_found");
    bench.stop().await;
}

#[tokio::test]
async fn pages_have_every_namespace_once_and_in_order() {
    let bench = Bench::new().await;
    let names = ["a", "b-1", "b-2", "b-3", "c"];
    for name in ["c", "b-2", "a", "b-3", "b-1"] {
        bench.namespace(name).await;
    }
    for (query, expected) in [("", &names[..]), ("prefix=b-&", &names[1..4]), ("prefix=d&", &[])] {
        for limit in [1, 2, 5] {
            let (mut listed, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = bench.get(&format!("/v1/namespaces?{query}limit={limit}{cursor}")).await.is(200);
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= limit);
                listed.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
                match page["cursor"].as_str() {
                    None => break,
                    Some(next) => cursor = format!("&cursor={next}"),
                }
            }
            assert_eq!(listed, expected, "{query} {limit}");
        }
    }
    bench.stop().await;
}

#[tokio::test]
async fn every_change_is_in_the_audit_log() {
    let bench = Bench::new().await;
    bench.namespace("live").await;
    let answer = bench.send("PATCH", "/v1/namespaces/live", json!({"digest": true})).await;
    let request_id = answer.header("x-request-id").to_owned();
    bench.post("/v1/namespaces", json!({"name": "live"})).await.problem(409, "exists");
    let page = bench.get("/v1/audit").await.is(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2, "refusals are no changes");
    let (update, create) = (&page["items"][0], &page["items"][1]);
    assert_eq!((&create["action"], &create["before"]), (&json!("namespace.create"), &Value::Null));
    assert_eq!((&update["action"], &update["target"]), (&json!("namespace.update"), &json!("live")));
    assert_eq!((&update["who"], &update["request_id"]), (&json!("bootstrap"), &json!(request_id)));
    assert_eq!((&update["before"]["digest"], &update["after"]["digest"]), (&json!(false), &json!(true)));
    let one = bench.get("/v1/audit?limit=1").await.is(200);
    assert_eq!(one["items"], json!([update]));
    bench.get("/v1/audit?limit=1001").await.problem(400, "invalid_value");
    let file = std::fs::read_to_string(bench.dir.path().join("audit.jsonl")).unwrap();
    let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [create.clone(), update.clone()]);
    assert_eq!(bench.audit.last(9).len(), 2);
    bench.stop().await;
}
