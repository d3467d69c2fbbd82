//! DELETE, LIST and OPTIONS.

use crate::origin::{Origin, expect};
use headwater_meta::{CorsPolicy, NamespaceSettings};
use serde_json::Value;

#[tokio::test]
async fn delete_is_idempotent_and_ignores_a_body() {
    let origin = Origin::start().await;
    origin.put("k.ts", b"x").await;
    let mut conn = origin.conn().await;
    for _ in 0..2 {
        let head = format!(
            "DELETE /cache/live/k.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n{}\r\n3\r\nabc\r\n0\r\n\r\n",
            origin.encoder()
        );
        expect(&conn.exchange(head).await.unwrap(), 204, "");
    }
    for frontend in 0..2 {
        let get = origin.request_at(frontend, "GET", "/cache/live/k.ts", &origin.player(), b"").await;
        expect(&get, 404, "not_found");
    }
    expect(&origin.request("DELETE", "/cache/live/k.ts", &origin.player(), b"").await, 403, "forbidden");
    expect(&origin.put("k.ts", b"again").await, 201, "");

    let settings = NamespaceSettings { ignore_deletes: true, ..NamespaceSettings::default() };
    let origin = Origin::with_settings(settings).await;
    origin.put("k.ts", b"x").await;
    expect(&origin.request("DELETE", "/cache/live/k.ts", &origin.encoder(), b"").await, 204, "");
    expect(&origin.get("k.ts").await, 200, "");
}

async fn list(origin: &Origin, query: &str) -> Value {
    let response = origin.request("GET", &format!("/cache/live?list{query}"), &origin.player(), b"").await;
    expect(&response, 200, "");
    serde_json::from_slice(&response.body).unwrap()
}

fn names(page: &Value) -> Vec<String> {
    let objects = page["objects"].as_array().unwrap();
    objects.iter().map(|o| o["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn listing_pages_prefixes_and_folding() {
    let origin = Origin::start().await;
    let mut all: Vec<String> = (0..25)
        .flat_map(|i| [format!("a/{i:02}.ts"), format!("b/v{i}/x.m4s"), format!("top{i}.txt")])
        .collect();
    for key in &all {
        expect(&origin.put(key, b"abc").await, 201, "");
    }
    all.sort();
    let page = list(&origin, "").await;
    assert_eq!(names(&page), all);
    assert_eq!(page["cursor"], Value::Null);
    let first = &page["objects"][0];
    let get = origin.get(&all[0]).await;
    assert_eq!(first["etag"].as_str(), get.header("etag"));
    assert_eq!((first["size"].as_u64(), first["tier"].as_str()), (Some(3), Some("hot")));
    assert_eq!(first["content_type"].as_str(), get.header("content-type"));
    for time in ["last_modified", "expires_at"] {
        let text = first[time].as_str().unwrap();
        assert!(text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
    }

    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(&origin, &format!("&limit=7{cursor}")).await;
        assert!(names(&page).len() <= 7);
        paged.extend(names(&page));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all, "every object exactly once, in order");

    let a = list(&origin, "&prefix=a/").await;
    assert_eq!(names(&a).len(), 25);
    let folded = list(&origin, "&delimiter=/").await;
    assert_eq!(folded["prefixes"], serde_json::json!(["a/", "b/"]));
    assert!(names(&folded).iter().all(|name| name.starts_with("top")));
    let below = list(&origin, "&delimiter=%2F&prefix=b/&limit=10").await;
    assert_eq!(below["prefixes"].as_array().unwrap().len(), 10);
    assert!(below["cursor"].is_string());

    for bad in ["&limit=0", "&limit=1001", "&limit=x", "&cursor=!", "&delimiter=x"] {
        let response = origin.request("GET", &format!("/cache/live?list{bad}"), &origin.player(), b"").await;
        expect(&response, 400, "invalid_list");
    }
    list(&origin, "&limit=1000").await;
    list(&origin, "&limit=1").await;
    expect(&origin.request("GET", "/cache/live?list", "", b"").await, 401, "unauthorized");
}

#[tokio::test]
async fn preflight_and_methods() {
    let origin = Origin::start().await;
    let headers = "Origin: https://player.example\r\nAccess-Control-Request-Method: GET\r\n\
                   Access-Control-Request-Headers: authorization, range\r\n";
    let preflight = origin.request("OPTIONS", "/cache/live/k.ts", headers, b"").await;
    assert!(matches!(preflight.status, 200 | 204), "{}", preflight.status);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(preflight.header("access-control-max-age"), Some("86400"));
    let allowed = preflight.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("range"), "{allowed}");
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("DELETE"));
    let refused = origin.request("GET", "/cache/live/k.ts", "Origin: https://player.example\r\n", b"").await;
    expect(&refused, 401, "unauthorized");
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"), "scripts may read errors, too");

    for method in ["PATCH", "PROPFIND"] {
        let response = origin.request(method, "/cache/live/k.ts", &origin.encoder(), b"").await;
        expect(&response, 405, "method_not_allowed");
        assert!(response.header("allow").is_some());
    }
    // Refused by the connection, before it is a request with an id.
    let trace = origin.request("TRACE", "/cache/live/k.ts", &origin.encoder(), b"").await;
    assert_eq!((trace.status, trace.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(trace.header("cache-control"), Some("no-store"));
    assert!(trace.header("allow").is_some());

    let cors = CorsPolicy { allowed_origins: vec!["https://one.example".into()], ..CorsPolicy::default() };
    let origin = Origin::with_settings(NamespaceSettings { cors, ..NamespaceSettings::default() }).await;
    origin.put("k.ts", b"x").await;
    let one = origin.get_with("k.ts", "Origin: https://one.example\r\n").await;
    assert_eq!(one.header("access-control-allow-origin"), Some("https://one.example"));
    assert!(one.header("vary").unwrap().to_ascii_lowercase().contains("origin"));
    let two = origin.get_with("k.ts", "Origin: https://two.example\r\n").await;
    assert_eq!((two.status, two.header("access-control-allow-origin")), (200, None));
}
