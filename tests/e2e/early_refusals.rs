//! Clients whose PUT is refused while they are sending it read the refusal, whichever client it is.

use crate::needs;
use headwater_meta::NamespaceSettings;
use headwater_testkit::{InProcess, InProcessConfig, in_process::Keys};
use serde_json::json;
use std::{path::Path, time::Duration};
use tokio::process::Command;

/// More than the sockets of both sides hold.
const BYTES: usize = 8 << 20;
/// The largest object of the namespace.
const OBJECT_MAX: u64 = 1 << 20;
const ROUNDS: usize = 30;
const CHUNKED: &str = "Transfer-Encoding: chunked";
/// For all rounds of one kind.
const LIMIT: Duration = Duration::from_secs(240);

async fn origin() -> (InProcess, Keys) {
    let cluster = InProcess::start(InProcessConfig::default()).await.unwrap();
    let settings = NamespaceSettings { max_object_bytes: OBJECT_MAX, ..NamespaceSettings::default() };
    let keys = cluster.namespace("live", settings).await.unwrap();
    (cluster, keys)
}

async fn output(command: &mut Command) -> String {
    let output = command.kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output).await.expect("it ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_reads_every_refusal() {
    let (cluster, keys) = origin().await;
    // At run time: a shared target directory may hold tests that were built in another checkout.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let script = Path::new(&package).join("e2e/refused.py");
    for (status, key) in [(401, None), (403, Some(&keys.player)), (413, Some(&keys.encoder))] {
        for framing in ["length", "chunked"] {
            let mut python = Command::new(needs::python());
            python.arg(&script).args([&cluster.addresses[0], "/cache/live/a.ts", framing]);
            python.args([BYTES, ROUNDS].map(|number| number.to_string()));
            python.args(key.map(|key| format!("Bearer {key}")));
            let outcomes: serde_json::Value = serde_json::from_str(&output(&mut python).await).unwrap();
            assert_eq!(outcomes, json!({status.to_string(): ROUNDS}), "{framing}");
        }
    }
    assert!(cluster.tiers.iter().all(|tier| tier.stats().records() == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_reads_every_refusal() {
    let (cluster, keys) = origin().await;
    let dir = tempfile::tempdir().unwrap();
    let body = dir.path().join("body");
    std::fs::write(&body, vec![7; BYTES]).unwrap();
    let url = format!("http://{}/cache/live/a.ts", cluster.addresses[0]);
    for (status, key) in [("401", None), ("403", Some(&keys.player)), ("413", Some(&keys.encoder))] {
        for options in [&["--http1.1"][..], &["--http1.1", "--header", CHUNKED]] {
            let mut curl = Command::new(needs::program("curl"));
            curl.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"]);
            // Without `Expect`, so that the body is on its way when the refusal comes.
            curl.args(["--header", "Expect:"]).args(options);
            if let Some(key) = key {
                curl.arg("--header").arg(format!("Authorization: Bearer {key}"));
            }
            curl.arg("--upload-file").arg(&body).arg(&url);
            for _ in 0..5 {
                let text = output(&mut curl).await;
                let (problem, seen) = text.rsplit_once('\n').unwrap();
                assert_eq!(seen, status, "{options:?}: {problem}");
                assert!(problem.contains(&format!("\"status\":{status}")), "{options:?}: {problem}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_bodies_leave_an_http_2_connection_whole() {
    let (cluster, keys) = origin().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = |key: &str| format!("http://{}/cache/live/{key}", cluster.addresses[0]);
    // Together many times the window of the connection: what is thrown away is given back to it.
    for round in 0..20 {
        let refused = client.put(url("a.ts")).body(vec![7; BYTES]).send().await.unwrap();
        assert_eq!(refused.status(), 401, "round {round}");
        assert!(refused.text().await.unwrap().contains("unauthorized"));
    }
    // Several at once, beside one that is allowed and as large as may be.
    let refused = (0..8).map(|_| client.put(url("a.ts")).body(vec![7; BYTES]).send());
    let stored = client.put(url("b.ts")).bearer_auth(&keys.encoder).body(vec![7; OBJECT_MAX as usize]).send();
    let (refused, stored) = tokio::join!(futures_util::future::join_all(refused), stored);
    assert_eq!(stored.unwrap().status(), 201);
    assert!(refused.into_iter().all(|answer| answer.unwrap().status() == 401));
    let get = client.get(url("b.ts")).bearer_auth(&keys.player).send().await.unwrap();
    assert_eq!((get.status().as_u16(), get.version()), (200, reqwest::Version::HTTP_2));
}
