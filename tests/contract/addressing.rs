//! Addressing: namespaces, keys and their three forms.

use crate::origin::{Origin, expect};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

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
