//! Nodes, shards and the cluster.

use headwater_meta::{MemberChange, NodeReport, Reporter};
use headwater_types::{Incarnation, Member, NodeId, limits::SHARD_COUNT};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::Bench;

fn node(id: u64, ago: Duration) -> Reporter {
    let member = Member { node: NodeId(id), incarnation: Incarnation(1) };
    let node = Some(NodeReport { member, hot_bytes: 5, hot_capacity_bytes: 7 });
    Reporter { name: format!("node-{id}"), version: 3, node, ago }
}

#[tokio::test]
async fn nodes_show_what_they_hold_and_whether_they_live() {
    let bench = Bench::with_nodes().await;
    bench.store.presence.lock().reporters =
        vec![node(1, Duration::from_millis(250)), node(2, Duration::from_secs(4))];
    let page = bench.get("/v1/nodes").await.is(200);
    let (first, second) = (&page["items"][0], &page["items"][1]);
    assert_eq!((&first["alive"], &first["heard_ms_ago"]), (&json!(true), &json!(250)));
    assert_eq!((&second["alive"], &second["heard_ms_ago"]), (&json!(false), &json!(4000)));
    assert_eq!((&first["hot_bytes"], &first["hot_capacity_bytes"]), (&json!(5), &json!(7)));
    assert_eq!((&first["zone"], &first["state"]), (&json!("a"), &json!("active")));
    // As the metadata has it, whatever a report says.
    let registered = bench.cache.node(NodeId(1)).unwrap();
    assert_eq!(first["incarnation"], registered.incarnation.0);
    assert_eq!(first["disk_id"], registered.process.unwrap().disk_id.to_string());
    assert_eq!(first["shards_insync"], SHARD_COUNT);
    let heads = first["shards_head"].as_u64().unwrap() + second["shards_head"].as_u64().unwrap();
    assert_eq!(heads, u64::from(SHARD_COUNT));
    assert_eq!(bench.get("/v1/nodes/2").await.is(200), *second);
    let cursor = bench.get("/v1/nodes?limit=1").await.is(200)["cursor"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(&format!("/v1/nodes?cursor={cursor}")).await.is(200)["items"], json!([second]));
    for path in ["/v1/nodes/3/drain", "/v1/nodes/3/activate"] {
        bench.post(path, Value::Null).await.problem(404, "not_found");
    }
    bench.get("/v1/nodes/3").await.problem(404, "not_found");
    bench.delete("/v1/nodes/3").await.problem(404, "not_found");
    bench.stop().await;
}

#[tokio::test]
async fn shards_come_in_pages() {
    let bench = Bench::with_nodes().await;
    let first = bench.get("/v1/shards?limit=1000").await.is(200);
    let cursor = first["cursor"].as_str().expect("there are more");
    let rest = bench.get(&format!("/v1/shards?limit=1000&cursor={cursor}")).await.is(200);
    let items = [&first, &rest].into_iter().flat_map(|page| page["items"].as_array().unwrap());
    let ids: Vec<u64> = items.map(|shard| shard["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..u64::from(SHARD_COUNT)).collect::<Vec<_>>());
    let shard = &first["items"][0];
    assert_eq!((&shard["epoch"], &shard["state"]), (&json!(1), &json!("healthy")));
    assert_eq!(shard["insync"].as_array().unwrap().len(), 2);
    assert_eq!(bench.get("/v1/shards?state=degraded").await.is(200)["items"], json!([]));
    assert_eq!(bench.get("/v1/shards?state=healthy&limit=1").await.is(200)["items"], json!([shard]));
    let detail = bench.get("/v1/shards?state=ill").await.problem(400, "invalid_value");
    assert!(detail.contains("state") && detail.contains("`degraded`"), "{detail}");
    bench.stop().await;
}

#[tokio::test]
async fn the_cluster_as_a_whole() {
    let bench = Bench::with_nodes().await;
    let watcher = Reporter { name: "frontend-1".into(), version: 2, node: None, ago: Duration::ZERO };
    bench.store.presence.lock().reporters = vec![node(1, Duration::ZERO), watcher];
    let cluster = bench.get("/v1/cluster").await.is(200);
    let all = u64::from(SHARD_COUNT);
    assert_eq!(cluster["shards"], json!({"total": all, "healthy": all, "degraded": 0, "syncing": 0}));
    assert_eq!(cluster["moves"], json!({"planned": 0, "under_way": 0}));
    assert_eq!(cluster["fenced_zone"], Value::Null);
    let zone = |name: &str, alive: u64| json!({"name": name, "nodes": 1, "alive": alive, "hot_capacity_bytes": 1u64 << 30});
    assert_eq!(cluster["zones"], json!([zone("a", 1), zone("b", 0)]));
    assert_eq!(cluster["watchers"].as_array().unwrap().len(), 2);
    assert_eq!(cluster["meta"]["leader"], 1);
    let group = bench.get("/v1/cluster/meta").await.is(200);
    assert_eq!(cluster["meta"]["members"], group["members"]);
    assert_eq!(cluster["meta"]["members"][2]["lag"], 3);
    for zone in ["c", "A"] {
        let path = format!("/v1/cluster/zones/{zone}/fence");
        bench.post(&path, Value::Null).await.problem(404, "not_found");
        bench.delete(&path).await.problem(404, "not_found");
    }
    assert_eq!(bench.delete("/v1/cluster/zones/a/fence").await.is(200)["fenced_zone"], Value::Null);
    bench.stop().await;
}

#[tokio::test]
async fn voters_are_added_and_removed() {
    let bench = Bench::new().await;
    let new = json!({"id": 4, "address": "meta-4.example:9000"});
    let group = bench.post("/v1/cluster/meta", new).await.is(200);
    assert_eq!(group["members"].as_array().unwrap().len(), 3);
    bench.delete("/v1/cluster/meta/3").await.is(200);
    let added = MemberChange::Add { id: 4, address: "meta-4.example:9000".into() };
    assert_eq!(*bench.store.members.lock(), [added, MemberChange::Remove { id: 3 }]);
    assert!(bench.delete("/v1/cluster/meta/1").await.problem(409, "conflict").contains("last"));
    for (body, named) in [
        (json!({"id": 4}), "address"),
        (json!({"id": 0, "address": "a:1"}), "id: must be at least 1"),
        (json!({"id": 4, "address": "a"}), "address: must be host:port"),
        (json!({"id": 4, "address": ":1"}), "address: must be host:port"),
        (json!({"id": 4, "address": "a:0"}), "address: must be host:port"),
        (json!({"id": 4, "address": "a:1", "voter": true}), "voter"),
    ] {
        let detail = bench.post("/v1/cluster/meta", body).await.problem(400, "invalid_value");
        assert!(detail.contains(named), "{detail:?} does not contain {named:?}");
    }
    let actions = bench.get("/v1/audit").await.is(200);
    assert_eq!(actions["items"][0]["action"], "meta.remove");
    assert_eq!(actions["items"][1]["target"], "4");
    bench.stop().await;
}
