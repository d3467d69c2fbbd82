//! Objects and channels, over all shards.

use headwater_meta::{NodeReport, Reporter, Usage, limits::REPORT_STALE};
use headwater_types::{Clock, Incarnation, Member, NodeId, SystemClock};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::Bench;

const OBJECTS: &str = "/v1/namespaces/live/objects";

async fn filled() -> Bench {
    let bench = Bench::with_nodes().await;
    let id = bench.namespace("live").await["id"].as_u64().unwrap();
    for at in 0..30 {
        bench.nodes.put(id, &format!("a/segment_{at:02}.ts"), 100, 1_000);
    }
    let now = SystemClock::new().unix_millis().0;
    bench.nodes.put(id, "a/live.m3u8", 7, now - 500_000);
    bench.nodes.put(id, "b/manifest.mpd", 8, now);
    bench.nodes.put(id, "other.m3u8.txt", 9, now);
    bench.nodes.put(id + 1, "of-another-namespace.m3u8", 1, now);
    bench
}

fn names(page: &Value, field: &str) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_have_every_object_once_and_in_order() {
    let bench = filled().await;
    let all = bench.get(OBJECTS).await.is(200);
    assert_eq!(all["cursor"], Value::Null);
    let all = names(&all, "name");
    assert!(all.len() == 33 && all.is_sorted(), "{all:?}");
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = bench.get(&format!("{OBJECTS}?limit=7{cursor}")).await.is(200);
        listed.extend(names(&page, "name"));
        match page["cursor"].as_str() {
            None => break,
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
    assert_eq!(listed, all);
    let one = bench.get(&format!("{OBJECTS}?prefix=a%2Fsegment_07")).await.is(200);
    let object = &one["items"][0];
    assert_eq!((&object["size"], &object["tier"]), (&json!(100), &json!("hot")));
    assert_eq!(object["last_modified"], "1970-01-01T00:00:01.000Z");
    assert_eq!(object["expires_at"], "1970-01-01T00:01:01.000Z");
    let folded = bench.get(&format!("{OBJECTS}?delimiter=/")).await.is(200);
    assert_eq!(folded["prefixes"], json!(["a/", "b/"]));
    assert_eq!(names(&folded, "name"), ["other.m3u8.txt"]);
    bench.stop().await;
}

#[tokio::test]
async fn bad_listings_are_refused() {
    let bench = filled().await;
    for (query, named) in [("delimiter=-", "delimiter"), ("limit=1001", "limit"), ("cursor=!", "cursor")] {
        let detail = bench.get(&format!("{OBJECTS}?{query}")).await.problem(400, "invalid_value");
        assert!(detail.contains(named), "{detail}");
    }
    let prefix = |length: usize| format!("{OBJECTS}?prefix={}", "a".repeat(length));
    bench.get(&prefix(900)).await.is(200);
    bench.get(&prefix(901)).await.problem(400, "invalid_value");
    for path in ["/v1/namespaces/no/objects", "/v1/namespaces/no/channels"] {
        bench.get(path).await.problem(404, "not_found");
    }
    bench.stop().await;
}

#[tokio::test]
async fn channels_are_the_playlists_with_their_age() {
    let bench = filled().await;
    let page = bench.get("/v1/namespaces/live/channels").await.is(200);
    assert_eq!(names(&page, "playlist"), ["a/live.m3u8", "b/manifest.mpd"]);
    assert_eq!(page["cursor"], Value::Null);
    let age = page["items"][0]["age_ms"].as_u64().unwrap();
    assert!((500_000..600_000).contains(&age), "{age}");
    let first = bench.get("/v1/namespaces/live/channels?limit=1").await.is(200);
    assert_eq!(names(&first, "playlist"), ["a/live.m3u8"]);
    let cursor = first["cursor"].as_str().expect("there is another");
    let second = bench.get(&format!("/v1/namespaces/live/channels?limit=1&cursor={cursor}")).await.is(200);
    assert_eq!(
        (names(&second, "playlist"), &second["cursor"]),
        (vec!["b/manifest.mpd".into()], &Value::Null)
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_playlist_that_is_older_than_the_namespace_says_is_stale() {
    let bench = filled().await;
    let stale = async || {
        let page = bench.get("/v1/namespaces/live/channels").await.is(200);
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["stale"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    for (after, expected) in [(1000, [false, false]), (400, [true, false])] {
        bench.send("PATCH", "/v1/namespaces/live", json!({"stale_after": after})).await.is(200);
        assert_eq!(stale().await, expected, "500 s old, {after} are allowed");
    }
    bench.stop().await;
}

#[tokio::test]
async fn usage_is_what_nodes_report() {
    let bench = filled().await;
    bench.post("/v1/namespaces", json!({"name": "empty"})).await.is(201);
    let usage = async |name: &str| {
        let shown = bench.get(&format!("/v1/namespaces/{name}")).await.is(200);
        let page = bench.get(&format!("/v1/namespaces?prefix={name}")).await.is(200);
        assert_eq!(shown["usage"], page["items"][0]["usage"]);
        shown["usage"].clone()
    };
    let reports = |ago| {
        let member = Member { node: NodeId(1), incarnation: Incarnation(1) };
        let node = Some(NodeReport { member, hot_bytes: 0, hot_capacity_bytes: 0 });
        let id = bench.cache.state().namespace("live").unwrap().id;
        let mut presence = bench.store.presence.lock();
        presence.reporters = vec![Reporter { name: "node-1".to_owned(), version: 1, node, ago }];
        presence.usage = [(id, Usage { bytes: 3024, objects: 33 })].into();
    };
    assert_eq!(usage("live").await, Value::Null, "no node says");
    reports(Duration::from_millis(400));
    assert_eq!(usage("live").await, json!({"bytes": 3024, "objects": 33}));
    assert_eq!(usage("empty").await, json!({"bytes": 0, "objects": 0}));
    reports(REPORT_STALE);
    assert_eq!(usage("live").await, Value::Null, "no node says any more");
    bench.stop().await;
}

#[tokio::test]
async fn a_full_namespace_is_not_deleted() {
    let bench = filled().await;
    let detail = bench.delete("/v1/namespaces/live").await.problem(409, "not_empty");
    assert!(detail.contains("33 objects") && detail.contains("force=true"), "{detail}");
    bench.get("/v1/namespaces/live").await.is(200);
    bench.stop().await;
}

#[tokio::test]
async fn one_node_is_enough_and_none_is_not() {
    let bench = filled().await;
    bench.nodes.down.lock().insert(NodeId(1));
    assert_eq!(names(&bench.get(OBJECTS).await.is(200), "name").len(), 33);
    bench.nodes.down.lock().insert(NodeId(2));
    bench.get(OBJECTS).await.problem(503, "unavailable");
    let detail = bench.delete("/v1/namespaces/live").await.problem(503, "unavailable");
    assert!(detail.contains("whether namespace live is empty is not known"), "{detail}");
    bench.stop().await;
}
