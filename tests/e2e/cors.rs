//! Pages of other origins in a real browser: credentials mode and resource timing.

use crate::needs;
use axum::{Router, response::Html, routing::get};
use headwater_meta::{CorsPolicy, NamespaceSettings};
use headwater_testkit::{InProcess, InProcessConfig};
use serde_json::{Value, json};
use std::{path::Path, process::Stdio, time::Duration};
use tokio::{net::TcpListener, process::Command};

/// A server of one empty page. Its port has two origins: by address and by name.
async fn page() -> [String; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/", get(|| async { Html("<!doctype html><title>page</title>") }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")]
}

/// What the page of each origin sees of an object of a namespace with this policy.
async fn seen(cors: CorsPolicy, origins: &[String]) -> Vec<Value> {
    let cluster = InProcess::start(InProcessConfig::default()).await.unwrap();
    let settings = NamespaceSettings { cors, ..NamespaceSettings::default() };
    let keys = cluster.namespace("live", settings).await.unwrap();
    let object = format!("http://{}/cache/live/a.txt", cluster.addresses[0]);
    let put =
        reqwest::Client::new().put(&object).bearer_auth(&keys.encoder).body("hello").send().await.unwrap();
    assert_eq!(put.status(), 201);
    let dir = tempfile::tempdir().unwrap();
    // At run time: a shared target directory may hold tests that were built in another checkout.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let mut browser = Command::new(needs::program("node"));
    browser.arg(Path::new(&package).join("e2e/cors.mjs"));
    browser.arg(needs::node_modules()).arg(needs::program("chromium")).arg(dir.path().join("profile"));
    browser.args([object, format!("Bearer {}", keys.player)]).args(origins);
    let output = browser.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(180), output).await.expect("in time").unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaints}", output.status);
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_sends_credentials_and_shows_timings_where_the_policy_says_so() {
    let origins = page().await;
    let [listed, _] = &origins;
    let is_read = |outcome: &Value| {
        outcome["status"] == 200 && outcome["text"] == "hello" && outcome["etag"].is_string()
    };
    let refused = json!({"error": "TypeError"});

    // By default every page may read, but not with credentials.
    for page in seen(CorsPolicy::default(), &origins).await {
        assert!(is_read(&page["plain"]), "{page:#}");
        assert_eq!(page["credentials"], refused, "{page:#}");
        assert_eq!(page["timing"], json!({"shown": true}), "{page:#}");
    }
    let policy = |allow_credentials| CorsPolicy {
        allowed_origins: vec![listed.clone()],
        allow_credentials,
        ..CorsPolicy::default()
    };
    for allow_credentials in [false, true] {
        let pages = seen(policy(allow_credentials), &origins).await;
        let [listed, other] = &pages[..] else { panic!("{pages:#?}") };
        assert!(is_read(&listed["plain"]), "{listed:#}");
        assert_eq!(is_read(&listed["credentials"]), allow_credentials, "{listed:#}");
        assert_eq!(listed["timing"], json!({"shown": true}), "{listed:#}");
        for mode in ["plain", "credentials"] {
            assert_eq!(other[mode], refused, "{other:#}");
        }
        assert_eq!(other["timing"], json!({"shown": false}), "{other:#}");
    }
}
