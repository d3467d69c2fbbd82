//! Connections: keep-alive, smuggling, HTTP/2, logs.

use crate::origin::{Origin, expect};
use headwater_testkit::{InProcessConfig, until};
use std::time::Duration;

#[tokio::test]
async fn keep_alive_goes_on_after_errors() {
    let origin = Origin::start().await;
    origin.put("k.ts", b"x").await;
    let mut conn = origin.conn().await;
    for (target, headers, status) in [
        ("/cache/live/none.ts", origin.player(), 404),
        ("/cache/live/a//b", origin.player(), 400),
        ("/cache/live/k.ts", String::new(), 401),
        ("/cache/live/k.ts", format!("{}Range: bytes=5-\r\n", origin.player()), 416),
        ("/cache/live/k.ts", origin.player(), 200),
    ] {
        let response = conn.exchange(Origin::bytes("GET", target, &headers, b"")).await.unwrap();
        assert_eq!(response.status, status, "{target}");
    }
}

#[tokio::test]
async fn what_the_protocol_refuses_is_a_problem_with_an_id_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let config = InProcessConfig { access_log: Some(log.clone()), ..InProcessConfig::default() };
    let origin = Origin::with(config, Default::default()).await;
    let chunked = "Host: o\r\nTransfer-Encoding: gzip, chunked\r\n";
    let mut ids = Vec::new();
    for (line, headers, status, code) in [
        ("TRACE /cache/live/k.ts", "Host: o\r\n", 405, "method_not_allowed"),
        ("CONNECT origin:443", "Host: origin:443\r\n", 405, "method_not_allowed"),
        ("PATCH /cache/live/k.ts", "Host: o\r\n", 405, "method_not_allowed"),
        ("GET /cache/live/k.ts", "", 400, "bad_request"),
        ("GET /cache/live/k.ts", "Host: o\r\nHost: o\r\n", 400, "bad_request"),
        ("PUT /cache/live/k.ts", chunked, 400, "bad_request"),
    ] {
        let request = format!("{line} HTTP/1.1\r\n{headers}\r\n");
        let response = origin.conn().await.exchange(request).await.unwrap();
        expect(&response, status, code);
        let all = "GET, HEAD, PUT, POST, DELETE, OPTIONS";
        assert_eq!(response.header("allow"), (status == 405).then_some(all), "{line}");
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        ids.push((response.header("x-request-id").unwrap().to_owned(), status));
    }
    let text = until("all are logged", Duration::from_secs(30), || async {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        (text.lines().count() >= ids.len()).then_some(text)
    })
    .await;
    let mut logged: Vec<(String, u16)> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| {
            (line["request_id"].as_str().unwrap().to_owned(), line["status"].as_u64().unwrap() as u16)
        })
        .collect();
    logged.sort();
    ids.sort();
    assert_eq!(logged, ids);
}

#[tokio::test]
async fn nothing_is_smuggled_behind_a_request_with_two_framings() {
    let origin = Origin::start().await;
    let mut conn = origin.conn().await;
    let inner = Origin::bytes("PUT", "/cache/live/smuggled.ts", &origin.encoder(), b"evil");
    let head = format!(
        "PUT /cache/live/outer.ts HTTP/1.1\r\nHost: o\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n{}\r\n",
        origin.encoder()
    );
    conn.send([head.as_bytes(), b"2\r\nok\r\n0\r\n\r\n", &inner].concat()).await.unwrap();
    let response = conn.response().await.unwrap();
    expect(&response, 201, "");
    assert!(conn.is_closed_within(Duration::from_secs(30)).await, "no second answer on this connection");
    expect(&origin.get("smuggled.ts").await, 404, "not_found");
    assert_eq!(origin.get("outer.ts").await.body, b"ok", "Transfer-Encoding wins");
}

#[tokio::test]
async fn http2_with_prior_knowledge_does_the_same() {
    let origin = Origin::start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = |key: &str| format!("http://{}/cache/live/{key}", origin.cluster.addresses[0]);
    let body = vec![7u8; 3 << 20];
    let put =
        client.put(url("k.ts")).bearer_auth(&origin.keys.encoder).body(body.clone()).send().await.unwrap();
    assert_eq!(put.status(), 201);
    assert_eq!(put.version(), reqwest::Version::HTTP_2);
    let get = client.get(url("k.ts")).bearer_auth(&origin.keys.player).send().await.unwrap();
    assert!(get.bytes().await.unwrap() == body);
    assert_eq!(client.get(url("k.ts")).send().await.unwrap().status(), 401);
    assert_eq!(client.put(url("k.ts")).body(body).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn keys_never_reach_the_access_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let config = InProcessConfig { access_log: Some(log.clone()), ..InProcessConfig::default() };
    let origin = Origin::with(config, Default::default()).await;
    let (encoder, player) = (origin.keys.encoder.clone(), origin.keys.player.clone());
    origin.put("d/k.ts", b"12345").await;
    origin.request("GET", &format!("/cache/live/d/k.ts?token={player}&x=1"), "", b"").await;
    origin.request("GET", &format!("/cache/live/d/k.ts?%74oken={player}"), "", b"").await;
    origin.request("GET", &format!("/cache/live/d/k.ts?x={encoder}"), "User-Agent: tester\r\n", b"").await;
    let text = until("four lines are logged", Duration::from_secs(30), || async {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        (text.lines().count() >= 4).then_some(text)
    })
    .await;
    for key in [&encoder, &player] {
        let secret = &key[key.len() - 43..];
        assert!(!text.contains(secret), "{text}");
    }
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["status"], 201);
    assert_eq!(lines[0]["key"], "d/k.ts");
    assert_eq!(lines[0]["namespace"], "live");
    assert_eq!(lines[1]["status"], 200);
    assert_eq!(lines[3]["status"], 401);
    assert_eq!(lines[3]["user_agent"], "tester");
}

#[tokio::test]
async fn any_frontend_shows_every_answered_write_at_once() {
    let origin = Origin::start().await;
    for i in 0..200u32 {
        let body = i.to_string();
        let at = (i % 2) as usize;
        let put =
            origin.request_at(at, "PUT", "/cache/live/d/p.m3u8", &origin.encoder(), body.as_bytes()).await;
        assert!(put.status < 300);
        let get = origin.request_at(1 - at, "GET", "/cache/live/d/p.m3u8", &origin.player(), b"").await;
        assert_eq!(get.text(), body, "the playlist went back in time");
    }
}
