//! Proxies that buffer requests in front of the origin: uploads that are refused, and viewers beside.

use crate::needs;
use headwater_testkit::{InProcess, InProcessConfig, Process, in_process::Keys, until};
use std::{
    cell::RefCell,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

/// Past what the sockets hold, and within the default of a namespace.
const BYTES: usize = 9 << 20;
const PUSHES: usize = 12;
const VIEWERS: usize = 4;
const SEGMENT: &[u8] = &[7; 100_000];

/// The two frontends of a cluster, behind a proxy.
struct Proxied {
    cluster: InProcess,
    keys: Keys,
    proxy: String,
    process: Process,
    _dir: tempfile::TempDir,
}

impl Proxied {
    /// Starts a proxy over both frontends. `command` gets its folder, the address where it listens and the frontends'.
    async fn start(command: impl Fn(&Path, &str, &[String]) -> Command) -> Self {
        let cluster = InProcess::start(InProcessConfig::default()).await.unwrap();
        let keys = cluster.namespace("live", Default::default()).await.unwrap();
        let client = reqwest::Client::new();
        let url = format!("http://{}/cache/live/k.ts", cluster.addresses[0]);
        let put = client.put(url).bearer_auth(&keys.encoder).body(SEGMENT).send().await.unwrap();
        assert_eq!(put.status(), 201);
        // The port is free for a moment, in which another test may take it: then once more.
        for _ in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let proxy =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().to_string();
            let mut command = command(dir.path(), &proxy, &cluster.addresses);
            let process = RefCell::new(Process::start(&mut command, &dir.path().join("log")).unwrap());
            let listens = until("the proxy listens or ends", Duration::from_secs(60), || async {
                if process.borrow_mut().try_wait().unwrap().is_some() {
                    return Some(false);
                }
                let health = client.get(format!("http://{proxy}/healthz")).send().await.ok()?;
                (health.status() == 200).then_some(true)
            });
            let listens = listens.await;
            let process = process.into_inner();
            if listens {
                return Self { cluster, keys, proxy, process, _dir: dir };
            }
            eprintln!("{}", process.output());
        }
        panic!("the proxy does not start");
    }

    /// Reads a segment until `stop`. Counts in `good` how often that went well, and returns everything else that came.
    async fn view(&self, stop: &AtomicBool, good: &AtomicUsize) -> Vec<String> {
        // An answer that does not come is one of those, and does not keep the test from its end.
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        let url = format!("http://{}/cache/live/k.ts", self.proxy);
        let mut bad = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let got = client.get(&url).bearer_auth(&self.keys.player).send().await;
            let seen = match got {
                Ok(answer) if answer.status() == 200 => match answer.bytes().await {
                    Ok(body) if body == SEGMENT => None,
                    other => Some(format!("{:?} bytes", other.map(|body| body.len()))),
                },
                Ok(answer) => Some(answer.status().to_string()),
                Err(error) => Some(format!("{error:?}")),
            };
            match seen {
                None => drop(good.fetch_add(1, Ordering::Relaxed)),
                Some(seen) => bad.push(seen),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bad
    }

    /// Pushes without a credential, one after the other, and answers the statuses that came back.
    async fn push(&self) -> Vec<u16> {
        let client = reqwest::Client::new();
        let url = format!("http://{}/cache/live/new.ts", self.proxy);
        let mut statuses = Vec::new();
        for _ in 0..PUSHES {
            let answer = client.put(&url).body(vec![7; BYTES]).send().await;
            statuses.push(answer.map_or(0, |answer| answer.status().as_u16()));
        }
        statuses
    }

    /// Every push is told why it was refused, and no viewer sees more than that there are others.
    async fn check(self) {
        let (stop, good) = (AtomicBool::new(false), AtomicUsize::new(0));
        let viewers = futures_util::future::join_all((0..VIEWERS).map(|_| self.view(&stop, &good)));
        let pushing = async {
            let statuses = self.push().await;
            // What the proxy thinks of the origin shows in what follows.
            let before = good.load(Ordering::Relaxed);
            let more = until("viewers go on", Duration::from_secs(60), || async {
                let seen = good.load(Ordering::Relaxed) - before;
                (seen >= 10 * VIEWERS).then_some(())
            });
            let more = tokio::time::timeout(Duration::from_secs(30), more).await;
            stop.store(true, Ordering::Relaxed);
            (statuses, more.is_ok())
        };
        let (bad, (statuses, went_on)) = tokio::join!(viewers, pushing);
        let bad: Vec<String> = bad.into_iter().flatten().collect();
        assert_eq!(bad, [""; 0], "{}", self.process.output());
        assert_eq!(statuses, [401; PUSHES], "{}", self.process.output());
        assert!(went_on, "viewers stopped after the last push: {}", self.process.output());
        drop(self.process);
        self.cluster.stop().await;
    }
}

/// nginx with its defaults for proxies, in one process so that it ends with its value.
fn nginx(dir: &Path, listen: &str, frontends: &[String]) -> Command {
    let upstream: String = frontends.iter().map(|address| format!("server {address}; ")).collect();
    let place = dir.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/{kind};\n"))
        .concat();
    let config = dir.join("nginx.conf");
    let text = format!(
        "daemon off; master_process off; pid {place}/pid; error_log stderr warn;
events {{ }}
http {{
  access_log off;
  {temporary}
  client_max_body_size 20m;
  upstream origin {{ {upstream} }}
  server {{ listen {listen}; location / {{ proxy_pass http://origin; }} }}
}}
"
    );
    std::fs::write(&config, text).unwrap();
    let mut nginx = Command::new(needs::program("nginx"));
    nginx.arg("-p").arg(dir).arg("-c").arg(config).args(["-e", "stderr"]);
    nginx
}

/// Varnish, which probes the frontends at the port that it fetches from. `buffers`: it takes a body whole before it asks.
fn varnish(dir: &Path, listen: &str, frontends: &[String], buffers: bool) -> Command {
    let (mut backends, mut members) = (String::new(), String::new());
    for (name, address) in ["a", "b"].into_iter().zip(frontends) {
        let (host, port) = address.rsplit_once(':').unwrap();
        let probe = r#"{ .url = "/readyz"; .interval = 500ms; .threshold = 1; .window = 2; }"#;
        backends +=
            &format!("backend {name} {{ .host = \"{host}\"; .port = \"{port}\"; .probe = {probe} }}\n");
        members += &format!("origin.add_backend({name}); ");
    }
    let buffer = if buffers { "std.cache_req_body(20MB);" } else { "" };
    let config = dir.join("default.vcl");
    let text = format!(
        "vcl 4.1;
import std;
import directors;
{backends}
sub vcl_init {{ new origin = directors.round_robin(); {members} }}
sub vcl_recv {{
  set req.backend_hint = origin.backend();
  if (req.method == \"PUT\") {{ {buffer} return (pass); }}
}}
"
    );
    std::fs::write(&config, text).unwrap();
    let mut varnish = Command::new(needs::program("varnishd"));
    varnish.args(["-F", "-j", "none", "-a", listen, "-s", "malloc,64m", "-p", "vsl_space=8m"]);
    varnish.arg("-n").arg(dir.join("varnish")).arg("-f").arg(config);
    varnish
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_nginx_refused_uploads_are_answered_and_viewers_go_on() {
    Proxied::start(nginx).await.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_varnish_refused_uploads_are_answered_and_viewers_go_on() {
    for buffers in [true, false] {
        let varnish =
            |dir: &Path, listen: &str, frontends: &[String]| varnish(dir, listen, frontends, buffers);
        Proxied::start(varnish).await.check().await;
    }
}
