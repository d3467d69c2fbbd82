//! Backups of the metadata to an S3 server, and a group founded anew from one.

use crate::needs::moto_server;
use headwater_client::{Admin, Client, RetryPolicy};
use headwater_meta::NamespaceSettings;
use headwater_testkit::{Cluster, Process, binary::binary, until};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

/// An S3 server with one bucket, in memory.
struct S3 {
    _process: Process,
    endpoint: String,
}

impl S3 {
    async fn start(dir: &Path, bucket: &str) -> Self {
        let mut command = Command::new(moto_server());
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        let process = Process::start(&mut command, &dir.join("s3.log")).unwrap();
        let endpoint = until("the S3 server says where it is", Duration::from_secs(60), || async {
            let said = process.output();
            let address = said.split("Running on ").nth(1)?.split_whitespace().next()?;
            Some(address.to_owned())
        })
        .await;
        let made = reqwest::Client::new().put(format!("{endpoint}/{bucket}")).send().await.unwrap();
        assert!(made.status().is_success(), "{made:?}");
        Self { _process: process, endpoint }
    }

    fn variables(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "an-id"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret"),
            ("AWS_REGION", "us-east-1"),
        ]
    }

    async fn headwater(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(binary("headwater"));
        command.args(arguments).envs(self.variables()).stdin(Stdio::null()).output().await.unwrap()
    }

    /// What the command printed as JSON.
    async fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.headwater(&[arguments, &["--json"]].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "headwater {arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn admin(cluster: &Cluster) -> Admin {
    let builder = Client::builder().retry(RetryPolicy::none());
    builder.admin(&cluster.info.admin_url, &cluster.info.admin_token).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_is_backed_up_to_s3_and_founded_anew_from_there() {
    const TARGET: &str = "s3://backups/live/metadata";
    let dir = tempfile::tempdir().unwrap();
    let s3 = S3::start(dir.path(), "backups").await;
    let mut cluster = Cluster::start(dir.path(), &["--meta", "1"]).await.unwrap();
    let admin = admin(&cluster);
    let voter = cluster.process("meta", 1).unwrap().addresses.listen;

    admin.create_namespace("before-the-first", &NamespaceSettings::default()).await.unwrap();
    s3.json(&["backup", "--meta", &voter, "--to", TARGET]).await;
    let key = admin.create_namespace("before-the-second", &NamespaceSettings::default()).await.unwrap();
    s3.json(&["backup", "--meta", &voter, "--to", TARGET]).await;
    let listed = s3.json(&["backup", "list", TARGET]).await;
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2, "{listed}");
    assert!(s3.json(&["backup", "list", "s3://backups/elsewhere"]).await.as_array().unwrap().is_empty());

    // A bucket that is not there is said to be missing.
    let output = s3.headwater(&["backup", "--meta", &voter, "--to", "s3://no-such-bucket/x"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("no-such-bucket"), "{said}");

    // The disk is lost. An older backup is taken by its name: what came after it is not there.
    let restored = async |cluster: &mut Cluster, from: &str| {
        cluster.kill("meta", 1).unwrap();
        let data_dir = cluster.dir().join("meta-1");
        fs::remove_dir_all(&data_dir).unwrap();
        let data_dir = data_dir.to_str().unwrap();
        s3.json(&["restore", "--from", from, "--data-dir", data_dir, "--id", "1", "--address", &voter]).await;
    };
    restored(&mut cluster, &format!("{TARGET}/{}", names[0])).await;
    cluster.restart("meta", 1).unwrap();
    until("the admin plane is back", Duration::from_secs(30), || async {
        admin.namespace("before-the-first").await.ok()
    })
    .await;
    let missing = admin.namespace("before-the-second").await.unwrap_err();
    assert_eq!(missing.status().map(|status| status.as_u16()), Some(404), "{missing}");

    // Lost again: now the newest one. From then on the voter backs up by itself.
    restored(&mut cluster, TARGET).await;
    let config = cluster.dir().join("meta-1.toml");
    let mut config = fs::File::options().append(true).open(&config).unwrap();
    write!(config, "\n[backup]\ntarget = \"{TARGET}\"\nevery_s = 10\nkeep = 2\n").unwrap();
    cluster.restart_with("meta", 1, &s3.variables()).unwrap();
    until("the admin plane is back", Duration::from_secs(30), || async {
        admin.namespace("before-the-second").await.ok()
    })
    .await;
    let namespace = admin.namespace("before-the-second").await.unwrap();
    assert_eq!(namespace.id, key.id, "it is the same namespace");
    let kept = until("the voter has made a backup", Duration::from_secs(30), || async {
        let listed = s3.json(&["backup", "list", TARGET]).await;
        let kept: Vec<String> =
            listed.as_array()?.iter().filter_map(|b| Some(b["name"].as_str()?.to_owned())).collect();
        // The new one is written first; only then the oldest go.
        let is_made = kept.last().map(String::as_str) != names.last().copied();
        (is_made && kept.len() <= 2).then_some(kept)
    })
    .await;
    assert_eq!(kept.len(), 2, "as many as it may keep: {kept:?}");
    assert_eq!(kept[0], names[1], "the oldest went");
    cluster.stop().await.unwrap();
}
