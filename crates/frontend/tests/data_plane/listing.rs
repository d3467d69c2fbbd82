//! LIST over members that each know some of the shards.

use crate::support::{Bench, Fault};
use axum::body::Body;
use http::Request;
use serde_json::Value;

async fn list(bench: &Bench, key: &str, query: &str) -> (u16, Value) {
    let request = Request::get(format!("/cache/live?list{query}")).header("authorization", key);
    let answer = bench.send(request.body(Body::empty()).unwrap()).await;
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn pages_in_order_with_every_field_and_through_failures() {
    let bench = Bench::new();
    for name in ["b.ts", "a/1.ts", "a/2.ts", "a/x/1.ts", "c.ts"] {
        bench.put(&format!("{name}?ttl_seconds=60"), "hello", &[]).await;
    }
    bench.near.fault([Fault::Unavailable]);
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = list(&bench, &bench.reader, &format!("&limit=2{cursor}")).await;
        assert_eq!(status, 200);
        let objects = page["objects"].as_array().unwrap();
        assert!(objects.len() <= 2);
        names.extend(objects.iter().map(|object| object["name"].as_str().unwrap().to_owned()));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["a/1.ts", "a/2.ts", "a/x/1.ts", "b.ts", "c.ts"]);
    let (_, folded) = list(&bench, &bench.reader, "&delimiter=/&prefix=a/").await;
    assert_eq!(folded["prefixes"], serde_json::json!(["a/x/"]));
    assert_eq!(folded["cursor"], Value::Null);
    let first = &folded["objects"][0];
    assert_eq!(
        (&first["name"], &first["size"], &first["tier"]),
        (&"a/1.ts".into(), &5.into(), &"hot".into())
    );
    assert_eq!(first["etag"], bench.get("a/1.ts", &[]).await.header("etag"));
    assert!(first["last_modified"].as_str().unwrap().starts_with("2025-11-24T16:00:"));
    assert_eq!(first["content_type"], "video/mp2t");
}

#[tokio::test(start_paused = true)]
async fn refusals() {
    let bench = Bench::new();
    for (key, query, status) in [
        ("", "", 401),
        (&*bench.live_writer, "", 403),
        (&*bench.live_writer, "&prefix=a", 403),
        (&*bench.live_writer, "&prefix=a/", 200),
        (&*bench.reader, "&limit=0", 400),
        (&*bench.reader, "&limit=1001", 400),
        (&*bench.reader, "&cursor=!", 400),
    ] {
        assert_eq!(list(&bench, key, query).await.0, status, "{query}");
    }
    bench.near.fault(vec![Fault::Unavailable; 1_000]);
    bench.far.fault(vec![Fault::Unavailable; 1_000]);
    assert_eq!(list(&bench, &bench.reader, "").await.0, 503, "a page that lacks a shard is no page");
}
