//! `/healthz` and `/readyz` on the data port.

use crate::origin::{Origin, expect};
use headwater_testkit::{InProcessConfig, RawResponse, until};
use std::time::Duration;

fn assert_probe(response: &RawResponse, status: u16, content_type: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.header("content-type"), Some(content_type));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.header("x-request-id").is_some());
}

#[tokio::test]
async fn probes_need_no_credential_and_tell_what_the_admin_listener_does() {
    let origin = Origin::start().await;
    let get = async |target: &str| origin.request("GET", target, "", b"").await;
    let health = get("/healthz").await;
    assert_probe(&health, 200, "text/plain; charset=utf-8");
    assert_eq!(health.text(), "ok");
    let ready = get("/readyz?probe=balancer").await;
    assert_probe(&ready, 200, "application/json");
    assert_eq!(ready.text(), r#"{"ready":true,"conditions":[]}"#);

    let condition = origin.cluster.readiness.condition("map");
    condition.not_ready("stopping");
    let report = get("/readyz").await;
    assert_probe(&report, 503, "application/json");
    let conditions = r#"[{"name":"map","ready":false,"reason":"stopping"}]"#;
    assert_eq!(report.text(), format!(r#"{{"ready":false,"conditions":{conditions}}}"#));
    assert_eq!(get("/healthz").await.status, 200, "it lives all the same");
    let head = origin.request("HEAD", "/readyz", "", b"").await;
    assert_probe(&head, 503, "application/json");
    assert_eq!(head.header("content-length"), Some(report.body.len().to_string().as_str()));
    condition.ready();
    assert_eq!(get("/readyz").await.status, 200);

    for other in ["/healthz/", "/readyz/x", "/Healthz"] {
        expect(&get(other).await, 404, "not_found");
    }
    // Credentials are not looked at, good or bad ones.
    let headers = "Authorization: Bearer nothing\r\n";
    assert_eq!(origin.request("GET", "/readyz", headers, b"").await.status, 200);
}

#[tokio::test]
async fn a_connection_goes_on_after_a_probe_and_other_methods_are_not_allowed() {
    let origin = Origin::start().await;
    let mut conn = origin.conn().await;
    for (method, body, status) in
        [("GET", "", 200), ("POST", "", 405), ("GET", "", 200), ("PUT", "body", 405)]
    {
        let request = Origin::bytes(method, "/healthz", "", body.as_bytes());
        let response = conn.exchange(request).await.unwrap();
        assert_eq!(response.status, status, "{method}");
        if status == 405 {
            expect(&response, 405, "method_not_allowed");
            assert_eq!(response.header("allow"), Some("GET, HEAD"));
        }
    }
    assert!(conn.is_closed_within(Duration::from_secs(30)).await, "a body is not read");
}

#[tokio::test]
async fn probes_are_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let config = InProcessConfig { access_log: Some(log.clone()), ..InProcessConfig::default() };
    let origin = Origin::with(config, Default::default()).await;
    for target in ["/healthz", "/readyz", "/cache/live/none.ts"] {
        origin.request("GET", target, &origin.player(), b"").await;
    }
    let text = until("the request is logged", Duration::from_secs(30), || async {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains("none.ts").then_some(text)
    })
    .await;
    assert_eq!(text.lines().count(), 1, "{text}");
}
