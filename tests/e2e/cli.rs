//! The first steps of an operator, by the command line and by the SDK, against a real `headwater dev`.

use headwater_client::{Client, SigningKey, SigningKeyId, StatusCode, sign};
use headwater_testkit::{Dev, binary::binary};
use headwater_types::{Clock, SystemClock};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Output, Stdio},
};

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

fn client(dev: &Dev, dir: &Path, file: &str) -> Client {
    let document: Value = serde_json::from_str(&fs::read_to_string(dir.join(file)).unwrap()).unwrap();
    Client::new(&dev.info.data_url, "tutorial", document["api_key"].as_str().unwrap()).unwrap()
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
    let encoder_id = json(&dev, dir, &encoder_key).await["id"].clone();
    let player_id = json(&dev, dir, &create("readonly", "player.json")).await["id"].clone();
    assert_eq!(fs::metadata(dir.join("encoder.json")).unwrap().permissions().mode() & 0o777, 0o600);

    let (encoder, player) = (client(&dev, dir, "encoder.json"), client(&dev, dir, "player.json"));
    encoder.put("channel/s_1.ts", "segment").send().await.unwrap();
    assert_eq!(player.get("channel/s_1.ts").await.unwrap().bytes().await.unwrap(), "segment");
    let forbidden = player.put("channel/s_1.ts", "x").send().await.unwrap_err();
    assert_eq!(forbidden.status(), Some(StatusCode::FORBIDDEN));

    let keys = json(&dev, dir, &["key", "list", "tutorial"]).await;
    let ids: Vec<&Value> = keys.as_array().unwrap().iter().map(|key| &key["id"]).collect();
    assert!(ids.len() == 2 && ids.contains(&&encoder_id) && ids.contains(&&player_id), "{keys}");
    assert!(keys.as_array().unwrap().iter().all(|key| key.get("api_key").is_none()), "{keys}");

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
    let keys = onboard::run(&dev.info.admin_url, &dev.info.admin_token, "tutorial").await.unwrap();
    assert!(keys.encoder.key.expires_at.is_some() && keys.player.key.expires_at.is_none());
    let client = |key: &str| Client::new(&dev.info.data_url, "tutorial", key).unwrap();
    client(&keys.encoder.api_key).put("channel/s_1.ts", "segment").send().await.unwrap();
    let read = client(&keys.player.api_key).get("channel/s_1.ts").await.unwrap();
    assert_eq!(read.bytes().await.unwrap(), "segment");
    let again = onboard::run(&dev.info.admin_url, &dev.info.admin_token, "tutorial").await.err().unwrap();
    assert_eq!(again.code(), Some("exists"));
    let not_admin = onboard::run(&dev.info.admin_url, &keys.encoder.api_key, "other").await.err().unwrap();
    assert_eq!(not_admin.status(), Some(StatusCode::FORBIDDEN));
    dev.stop(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_urls_and_viewer_tokens_are_read_by_a_client_without_a_key() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let dev = Dev::start(dir, &[]).await.unwrap();
    let namespace = dev.info.namespace.as_str();
    let encoder = Client::new(&dev.info.data_url, namespace, &dev.info.encoder_api_key).unwrap();
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
