//! Addressing: namespaces, keys and their three forms.

use crate::origin::{Origin, expect};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use headwater_meta::Permission;
use headwater_testkit::{InProcessConfig, until};
use std::time::Duration;

#[tokio::test]
async fn the_three_forms_name_one_object() {
    let origin = Origin::start().await;
    expect(&origin.put("a%20b/%C3%A9.ts?ttl_seconds=60&who=knows", b"x").await, 201, "");
    let base64 = URL_SAFE_NO_PAD.encode("a b/é.ts");
    for target in [
        "/cache/live/a%20b/%c3%a9.ts".to_owned(),
        "/cache/live/%61%20b/é.ts".to_owned(),
        "/cache/live?key=a%20b%2F%C3%A9.ts".to_owned(),
        format!("/cache/live?key_base64={base64}"),
    ] {
        let response = origin.request("GET", &target, &origin.player(), b"").await;
        expect(&response, 200, "");
        assert_eq!(response.body, b"x", "{target}");
    }
    let put = origin.request("PUT", "/cache/live?key=a%2Fplus+plus", &origin.encoder(), b"y").await;
    expect(&put, 201, "");
    assert_eq!(origin.get("a/plus+plus").await.body, b"y", "a plus is a plus");
}

#[tokio::test]
async fn bad_keys_are_refused_on_every_verb_and_leave_nothing() {
    let origin = Origin::start().await;
    let long = "k".repeat(901);
    for key in [
        "a//b",
        "a/",
        "./a",
        "a/../b",
        "a/%2e%2e/b",
        "a%2fb",
        "a%5Cb",
        "a\\b",
        "a%00",
        "a%0a",
        "a%252e",
        "a%2541",
        "a%zz",
        "a%",
        "%ff",
        long.as_str(),
    ] {
        for method in ["PUT", "GET", "HEAD", "DELETE"] {
            let body: &[u8] = if method == "PUT" { b"x" } else { b"" };
            let headers = origin.encoder();
            let response = origin.request(method, &format!("/cache/live/{key}"), &headers, body).await;
            assert_eq!(response.status, 400, "{method} {key}");
            if method != "HEAD" {
                assert_eq!(response.code(), "invalid_key", "{method} {key}");
            }
        }
    }
    for query in ["key=", "key=a%2F..%2Fb", "key_base64=!!", "key_base64=", "key=a%5Cb"] {
        let response = origin.request("GET", &format!("/cache/live?{query}"), &origin.player(), b"").await;
        expect(&response, 400, "invalid_key");
    }
    let list = origin.request("GET", "/cache/live?list", &origin.player(), b"").await;
    assert!(list.text().contains("\"objects\":[]"), "{}", list.text());
    expect(&origin.put(&"k".repeat(900), b"x").await, 201, "");
}

#[tokio::test]
async fn bad_namespaces_and_other_paths() {
    let origin = Origin::start().await;
    for namespace in ["Live", "-a", "a.b", "a%20b", &"n".repeat(64)] {
        let response = origin.request("GET", &format!("/cache/{namespace}/k"), &origin.player(), b"").await;
        expect(&response, 400, "invalid_namespace");
    }
    for path in ["/", "/other", "/cache", "/cachex/live/k"] {
        let response = origin.request("GET", path, &origin.player(), b"").await;
        assert!(matches!(response.status, 400 | 404), "{path}: {}", response.status);
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
    }
}

