//! The first steps of an operator, by the command line, by the API and by the SDK, against a real `headwater dev`.

use headwater_client::{Client, SigningKey, SigningKeyId, StatusCode, api::CreatedKey, sign};
use headwater_testkit::{Dev, binary::binary};
use headwater_types::{ApiKey, Clock, SystemClock, SystemRng, rfc3339};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use crate::needs;

#[allow(dead_code, reason = "its main is for people")]
#[path = "../../crates/client/examples/onboard.rs"]
mod onboard;

/// Runs the command line in `dir` and answers its exit code, what it printed and what it said on standard error.
async fn run(dev: &Dev, dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = tokio::process::Command::new(binary("headwater"));
    command.args(arguments).current_dir(dir).env_clear().env("HOME", dir).stdin(Stdio::null());
    command
        .env("HEADWATER_ADMIN_URL", &dev.info.admin_url)
        .env("HEADWATER_ADMIN_TOKEN", &dev.info.admin_token);
    command.env("HEADWATER_DATA_URL", &dev.info.data_url);
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

async fn json(dev: &Dev, dir: &Path, arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = run(dev, dir, &[arguments, &["--json"]].concat()).await;
    assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {stdout}"))
}

async fn refused(dev: &Dev, dir: &Path, arguments: &[&str], code: &str, hint: &str) {
    let (status, stdout, stderr) = run(dev, dir, &[arguments, &["--json"]].concat()).await;
    assert_eq!(status, Some(1), "{arguments:?}: {stdout}");
    let error: Value = serde_json::from_str(&stderr).unwrap_or_else(|e| panic!("{e}: {stderr}"));
    assert_eq!(error["code"], code, "{stderr}");
    assert!(error["hint"].as_str().unwrap_or_default().contains(hint), "{stderr}");
}

/// Thirty days.
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

fn key(dir: &Path, file: &str) -> String {
    let document: Value = serde_json::from_str(&fs::read_to_string(dir.join(file)).unwrap()).unwrap();
    document["api_key"].as_str().unwrap().to_owned()
}

fn client(dev: &Dev, namespace: &str, key: &str) -> Client {
    Client::new(&dev.info.data_url, namespace, key).unwrap()
}

/// A time `ahead` of now, as documents have it.
fn from_now(ahead: Duration) -> String {
    rfc3339::format(SystemClock::new().unix_millis().plus(ahead))
}

/// Each key does what it is for, and every wrong use gets its own refusal.
async fn right_and_wrong_uses(dev: &Dev, namespace: &str, encoder: &str, player: &str) {
    let (encoder, reader) = (client(dev, namespace, encoder), client(dev, namespace, player));
    encoder.put("channel/s_1.ts", "segment").send().await.unwrap();
    assert_eq!(reader.get("channel/s_1.ts").await.unwrap().bytes().await.unwrap(), "segment");
    assert_eq!(reader.list("channel/").await.unwrap().objects.len(), 1);

    let forbidden = reader.put("channel/s_1.ts", "x").send().await.unwrap_err();
    assert_eq!((forbidden.status(), forbidden.code()), (Some(StatusCode::FORBIDDEN), Some("forbidden")));
    let forbidden = reader.delete("channel/s_1.ts").await.unwrap_err();
    assert_eq!(forbidden.status(), Some(StatusCode::FORBIDDEN));
    let elsewhere = client(dev, "another", player).get("channel/s_1.ts").await.unwrap_err();
    assert_eq!((elsewhere.status(), elsewhere.code()), (Some(StatusCode::FORBIDDEN), Some("forbidden")));
    let unknown = client(dev, namespace, &ApiKey::generate(&SystemRng).reveal());
    let unknown = unknown.get("channel/s_1.ts").await.unwrap_err();
    assert_eq!((unknown.status(), unknown.code()), (Some(StatusCode::UNAUTHORIZED), Some("unauthorized")));
    let admin = client(dev, namespace, &dev.info.admin_token).get("channel/s_1.ts").await.unwrap_err();
    assert_eq!(admin.status(), Some(StatusCode::FORBIDDEN));
    assert_eq!(reader.get("channel/s_1.ts").await.unwrap().bytes().await.unwrap(), "segment", "unchanged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tutorials_first_step_by_the_command_line() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let dev = Dev::start(dir, &[]).await.unwrap();

    let made = json(&dev, dir, &["ns", "create", "tutorial", "--hot-capacity", "200MiB"]).await;
    assert_eq!((&made["name"], &made["hot_capacity_bytes"]), (&json!("tutorial"), &json!(200 << 20)));
    let create = |permission: &'static str, file: &'static str| {
        ["key", "create", "tutorial", "--permission", permission, "--out", file]
    };
    let encoder_key = [&create("readwrite", "encoder.json")[..], &["--expires", "30d"]].concat();
    let before = from_now(MONTH);
    let encoder_id = json(&dev, dir, &encoder_key).await["id"].clone();
    let player_id = json(&dev, dir, &create("readonly", "player.json")).await["id"].clone();
    assert_eq!(fs::metadata(dir.join("encoder.json")).unwrap().permissions().mode() & 0o777, 0o600);

    json(&dev, dir, &["ns", "create", "another"]).await;
    right_and_wrong_uses(&dev, "tutorial", &key(dir, "encoder.json"), &key(dir, "player.json")).await;
    let player = client(&dev, "tutorial", &key(dir, "player.json"));

    let keys = json(&dev, dir, &["key", "list", "tutorial"]).await;
    let ids: Vec<&Value> = keys.as_array().unwrap().iter().map(|key| &key["id"]).collect();
    assert!(ids.len() == 2 && ids.contains(&&encoder_id) && ids.contains(&&player_id), "{keys}");
    assert!(keys.as_array().unwrap().iter().all(|key| key.get("api_key").is_none()), "{keys}");
    let of = |id: &Value| keys.as_array().unwrap().iter().find(|key| key["id"] == *id).unwrap();
    let expires_at = of(&encoder_id)["expires_at"].as_str().unwrap();
    assert!(before.as_str() <= expires_at && expires_at <= from_now(MONTH).as_str(), "{expires_at}");
    assert_eq!(of(&encoder_id)["permission"], "readwrite");
    assert_eq!(
        (&of(&player_id)["permission"], &of(&player_id)["expires_at"]),
        (&json!("readonly"), &Value::Null)
    );

    let with = ["-n", "tutorial", "--key-file", "encoder.json"];
    let listing = json(&dev, dir, &[&["object", "ls", "-r"][..], &with].concat()).await;
    assert_eq!(listing["objects"][0]["name"], "channel/s_1.ts");
    let player_id = player_id.as_str().unwrap().to_owned();
    let revoked = json(&dev, dir, &["key", "revoke", "tutorial", &player_id, "--wait"]).await;
    assert_eq!(revoked["pending"], json!([]));
    assert_eq!(player.get("channel/s_1.ts").await.unwrap_err().status(), Some(StatusCode::UNAUTHORIZED));

    refused(&dev, dir, &["ns", "create", "tutorial"], "exists", "another name").await;
    refused(&dev, dir, &["ns", "create", "Tutorial"], "invalid_value", "").await;
    refused(&dev, dir, &["ns", "show", "nothing"], "not_found", "ns list").await;
    refused(&dev, dir, &["ns", "delete", "tutorial"], "not_empty", "--force").await;
    let bad = ["ns", "list", "--admin-token", "hw_nobody_nothing"];
    refused(&dev, dir, &bad, "unauthorized", "admin token").await;
    dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tutorials_first_step_by_the_sdk() {
    let temp = tempfile::tempdir().unwrap();
    let dev = Dev::start(temp.path(), &[]).await.unwrap();
    let before = from_now(MONTH);
    let keys = onboard::run(&dev.info.admin_url, &dev.info.admin_token, "tutorial").await.unwrap();
    let expires_at = keys.encoder.key.expires_at.clone().unwrap();
    assert!((before..=from_now(MONTH)).contains(&expires_at), "{expires_at}");
    assert!(keys.player.key.expires_at.is_none());
    let admin = headwater_client::Admin::new(&dev.info.admin_url, &dev.info.admin_token).unwrap();
    assert_eq!(admin.namespace("tutorial").await.unwrap().settings.hot_capacity_bytes, Some(200 << 20));
    admin.create_namespace("another", &Default::default()).await.unwrap();
    right_and_wrong_uses(&dev, "tutorial", &keys.encoder.api_key, &keys.player.api_key).await;
    let again = onboard::run(&dev.info.admin_url, &dev.info.admin_token, "tutorial").await.err().unwrap();
    assert_eq!(again.code(), Some("exists"));
    let not_admin = onboard::run(&dev.info.admin_url, &keys.encoder.api_key, "other").await.err().unwrap();
    assert_eq!(not_admin.status(), Some(StatusCode::FORBIDDEN));
    dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tutorials_first_step_by_the_api() {
    let temp = tempfile::tempdir().unwrap();
    let dev = Dev::start(temp.path(), &[]).await.unwrap();
    let http = reqwest::Client::new();
    let call = |method: reqwest::Method, path: &str, body: Value| {
        let url = format!("{}/v1{path}", dev.info.admin_url);
        let request = http.request(method, url).bearer_auth(&dev.info.admin_token);
        async move { request.json(&body).send().await.unwrap() }
    };
    let post = |path: &'static str, body: Value| call(reqwest::Method::POST, path, body);
    // `dev` has made a namespace of this name already.
    let taken = post("/namespaces", json!({"name": "live-origin"})).await;
    assert_eq!(taken.status(), StatusCode::CONFLICT);
    let deleted = call(reqwest::Method::DELETE, "/namespaces/live-origin?force=true", Value::Null).await;
    assert!(deleted.status().is_success(), "{deleted:?}");
    let made = post("/namespaces", json!({"name": "live-origin", "hot_capacity_bytes": 200 << 20})).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(made.json::<Value>().await.unwrap()["hot_capacity_bytes"], 200 << 20);
    post("/namespaces", json!({"name": "another"})).await;

    let before = from_now(MONTH);
    let body = json!({"permission": "readwrite", "expires_in_s": MONTH.as_secs()});
    let encoder = post("/namespaces/live-origin/keys", body).await;
    // The JSON file that the encoder's operator gets.
    let disposition = encoder.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.starts_with("attachment; filename=\"headwater-live-origin-"), "{disposition}");
    let encoder: CreatedKey = serde_json::from_str(&encoder.text().await.unwrap()).unwrap();
    let expires_at = encoder.key.expires_at.clone().unwrap();
    assert!((before..=from_now(MONTH)).contains(&expires_at), "{expires_at}");
    let player = post("/namespaces/live-origin/keys", json!({"permission": "readonly"})).await;
    let player: CreatedKey = player.json().await.unwrap();
    assert_eq!(player.key.expires_at, None);
    right_and_wrong_uses(&dev, "live-origin", &encoder.api_key, &player.api_key).await;
    // A key of the namespace that had this name before is good for nothing.
    let old = client(&dev, "live-origin", &dev.info.player_api_key).get("channel/s_1.ts").await.unwrap_err();
    assert_eq!(old.status(), Some(StatusCode::UNAUTHORIZED));
    dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_key_of_the_command_line_is_good_for_curl() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let dev = Dev::start(dir, &[]).await.unwrap();
    json(&dev, dir, &["ns", "create", "encoders", "--digest"]).await;
    let create =
        ["key", "create", "encoders", "--permission", "readwrite", "--digest", "--out", "digest.json"];
    let id = json(&dev, dir, &create).await["id"].as_str().unwrap().to_owned();
    let secret = key(dir, "digest.json");
    fs::write(dir.join("s_1.ts"), "segment").unwrap();
    let url = format!("{}/cache/encoders/a/s_1.ts", dev.info.data_url);
    let curl = |password: &str| {
        let mut command = tokio::process::Command::new(needs::program("curl"));
        command.args([
            "-sS",
            "--digest",
            "--max-time",
            "20",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-T",
            "s_1.ts",
        ]);
        command.args(["-u", &format!("{id}:{password}"), &url]).current_dir(dir);
        async move { String::from_utf8(command.output().await.unwrap().stdout).unwrap() }
    };
    assert_eq!(curl("wrong").await, "401");
    assert_eq!(curl(&secret).await, "201");
    let stored = client(&dev, "encoders", &secret).get("a/s_1.ts").await.unwrap();
    assert_eq!(stored.bytes().await.unwrap(), "segment");
    dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_urls_and_viewer_tokens_are_read_by_a_client_without_a_key() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let dev = Dev::start(dir, &[]).await.unwrap();
    let namespace = dev.info.namespace.as_str();
    let encoder = client(&dev, namespace, &dev.info.encoder_api_key);
    for key in ["news/s_1.ts", "other/s_1.ts"] {
        encoder.put(key, "segment").send().await.unwrap();
    }
    json(&dev, dir, &["key", "signing", "create", namespace, "--out", "signing.json"]).await;
    let with = ["--signing-key", "signing.json", "--expires", "1h"];
    let signed = json(&dev, dir, &[&["sign", "url", "news/s_1.ts"][..], &with].concat()).await;
    let url = signed["url"].as_str().unwrap();
    assert_eq!(reqwest::get(url).await.unwrap().text().await.unwrap(), "segment");
    let elsewhere = reqwest::get(url.replace("/news/s_1", "/other/s_1")).await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);

    let token = json(&dev, dir, &[&["sign", "token", "--prefix", "news/"][..], &with].concat()).await;
    let token = token["token"].as_str().unwrap();
    let read = reqwest::get(format!("{}?token={token}", dev.info.url("news/s_1.ts"))).await.unwrap();
    assert_eq!(read.text().await.unwrap(), "segment");
    let bearer = Client::new(&dev.info.data_url, namespace, token).unwrap();
    assert_eq!(bearer.head("news/s_1.ts").await.unwrap().unwrap()["content-length"], "7");
    assert_eq!(
        bearer.put("news/s_2.ts", "x").send().await.unwrap_err().status(),
        Some(StatusCode::FORBIDDEN)
    );

    // The same from a program; and what has expired is refused.
    let file: Value = serde_json::from_str(&fs::read_to_string(dir.join("signing.json")).unwrap()).unwrap();
    let id = file["id"].as_str().unwrap();
    let key = SigningKey::from_secret(SigningKeyId(id.into()), file["secret"].as_str().unwrap()).unwrap();
    let now_s = SystemClock::new().unix_millis().0 / 1000;
    let sign = |until_s| {
        sign::signed_url(&dev.info.data_url, namespace, "news/s_1.ts", "news/", until_s, &key).unwrap()
    };
    assert_eq!(reqwest::get(sign(now_s + 60)).await.unwrap().status(), StatusCode::OK);
    assert_eq!(reqwest::get(sign(now_s - 60)).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    json(&dev, dir, &["key", "signing", "revoke", namespace, id, "--wait"]).await;
    assert_eq!(reqwest::get(sign(now_s + 60)).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_is_shown_and_a_prefix_is_purged() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let dev = Dev::start(dir, &[]).await.unwrap();
    let namespace = dev.info.namespace.as_str();
    let encoder = Client::new(&dev.info.data_url, namespace, &dev.info.encoder_api_key).unwrap();
    for i in 0..20 {
        encoder.put(&format!("gone/s_{i}.ts"), "x").send().await.unwrap();
    }
    encoder.put("stays/s_1.ts", "x").send().await.unwrap();

    let status = json(&dev, dir, &["cluster", "status"]).await;
    assert_eq!((&status["shards"]["total"], &status["shards"]["degraded"]), (&json!(1024), &json!(0)));
    assert_eq!(status["zones"].as_array().unwrap().len(), 2);
    let nodes = json(&dev, dir, &["cluster", "nodes"]).await;
    assert!(nodes.as_array().unwrap().iter().all(|node| node["alive"] == true), "{nodes}");
    assert_eq!(json(&dev, dir, &["cluster", "shards"]).await.as_array().unwrap().len(), 1024);
    assert_eq!(json(&dev, dir, &["cluster", "shards", "--degraded"]).await, json!([]));
    assert!(json(&dev, dir, &["cluster", "meta", "status"]).await["leader"].is_u64());

    let purge = json(&dev, dir, &["object", "rm", "-n", namespace, "--prefix", "gone/"]).await;
    assert!(purge["finished_at"].is_string() && purge["removed"] == 20, "{purge}");
    let left: Vec<String> = encoder.list("").await.unwrap().objects.into_iter().map(|o| o.name).collect();
    assert_eq!(left, ["stays/s_1.ts"]);
    assert_eq!(json(&dev, dir, &["workers"]).await["purges"], json!([]));
    dev.stop(&[]).await.unwrap();
}
