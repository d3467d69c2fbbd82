//! Digest authentication with the clients that need it: curl with both algorithms, and ffmpeg, which knows MD5 only.

use crate::{
    encoder::{Encoder, Generation},
    needs,
    stored::Stored,
};
use headwater_meta::{Command, DigestHashes, NamespaceSettings, Outcome, Permission, secret};
use headwater_testkit::{InProcess, InProcessConfig, in_process::Keys};
use headwater_types::{ApiKey, SystemRng};
use md5::Md5;
use sha2::{Digest, Sha256};
use std::{path::Path, process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const SECONDS: u32 = 6;

/// An origin whose namespace offers Digest, and a key for it.
struct Target {
    cluster: InProcess,
    keys: Keys,
    key: ApiKey,
    dir: tempfile::TempDir,
}

impl Target {
    async fn start() -> Self {
        let cluster = InProcess::start(InProcessConfig::default()).await.unwrap();
        let settings = NamespaceSettings { digest: true, ..NamespaceSettings::default() };
        let keys = cluster.namespace("live", settings).await.unwrap();
        let key = ApiKey::generate(&SystemRng);
        let a1 = format!("{}:live:{}", key.id, key.reveal());
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = DigestHashes { md5: hex(&Md5::digest(&a1)), sha256: hex(&Sha256::digest(&a1)) };
        let command = Command::CreateKey {
            id: key.id.clone(),
            secret_sha256: secret::hash(&key),
            namespace: Some(keys.id),
            permission: Permission::ReadWrite,
            prefix: None,
            expires_at: None,
            cidrs: Vec::new(),
            digest: Some(digest),
            rate_limits: Default::default(),
        };
        let outcome = cluster.propose(command).await.unwrap();
        assert!(matches!(outcome, Outcome::Key(_)), "{outcome:?}");
        Self { cluster, keys, key, dir: tempfile::tempdir().unwrap() }
    }

    fn stored(&self) -> Stored {
        Stored::new(&format!("http://{}", self.cluster.addresses[0]), "live", &self.keys.player)
    }

    /// A URL with the key id and the key in it, as ffmpeg takes them.
    fn url(&self, key: &str) -> String {
        let (user, secret) = (&self.key.id, self.key.reveal());
        format!("http://{user}:{secret}@{}/cache/live/{key}", self.cluster.addresses[0])
    }

    /// Uploads a file with `curl --digest` and answers what it said.
    async fn curl(&self, address: &str, file: &Path, key: &str) -> String {
        let mut command = tokio::process::Command::new(needs::program("curl"));
        command.args(["-sS", "-v", "--fail", "--digest", "--max-time", "20"]);
        command.args(["-u", &format!("{}:{}", self.key.id, self.key.reveal()), "-T"]).arg(file);
        command.arg(format!("http://{address}/cache/live/{key}?ttl_seconds=60"));
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }
}

/// An origin that does not offer SHA-256, as older ones do: forwards everything, but for the first challenge of a
/// refusal, which gets a name that means nothing.
async fn without_sha256(origin: String) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_origin, mut to_origin) = TcpStream::connect(&origin).await.unwrap().into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_origin).await });
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(read @ 1..) = from_origin.read(&mut buffer).await {
                    let (name, other) = (b"www-authenticate", b"old-authenticate");
                    if let Some(at) = buffer[..read].windows(name.len()).position(|window| window == name) {
                        buffer[at..at + other.len()].copy_from_slice(other);
                    }
                    to_client.write_all(&buffer[..read]).await.unwrap();
                }
            });
        }
    });
    (address, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_digest_uploads_with_both_algorithms_byte_for_byte() {
    let target = Target::start().await;
    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7 % 251) as u8).collect();
    let file = target.dir.path().join("segment.ts");
    std::fs::write(&file, &body).unwrap();
    let origin = target.cluster.addresses[0].clone();
    let (old, relay) = without_sha256(origin.clone()).await;
    for (address, key, algorithm) in [(origin, "sha256.ts", "SHA-256"), (old, "md5.ts", "MD5")] {
        let said = target.curl(&address, &file, key).await;
        let sent = said.lines().find(|line| line.starts_with("> Authorization: Digest")).expect(&said);
        assert!(sent.contains(&format!("algorithm={algorithm}")), "{sent}");
        assert_eq!(said.matches("HTTP/1.1 401").count(), 1, "{said}");
        assert!(target.stored().bytes(key).await == body, "{key} is not what was sent");
    }
    relay.abort();
    target.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_5_pushes_with_digest() {
    let target = Target::start().await;
    let dir = target.dir.path();
    let hls = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "3", "-hls_flags", "delete_segments"];
    let start = |name: &str, more: &[&str]| {
        let url = target.url(&format!("{name}/s.m3u8"));
        let output = [&hls[..], more, &["-method", "PUT", &url]].concat();
        Encoder::start(dir, name, Generation::Five, SECONDS, &output)
    };
    let encoders = [start("each", &[]), start("persistent", &["-http_persistent", "1"])];
    for encoder in encoders {
        encoder.finish().await;
    }
    for folder in ["each/", "persistent/"] {
        let playlist = target.stored().check_hls(folder, 1).await;
        assert_eq!((playlist.sequence, playlist.segments.len()), (u64::from(SECONDS) - 3, 3), "{folder}");
    }

    // The same remultiplexing into a file and to the origin, to compare every byte.
    let segment = target.stored().bytes("each/s5.ts").await;
    let (input, local) = (dir.join("input.ts"), dir.join("local.ts"));
    std::fs::write(&input, segment).unwrap();
    let url = target.url("copy.ts");
    let outputs: [&[&str]; 2] = [&[local.to_str().unwrap()], &["-method", "PUT", &url]];
    for output in outputs {
        let mut command = process::Command::new(needs::ffmpeg5());
        command.args(["-hide_banner", "-nostdin", "-loglevel", "error", "-i"]).arg(&input);
        command.args(["-c", "copy", "-f", "mpegts"]).args(output);
        let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && said.is_empty(), "{said}");
    }
    assert!(target.stored().bytes("copy.ts").await == std::fs::read(&local).unwrap());
    target.cluster.stop().await;
}