#[tokio::test]
async fn an_escaped_path_is_authorized_and_logged_by_its_decoded_form() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let config = InProcessConfig { access_log: Some(log.clone()), ..InProcessConfig::default() };
    let origin = Origin::with(config, Default::default()).await;
    let id = Some(origin.keys.id);
    let key = origin.cluster.key(id, Permission::ReadWrite, Some("shows/a-b/")).await.unwrap().reveal();
    let headers = format!("Authorization: {key}\r\n");
    let base64 = URL_SAFE_NO_PAD.encode("shows/a-b/k.ts");
    let cases = [
        ("PUT", "/cache/live/shows/a%2Db/k%2ets", 201, "shows/a-b/k.ts"),
        ("GET", "/cache/live/%73hows/a%2db/%6B.ts", 200, "shows/a-b/k.ts"),
        ("GET", "/cache/live?key=shows%2Fa%2Db%2Fk.ts", 200, "shows/a-b/k.ts"),
        ("GET", &format!("/cache/live?key_base64={base64}"), 200, "shows/a-b/k.ts"),
        ("GET", "/cache/live/shows/a%2Dc/k.ts", 403, ""),
        ("GET", "/cache/live/shows/a%2Dbc/k.ts", 403, ""),
        ("GET", "/cache/live?key=shows%2Fa%2Dbc%2Fk.ts", 403, ""),
        // What would lead out of the grant, or into it, is no key at all.
        ("GET", "/cache/live/shows/a-b/%2e%2e/k.ts", 400, ""),
        ("GET", "/cache/live/shows/x/%2E%2E/a-b/k.ts", 400, ""),
        ("GET", "/cache/live/shows/a%252Db/k.ts", 400, ""),
        ("GET", "/cache/live/shows%2Fa-b/k.ts", 400, ""),
    ];
    for (method, target, status, _) in &cases {
        let body: &[u8] = if *method == "PUT" { b"x" } else { b"" };
        let response = origin.request(method, target, &headers, body).await;
        assert_eq!(response.status, *status, "{method} {target}: {}", response.text());
    }
    let text = until("every request is logged", Duration::from_secs(30), || async {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        (text.lines().count() >= cases.len()).then_some(text)
    })
    .await;
    for (line, (method, target, status, key)) in text.lines().zip(&cases) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((line["method"].as_str(), line["status"].as_u64()), (Some(*method), Some(*status as u64)));
        if !key.is_empty() {
            assert_eq!(line["key"].as_str(), Some(*key), "{target}");
        }
    }
    let listed = origin.request("GET", "/cache/live?list", &origin.player(), b"").await;
    assert!(listed.text().contains("\"name\":\"shows/a-b/k.ts\""), "{}", listed.text());
}

#[tokio::test]
async fn unknown_query_parameters_are_ignored_on_every_verb() {
    /// With parameters that mean something elsewhere, or to somebody else.
    const MORE: &str = "ttl_seconds=3600&role=origin&_HLS_msn&a=b=c&%zz&=&x=%ff&&delimiter=%00&limit=0";
    let origin = Origin::start().await;
    let expected = origin.put("d/k.ts", b"0123456789").await;
    let target = format!("/cache/live/d/k.ts?{MORE}");
    for frontend in 0..2 {
        let head = origin.request_at(frontend, "HEAD", &target, &origin.player(), b"").await;
        assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
        assert_eq!(head.header("etag"), expected.header("etag"));
        let get = origin.request_at(frontend, "GET", &target, &origin.player(), b"").await;
        assert_eq!((get.status, get.body.as_slice()), (200, &b"0123456789"[..]));
        let asks = "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n";
        let options = origin.request_at(frontend, "OPTIONS", &target, asks, b"").await;
        assert_eq!((options.status, options.header("access-control-allow-origin")), (204, Some("*")));
    }
    for more in ["ttl_seconds=nonsense&role=x&who=knows", "%zz&x=%ff&=&&", "list=yes&key=d%2Fother"] {
        let page = origin.request("GET", &format!("/cache/live?list&{more}"), &origin.player(), b"").await;
        expect(&page, 200, "");
        assert!(page.text().contains("\"name\":\"d/k.ts\""), "{more}: {}", page.text());
    }
    for method in ["PUT", "POST"] {
        let put = origin.request(method, &format!("{target}&list&key=other"), &origin.encoder(), b"x").await;
        expect(&put, 204, "");
    }
    expect(&origin.request("DELETE", &target, &origin.encoder(), b"").await, 204, "");
    expect(&origin.get("d/k.ts").await, 404, "not_found");
}
