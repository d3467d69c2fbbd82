//! DELETE and OPTIONS.

use crate::origin::{Origin, expect};
use headwater_meta::{CorsPolicy, NamespaceSettings};
use headwater_testkit::RawResponse;
use std::{collections::BTreeSet, time::Duration};

/// The items of a header that is a list.
fn items<'a>(response: &'a RawResponse, header: &str) -> BTreeSet<&'a str> {
    response.header(header).unwrap_or_default().split(',').map(str::trim).collect()
}

#[tokio::test]
pub(crate) async fn delete_is_idempotent_and_ignores_a_body() {
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

/// A DELETE with a body of so many bytes, and whether the connection goes on after it.
async fn delete_with_body(origin: &Origin, chunked: bool, bytes: usize) -> bool {
    expect(&origin.put("k.ts", b"x").await, 201, "");
    let body = "b".repeat(bytes);
    let (framing, body) = if chunked {
        ("Transfer-Encoding: chunked".to_owned(), format!("{bytes:x}\r\n{body}\r\n0\r\n\r\n"))
    } else {
        (format!("Content-Length: {bytes}"), body)
    };
    let mut conn = origin.conn().await;
    let head =
        format!("DELETE /cache/live/k.ts HTTP/1.1\r\nHost: o\r\n{framing}\r\n{}\r\n", origin.encoder());
    let answer = conn.exchange(head + &body).await.unwrap();
    expect(&answer, 204, "");
    expect(&origin.get("k.ts").await, 404, "not_found");
    if answer.header("connection") == Some("close") {
        assert!(conn.is_closed_within(Duration::from_secs(30)).await);
        return false;
    }
    let get = Origin::bytes("GET", "/cache/live/k.ts", &origin.player(), b"");
    expect(&conn.exchange(get).await.unwrap(), 404, "not_found");
    true
}

#[tokio::test]
async fn a_conditional_delete_is_refused_and_deletes_nothing() {
    let origin = Origin::start().await;
    origin.put("k.ts", b"x").await;
    for condition in ["If-Match: *", "If-None-Match: *", "If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT"]
    {
        let headers = format!("{}{condition}\r\n", origin.encoder());
        expect(&origin.request("DELETE", "/cache/live/k.ts", &headers, b"").await, 400, "invalid_header");
        assert_eq!(origin.get("k.ts").await.status, 200, "{condition}");
    }
}

#[tokio::test]
async fn a_body_of_a_delete_is_read_up_to_64_kib() {
    const READ: usize = 64 * 1024;
    let origin = Origin::start().await;
    for chunked in [false, true] {
        assert!(delete_with_body(&origin, chunked, READ).await, "the connection goes on: {chunked}");
        // Answered all the same, on a connection that ends.
        delete_with_body(&origin, chunked, READ + 1).await;
        assert!(!delete_with_body(&origin, chunked, 10 * READ).await, "{chunked}");
    }
}

#[tokio::test]
async fn a_body_of_a_delete_that_never_ends_is_waited_for_2_s() {
    let origin = Origin::start().await;
    for (key, part) in [("a.ts", ""), ("b.ts", "3\r\nabc\r\n")] {
        expect(&origin.put(key, b"x").await, 201, "");
        let mut conn = origin.conn().await;
        let head = format!(
            "DELETE /cache/live/{key} HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n{}\r\n{part}",
            origin.encoder()
        );
        let answer = tokio::time::timeout(Duration::from_secs(15), conn.exchange(head)).await;
        expect(&answer.expect("answered after 2 s").unwrap(), 204, "");
        expect(&origin.get(key).await, 404, "not_found");
        assert!(conn.is_closed_within(Duration::from_secs(30)).await, "what follows is no request");
    }
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
    let all = BTreeSet::from(["GET", "HEAD", "OPTIONS", "PUT", "POST", "DELETE"]);
    assert_eq!(items(&preflight, "access-control-allow-methods"), all);
    let refused = origin.request("GET", "/cache/live/k.ts", "Origin: https://player.example\r\n", b"").await;
    expect(&refused, 401, "unauthorized");
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"), "scripts may read errors, too");
    assert_eq!(refused.header("timing-allow-origin"), Some("*"));
    assert_eq!(refused.header("access-control-allow-credentials"), None);
    // What is no name of a header is not echoed.
    let headers = "Origin: https://player.example\r\nAccess-Control-Request-Method: GET\r\n\
                   Access-Control-Request-Headers: a b, range\r\n";
    let preflight = origin.request("OPTIONS", "/cache/live/k.ts", headers, b"").await;
    assert_eq!(preflight.header("access-control-allow-headers"), Some("range"));

    for method in ["PATCH", "PROPFIND"] {
        let response = origin.request(method, "/cache/live/k.ts", &origin.encoder(), b"").await;
        expect(&response, 405, "method_not_allowed");
        assert!(response.header("allow").is_some());
    }
    let cors = CorsPolicy { allowed_origins: vec!["https://one.example".into()], ..CorsPolicy::default() };
    let origin = Origin::with_settings(NamespaceSettings { cors, ..NamespaceSettings::default() }).await;
    origin.put("k.ts", b"x").await;
    let one = origin.get_with("k.ts", "Origin: https://one.example\r\n").await;
    assert_eq!(one.header("access-control-allow-origin"), Some("https://one.example"));
    assert!(one.header("vary").unwrap().to_ascii_lowercase().contains("origin"));
    let two = origin.get_with("k.ts", "Origin: https://two.example\r\n").await;
    assert_eq!((two.status, two.header("access-control-allow-origin")), (200, None));
}

#[tokio::test]
async fn scripts_may_read_every_header_that_we_send() {
    // What the Fetch standard lets them read anyway, and what concerns the connection or the protocol itself.
    const ANYWAY: [&str; 5] = ["cache-control", "content-length", "content-type", "last-modified", "expires"];
    const PROTOCOL: [&str; 4] = ["connection", "transfer-encoding", "vary", "timing-allow-origin"];
    let origin = Origin::start().await;
    let put = origin.put_with("k.ts", "Content-Encoding: gzip\r\n", b"0123456789").await;
    let get = origin.get("k.ts").await;
    let range = origin.get_with("k.ts", "Range: bytes=0-1\r\n").await;
    let past = origin.get_with("k.ts", "Range: bytes=10-\r\n").await;
    for response in [&put, &get, &range, &past] {
        let exposed = response.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
        let exposed: BTreeSet<&str> = exposed.split(',').map(str::trim).collect();
        for (name, _) in &response.headers {
            let name = name.as_str();
            let readable = exposed.contains(name) || ANYWAY.contains(&name) || PROTOCOL.contains(&name);
            assert!(readable || name.starts_with("access-control-"), "{name}: {}", response.status);
        }
    }
}

#[tokio::test]
async fn a_policy_of_ones_own_is_answered_as_it_is() {
    let list = |items: &[&str]| items.iter().map(ToString::to_string).collect();
    let cors = CorsPolicy {
        allowed_origins: list(&["https://one.example", "https://two.example"]),
        allowed_methods: list(&["GET", "HEAD"]),
        allowed_headers: list(&["Authorization", "Range"]),
        exposed_headers: list(&["ETag", "x-request-id"]),
        max_age_s: 77,
        allow_credentials: true,
    };
    let origin = Origin::with_settings(NamespaceSettings { cors, ..NamespaceSettings::default() }).await;
    let preflight = async |from: &str| {
        let headers = format!(
            "Origin: {from}\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-other\r\n"
        );
        origin.request("OPTIONS", "/cache/live/k.ts", &headers, b"").await
    };
    let answer = preflight("https://two.example").await;
    expect(&answer, 204, "");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://two.example"));
    assert_eq!(items(&answer, "access-control-allow-methods"), BTreeSet::from(["GET", "HEAD"]));
    assert_eq!(items(&answer, "access-control-allow-headers"), BTreeSet::from(["Authorization", "Range"]));
    assert_eq!(answer.header("access-control-max-age"), Some("77"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert!(items(&answer, "vary").iter().any(|name| name.eq_ignore_ascii_case("origin")));
    let other = preflight("https://three.example").await;
    for name in ["access-control-allow-origin", "access-control-allow-credentials", "timing-allow-origin"] {
        assert_eq!(other.header(name), None, "{name}");
    }

    expect(&origin.put("k.ts", b"x").await, 201, "");
    for (get, status) in [
        (origin.get_with("k.ts", "Origin: https://one.example\r\n").await, 200),
        (origin.get_with("none.ts", "Origin: https://one.example\r\n").await, 404),
    ] {
        assert_eq!(get.status, status);
        assert_eq!(get.header("access-control-allow-origin"), Some("https://one.example"));
        assert_eq!(get.header("timing-allow-origin"), Some("https://one.example"));
        assert_eq!(get.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(items(&get, "access-control-expose-headers"), BTreeSet::from(["ETag", "x-request-id"]));
    }
}
