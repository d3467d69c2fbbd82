//! One span tree a request, over every hop, exported by OTLP.

use crate::collector::{Collector, Exported};
use headwater_testkit::{Cluster, Dev};
use reqwest::Method;

/// The caller's own span, which the tree hangs from.
const CALLER: &str = "00000000000000ff";

/// A request as a caller with a trace of its own sends it; `seed` tells traces apart. Answers the trace's id.
async fn traced(method: Method, url: String, api_key: &str, seed: u8) -> Vec<u8> {
    let id: Vec<u8> = (seed..seed + 16).collect();
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut request = reqwest::Client::new()
        .request(method.clone(), url)
        .bearer_auth(api_key)
        .header("traceparent", format!("00-{hex}-{CALLER}-01"));
    if method == Method::PUT {
        request = request.body("body");
    }
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{method}: {}", answer.status());
    answer.bytes().await.unwrap();
    id
}

async fn traced_put(url: String, api_key: &str, seed: u8) -> Vec<u8> {
    traced(Method::PUT, url, api_key, seed).await
}

/// The spans from the caller's on down. There must be one tree: a child of the caller's span, and everything else
/// below it; `names` are from the root to the leaf that the last of them names.
fn path<'a>(spans: &'a [Exported], names: &[&str]) -> Vec<&'a Exported> {
    let seen: Vec<_> = spans
        .iter()
        .map(|found| (&found.span.name, &found.span.span_id, &found.span.parent_span_id))
        .collect();
    let caller = CALLER.as_bytes().chunks(2).map(|pair| {
        let hex = std::str::from_utf8(pair).unwrap();
        u8::from_str_radix(hex, 16).unwrap()
    });
    let caller: Vec<u8> = caller.collect();
    for found in spans {
        let parent = &found.span.parent_span_id;
        let inside = spans.iter().any(|other| &other.span.span_id == parent);
        assert!(inside || parent == &caller, "{} hangs from nothing: {seen:?}", found.span.name);
    }
    let roots = spans.iter().filter(|found| found.span.parent_span_id == caller);
    assert_eq!(roots.count(), 1, "one tree: {seen:?}");

    let mut parent = caller;
    let mut path = Vec::new();
    for name in names {
        let mut children =
            spans.iter().filter(|found| found.span.parent_span_id == parent && found.span.name == *name);
        let child = children.next().unwrap_or_else(|| panic!("no {name:?} below {path:#?}: {seen:?}"));
        assert!(children.next().is_none(), "{name:?} is there twice: {seen:?}");
        let (from, to) = (child.span.start_time_unix_nano, child.span.end_time_unix_nano);
        assert!(from <= to, "{name:?} ends before it begins");
        parent = child.span.span_id.clone();
        path.push(child);
    }
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_is_one_trace_from_the_frontend_to_the_other_zone() {
    let (collector, endpoint) = Collector::start().await;
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &["--otlp-endpoint", &endpoint]).await.unwrap();
    let id = traced_put(dev.info.url("a/s_1.ts"), &dev.info.encoder_api_key, 1).await;
    let other = traced_put(dev.info.url("a/s_2.ts"), &dev.info.encoder_api_key, 101).await;
    let mut reads = Vec::new();
    let list = format!("{}/cache/{}?list&prefix=a/", dev.info.data_url, dev.info.namespace);
    for (seed, method, url, name) in [
        (50, Method::GET, dev.info.url("a/s_1.ts"), "node.get"),
        (150, Method::HEAD, dev.info.url("a/s_1.ts"), "node.head"),
        (200, Method::GET, list, "node.list"),
        (230, Method::DELETE, dev.info.url("a/s_1.ts"), "node.delete"),
    ] {
        reads.push((traced(method, url, &dev.info.encoder_api_key, seed).await, name));
    }
    // The last spans leave when the process ends.
    dev.stop(&[]).await.unwrap();
    for id in [id, other] {
        let spans = collector.trace(&id);
        path(&spans, &["request", "node.put", "node.replicate"]);
        assert_eq!(spans.len(), 3, "{spans:#?}");
    }
    for (id, name) in reads {
        let spans = collector.trace(&id);
        assert!(spans.iter().any(|found| found.span.name == name), "no {name}: {spans:#?}");
        assert!(spans.iter().any(|found| found.span.name == "request"), "{spans:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_through_every_process_of_a_cluster() {
    const HOPS: [&str; 5] = ["request", "storage.put", "node.put", "replication.replicate", "node.replicate"];
    let (collector, endpoint) = Collector::start().await;
    let dir = tempfile::tempdir().unwrap();
    let variables =
        ["FRONTEND", "NODE"].map(|role| (format!("HEADWATER_{role}__LOG__OTLP_ENDPOINT"), endpoint.clone()));
    let variables = variables.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    let cluster = Cluster::start_with(dir.path(), &[], &variables).await.unwrap();
    let id = traced_put(cluster.url(0, "a/s_1.ts"), &cluster.info.encoder_api_key, 1).await;
    collector.wait_for(&id, &HOPS).await;
    let spans = collector.trace(&id);
    let path = path(&spans, &HOPS);
    let roles: Vec<&str> = path.iter().map(|found| found.role.as_str()).collect();
    assert_eq!(roles, ["frontend", "node", "node", "node", "node"]);
    let zones: Vec<&str> = path.iter().map(|found| found.zone.as_deref().unwrap_or_default()).collect();
    assert_eq!(zones[1], zones[2], "the head");
    assert_eq!(zones[3], zones[4], "the other one");
    let mut both = [zones[2], zones[4]];
    both.sort_unstable();
    assert_eq!(both, ["a", "b"]);
    cluster.stop().await.unwrap();
}
