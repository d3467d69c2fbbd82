//! Credentials are in none of the things that an operator collects or a client is told: process log, access log, traces,
//! metrics, error bodies.

use crate::collector::Collector;
use base64::{Engine, engine::general_purpose::STANDARD};
use headwater_client::{SigningKey, SigningKeyId};
use headwater_testkit::{Dev, RawConn, RawResponse};
use headwater_types::{NamespaceName, signing::Claims};
use serde_json::Value;
use std::fs;

/// Everything that this project says, and of others as much as an operator would ask for.
const LOG: &str = "debug,headwater=trace,headwater_frontend=trace,headwater_node=trace,headwater_meta=trace,\
                   headwater_admin=trace,headwater_store=trace,headwater::request=trace,openraft=off";
/// In seconds: a time that has not come.
const LATER: u64 = 4_000_000_000;
/// Of no cluster.
const STRANGER: &str = "hw_000000000000_0123456789abcdefghijABCDEFGHIJklmnopqrstuvw";

/// A signing key, made at the admin plane.
async fn signing_key(dev: &Dev) -> SigningKey {
    let url = format!("{}/v1/namespaces/{}/signing-keys", dev.info.admin_url, dev.info.namespace);
    let made = reqwest::Client::new().post(url).bearer_auth(&dev.info.admin_token).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    SigningKey::from_secret(SigningKeyId(text("id").into()), &text("secret")).unwrap()
}

async fn request(dev: &Dev, method: &str, target: &str, headers: &str) -> RawResponse {
    let mut conn = RawConn::connect(dev.info.data_address()).await.unwrap();
    let length = if method == "PUT" { "Content-Length: 1\r\n" } else { "" };
    let body = if method == "PUT" { "x" } else { "" };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: o\r\n{length}{headers}\r\n{body}");
    conn.exchange(head).await.unwrap_or_else(|e| panic!("{method} {target}: {e:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_nowhere_but_in_requests() {
    let (collector, endpoint) = Collector::start().await;
    let dir = tempfile::tempdir().unwrap();
    let access_log = dir.path().join("access.log");
    let options = ["--otlp-endpoint", &endpoint, "--access-log", access_log.to_str().unwrap(), "--log", LOG];
    let dev = Dev::start(dir.path(), &options).await.unwrap();
    let signing = signing_key(&dev).await;
    let namespace = dev.info.namespace.clone();
    let (encoder, player) = (dev.info.encoder_api_key.clone(), dev.info.player_api_key.clone());
    let claims = Claims {
        ns: namespace.clone(),
        prefix: "d/".into(),
        exp: LATER,
        verbs: vec!["GET".into()],
        kid: signing.id.to_string(),
    };
    let viewer = signing.token(&claims);
    let signature = signing.sign_url(&NamespaceName::parse(&namespace).unwrap(), "d/", LATER);
    let basic = STANDARD.encode(format!("encoder:{encoder}"));
    let root = format!("/cache/{namespace}");
    let signed = format!("hw_exp={LATER}&hw_prefix=d%2F&hw_kid={}&hw_sig={signature}", signing.id);

    let authorization = |value: &str| format!("Authorization: {value}\r\n");
    let mut answers = Vec::new();
    for (method, target, headers, status) in [
        ("PUT", format!("{root}/d/k.ts"), authorization(&encoder), 201),
        ("PUT", format!("{root}/d/k.ts"), authorization(&format!("Bearer {encoder}")), 204),
        ("PUT", format!("{root}/d/k.ts"), authorization(&format!("Basic {basic}")), 204),
        ("PUT", format!("{root}/d/k.ts?token={encoder}"), String::new(), 204),
        ("GET", format!("{root}/d/k.ts?token={player}&x=1"), String::new(), 200),
        // No credential by that name, but a key all the same.
        ("GET", format!("{root}/d/k.ts?%74oken={player}&x=1"), String::new(), 401),
        ("GET", format!("{root}/d/k.ts?token={viewer}"), String::new(), 200),
        ("GET", format!("{root}/d/k.ts?{signed}"), String::new(), 200),
        ("GET", format!("{root}/e/k.ts?{signed}"), String::new(), 403),
        ("GET", format!("{root}/e/k.ts?token={viewer}"), String::new(), 403),
        ("GET", format!("{root}?list&token={player}"), String::new(), 200),
        ("GET", format!("{root}?list&limit=0&token={player}"), String::new(), 400),
        ("GET", format!("{root}/d/none.ts?token={player}"), authorization(STRANGER), 404),
        ("PUT", format!("{root}/d/k.ts?token={player}"), authorization(STRANGER), 403),
        ("PUT", format!("{root}/d/k.ts?ttl_seconds={encoder}&token={encoder}"), String::new(), 400),
        ("GET", format!("{root}/d/k.ts?token={STRANGER}"), String::new(), 401),
        ("GET", format!("{root}/d/k.ts?x={player}"), authorization("Basic !"), 401),
        ("GET", format!("{root}/d//k.ts?token={player}"), String::new(), 400),
        ("GET", format!("/cache/No%20Namespace/k?token={player}"), authorization(&player), 400),
        ("GET", format!("/elsewhere?token={player}"), authorization(&player), 404),
        ("PATCH", format!("{root}/d/k.ts?token={player}"), authorization(&player), 405),
        ("TRACE", format!("{root}/d/k.ts?token={player}"), authorization(&player), 405),
        ("DELETE", format!("{root}/d/k.ts?token={encoder}"), String::new(), 204),
    ] {
        let answer = request(&dev, method, &target, &headers).await;
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.text());
        answers.push(format!("{:?} {}", answer.headers, answer.text()));
    }
    let refused = reqwest::Client::new().get(format!("{}/v1/cluster?token={player}", dev.info.admin_url));
    let refused = refused.bearer_auth(STRANGER).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    answers.push(refused.text().await.unwrap());
    let metrics = reqwest::Client::new().get(format!("{}/metrics", dev.info.admin_url));
    let metrics = metrics.bearer_auth(&dev.info.admin_token).send().await.unwrap().text().await.unwrap();

    let admin_token = dev.info.admin_token.clone();
    dev.stop(&[]).await.unwrap();
    let log = fs::read_to_string(dir.path().join("dev.log")).unwrap();
    // What it prints on purpose, once, at the start.
    let log: String = log.lines().filter(|line| !line.starts_with("{\"data_url\"")).collect();
    let logged = fs::read_to_string(&access_log).unwrap();
    let traces = collector.text();
    for (place, text, known) in [
        ("the process log", &log, "\"level\":\"TRACE\""),
        ("the access log", &logged, "\"status\":403"),
        ("the traces", &traces, "node.replicate"),
        ("the metrics", &metrics, "# HELP"),
        ("the answers", &answers.join("\n"), "\"code\":\"forbidden\""),
    ] {
        assert!(text.contains(known), "{place} should have {known:?}: {text}");
        for (what, secret) in [
            ("the encoder's key", &encoder[encoder.len() - 43..]),
            ("the player's key", &player[player.len() - 43..]),
            ("an unknown key", &STRANGER[STRANGER.len() - 43..]),
            ("the admin token", &admin_token[admin_token.len() - 43..]),
            ("Basic credentials", &basic),
            ("a viewer token", viewer.rsplit('.').next().unwrap()),
            ("a signature", &signature),
            ("a signing key", &signing.reveal()),
        ] {
            assert!(!text.contains(secret), "{what} is in {place}");
        }
    }
}
