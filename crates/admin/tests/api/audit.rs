//! The audit log: complete, in pages, and of the client that made the change.

use axum::body::Body;
use headwater_meta::MemberChange;
use http::{Request, header};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use crate::support::{BOOTSTRAP, Bench, Fault, LIMIT};

async fn becomes(what: &str, condition: impl Fn() -> bool) {
    let looking = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, looking).await.unwrap_or_else(|_| panic!("{what}"));
}

fn post(path: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header(header::AUTHORIZATION, format!("Bearer {BOOTSTRAP}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn a_change_has_its_entry_though_the_client_went_away() {
    let bench = Bench::new().await;
    bench.store.meets(Some(Fault::Held));
    // What hyper does when a client disconnects: it drops the request while it is answered.
    let request =
        tokio::spawn(bench.router.clone().oneshot(post("/v1/namespaces", &json!({"name": "live"}))));
    becomes("the namespace is made", || bench.cache.namespace("live").is_some()).await;
    assert!(bench.audit.last(1).is_empty(), "it was not answered yet");
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    bench.store.release();
    becomes("an entry", || !bench.audit.last(1).is_empty()).await;
    assert_eq!(bench.audit.last(9)[0].action, "namespace.create");

    let member = json!({"id": 4, "address": "meta-4.example:9000"});
    let request = tokio::spawn(bench.router.clone().oneshot(post("/v1/cluster/meta", &member)));
    becomes("the voter is added", || !bench.store.members.lock().is_empty()).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    bench.store.release();
    becomes("an entry", || bench.audit.last(9).len() == 2).await;
    assert_eq!(bench.audit.last(1)[0].action, "meta.add");
    assert!(matches!(bench.store.members.lock()[..], [MemberChange::Add { id: 4, .. }]));
    bench.stop().await;
}

#[tokio::test]
async fn pages_have_every_entry_once_and_the_newest_first() {
    let bench = Bench::new().await;
    for number in 0..5 {
        bench.namespace(&format!("ns-{number}")).await;
    }
    let (mut targets, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = bench.get(&format!("/v1/audit?limit=2{cursor}")).await.is(200);
        let items = page["items"].as_array().unwrap();
        targets.extend(items.iter().map(|entry| entry["target"].as_str().unwrap().to_owned()));
        // What comes meanwhile moves nothing.
        bench.namespace(&format!("later-{}", targets.len())).await;
        match page["cursor"].as_str() {
            None => break,
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
    assert_eq!(targets, ["ns-4", "ns-3", "ns-2", "ns-1", "ns-0"]);
    let detail = bench.get("/v1/audit?cursor=YQ").await.problem(400, "invalid_value");
    assert!(detail.contains("cursor"), "{detail}");
    bench.stop().await;
}
