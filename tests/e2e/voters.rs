//! Three metadata voters, two storage nodes, two frontends, as real processes: voters die under a live stream.

use crate::{
    encoder::{Encoder, Generation},
    stored::Stored,
};
use headwater_client::{Admin, Client, RetryPolicy};
use headwater_meta::{Command, MetaStore, NamespaceSettings, Outcome, WatchEvent, grpc::MetaGrpcClient};
use headwater_testkit::{Cluster, binary::binary, until};
use headwater_types::{NamespaceName, SystemClock, SystemRng};
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

const LAYOUT: [&str; 6] = ["--meta", "3", "--nodes-per-zone", "1", "--frontends", "2"];
const VOTERS: [u64; 3] = [1, 2, 3];

fn admin(cluster: &Cluster) -> Admin {
    let builder = Client::builder().retry(RetryPolicy::none());
    builder.admin(&cluster.info.admin_url, &cluster.info.admin_token).unwrap()
}

/// A store that asks these voters only.
fn store(cluster: &Cluster, voters: &[u64]) -> MetaGrpcClient {
    let address = |id: &u64| cluster.process("meta", *id).unwrap().addresses.listen;
    let addresses: Vec<String> = voters.iter().map(address).collect();
    MetaGrpcClient::new(&addresses, "test", Arc::new(SystemClock::new()), Arc::new(SystemRng)).unwrap()
}

/// The leader by the word of one of the voters that live.
async fn leader(cluster: &Cluster, voters: &[u64]) -> u64 {
    until("there is a leader", Duration::from_secs(20), || async {
        for id in voters {
            if let Ok(membership) = store(cluster, &[*id]).membership().await
                && let Some(leader) = membership.leader.filter(|leader| voters.contains(leader))
            {
                return Some(leader);
            }
        }
        None
    })
    .await
}

/// Encoders and players that never repeat a request, and what they were refused.
struct Load {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let (stop, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for at in 0..cluster.info.data_urls.len() {
            let builder = Client::builder().retry(RetryPolicy::none());
            let info = &cluster.info;
            let client = builder.client(&info.data_urls[at], &info.namespace, &info.encoder_api_key).unwrap();
            let (stop, requests) = (stop.clone(), requests.clone());
            tasks.push(tokio::spawn(async move {
                let mut refused = Vec::new();
                for i in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let (key, body) = (format!("load{at}/s_{i}.ts"), vec![i as u8; 20_000]);
                    if let Err(error) = client.put(&key, body.clone()).send().await {
                        refused.push(format!("PUT {key}: {error}"));
                    }
                    let read = async { client.get(&key).await?.bytes().await };
                    match read.await {
                        Ok(bytes) if bytes == body => {}
                        Ok(_) => refused.push(format!("GET {key}: other bytes")),
                        Err(error) => refused.push(format!("GET {key}: {error}")),
                    }
                    requests.fetch_add(2, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                refused
            }));
        }
        Self { stop, requests, tasks }
    }

    /// Waits for so many more requests.
    async fn goes_on(&self, more: u64) {
        let from = self.requests.load(Ordering::Relaxed);
        until("the data plane goes on", Duration::from_secs(30), || async {
            (self.requests.load(Ordering::Relaxed) >= from + more).then_some(())
        })
        .await;
    }

    /// What was refused, of how many.
    async fn finish(self) -> (Vec<String>, u64) {
        self.stop.store(true, Ordering::Relaxed);
        let mut refused = Vec::new();
        for task in self.tasks {
            refused.extend(task.await.unwrap());
        }
        (refused, self.requests.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_whichever_voters_die_and_from_a_backup_when_all_are_lost() {
    const SECONDS: u32 = 30;
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), &LAYOUT).await.unwrap();
    let admin = admin(&cluster);
    let settings = NamespaceSettings::default();
    let header = format!("Authorization: Bearer {}\r\n", cluster.info.encoder_api_key);
    let url = cluster.url(0, "live/s.m3u8");
    let output =
        ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-method", "PUT", "-headers", &header, &url];
    let encoder = Encoder::start(dir.path(), "live", Generation::Five, SECONDS, &output);
    let load = Load::start(&cluster);
    load.goes_on(20).await;

    // The leader dies: the data plane does not notice, admin writes are possible again within 5 s.
    let first = leader(&cluster, &VOTERS).await;
    cluster.kill("meta", first).unwrap();
    let killed = Instant::now();
    while let Err(error) = admin.create_namespace("after-the-leader", &settings).await {
        assert!(killed.elapsed() < Duration::from_secs(5), "no admin writes within 5 s: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("admin writes again {:?} after the leader was killed", killed.elapsed());
    load.goes_on(100).await;

    // All are dead: the stream goes on, the admin plane says why it does not.
    for id in VOTERS.into_iter().filter(|id| *id != first) {
        cluster.kill("meta", id).unwrap();
    }
    load.goes_on(100).await;
    let refused = admin.create_namespace("nobody-there", &settings).await.unwrap_err();
    assert_eq!(refused.status().map(|status| status.as_u16()), Some(503), "{refused}");
    assert!(refused.to_string().contains("metadata"), "no clear reason: {refused}");
    for id in VOTERS {
        cluster.restart("meta", id).unwrap();
    }
    leader(&cluster, &VOTERS).await;
    until("the admin plane is back", Duration::from_secs(20), || async {
        admin.namespace("after-the-leader").await.ok()
    })
    .await;
    load.goes_on(50).await;

    // Every voter is lost with its disk, and founded anew from a backup.
    let backups = dir.path().join("backups");
    let voters: Vec<String> = VOTERS.map(|id| cluster.process("meta", id).unwrap().addresses.listen).to_vec();
    headwater(&["backup", "--meta", &voters.join(","), "--to", backups.to_str().unwrap()]).await;
    for id in VOTERS {
        cluster.kill("meta", id).unwrap();
        fs::remove_dir_all(cluster.dir().join(format!("meta-{id}"))).unwrap();
    }
    load.goes_on(50).await;
    let data_dir = cluster.dir().join("meta-1");
    let from = backups.to_str().unwrap();
    let restore = [
        "restore",
        "--from",
        from,
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--id",
        "1",
        "--address",
        &voters[0],
    ];
    headwater(&restore).await;
    cluster.restart("meta", 1).unwrap();
    until("the admin plane is back from the backup", Duration::from_secs(30), || async {
        admin.namespace("after-the-leader").await.ok()
    })
    .await;
    admin.create_namespace("after-the-restore", &settings).await.unwrap();
    load.goes_on(50).await;

    let (refused, requests) = load.finish().await;
    assert!(
        refused.is_empty(),
        "{} of {requests} requests: {:#?}",
        refused.len(),
        &refused[..refused.len().min(5)]
    );
    encoder.finish().await;
    let info = &cluster.info;
    let playlist =
        Stored::new(&info.data_urls[1], &info.namespace, &info.player_api_key).check_hls("live/", 0).await;
    assert_eq!((playlist.segments.len() as u32, playlist.seconds), (SECONDS, f64::from(SECONDS)));
    cluster.stop().await.unwrap();
}

/// Runs the command line.
async fn headwater(arguments: &[&str]) {
    let output = tokio::process::Command::new(binary("headwater")).args(arguments).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "headwater {arguments:?}: {said}");
}

/// What every voter says of who leads, for ever.
async fn watch_leaders(cluster: Arc<Vec<MetaGrpcClient>>) -> BTreeMap<u64, u64> {
    let mut terms = BTreeMap::new();
    let mut clash = None;
    for store in cluster.iter() {
        if let Ok(membership) = store.membership().await
            && let Some(leader) = membership.leader
        {
            let before = *terms.entry(membership.term).or_insert(leader);
            if before != leader {
                clash = Some((membership.term, before, leader));
            }
        }
    }
    assert_eq!(clash, None, "two leaders in one term");
    terms
}

/// Kills of `voters_are_killed_in_turn`; the long run is `HEADWATER_VOTER_KILLS=50`.
fn kills() -> u64 {
    let given = std::env::var("HEADWATER_VOTER_KILLS").ok();
    given.map_or(3, |text| text.parse().expect("HEADWATER_VOTER_KILLS is a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voters_are_killed_in_turn_and_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), &LAYOUT).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));

    // Proposals without a pause. One whose outcome is unknown may be there or not.
    let proposing = tokio::spawn({
        let (store, stop) = (store(&cluster, &VOTERS), stop.clone());
        async move {
            let (mut acknowledged, mut last, mut gaps) = (Vec::new(), Instant::now(), Vec::new());
            for i in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("n{i}");
                let command = Command::CreateNamespace {
                    name: NamespaceName::parse(&name).unwrap(),
                    settings: NamespaceSettings::default(),
                };
                let proposed = store.propose(command, Duration::from_secs(10)).await;
                if let Ok(applied) = proposed
                    && matches!(applied.outcome, Outcome::Namespace { .. })
                {
                    acknowledged.push(name);
                    gaps.push(last.elapsed());
                    last = Instant::now();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            (acknowledged, gaps)
        }
    });
    // A watcher that must never go back.
    let watching = tokio::spawn({
        let (store, stop) = (store(&cluster, &VOTERS), stop.clone());
        async move {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                let Ok(mut events) = store.watch(seen).await else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                while let Ok(Some(Ok(event))) =
                    tokio::time::timeout(Duration::from_secs(1), futures_util::StreamExt::next(&mut events))
                        .await
                {
                    let version = match event {
                        WatchEvent::Snapshot(state) => state.version,
                        WatchEvent::Entry { version, .. } | WatchEvent::Idle { version } => version,
                    };
                    assert!(version >= seen, "a watcher went back from {seen} to {version}");
                    seen = version;
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
            seen
        }
    });
    let leaders = tokio::spawn({
        let each: Arc<Vec<MetaGrpcClient>> =
            Arc::new(VOTERS.iter().map(|id| store(&cluster, &[*id])).collect());
        let stop = stop.clone();
        async move {
            let mut terms: BTreeMap<u64, u64> = BTreeMap::new();
            while !stop.load(Ordering::Relaxed) {
                for (term, leader) in watch_leaders(each.clone()).await {
                    let before = *terms.entry(term).or_insert(leader);
                    assert_eq!(before, leader, "two leaders in term {term}");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            terms.len()
        }
    });

    // Every other kill is the leader's, as those cost a gap.
    for kill in 0..kills() {
        let leading = leader(&cluster, &VOTERS).await;
        let id = if kill % 2 == 0 { leading } else { 1 + (kill / 2) % 3 };
        cluster.kill("meta", id).unwrap();
        let rest: Vec<u64> = VOTERS.into_iter().filter(|other| *other != id).collect();
        leader(&cluster, &rest).await;
        cluster.restart("meta", id).unwrap();
        until("the killed voter is back", Duration::from_secs(20), || async {
            let back = store(&cluster, &[id]).membership().await.ok()?;
            let newest = store(&cluster, &rest).membership().await.ok()?;
            (back.leader.is_some() && back.applied + 50 >= newest.applied).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let (acknowledged, mut gaps) = proposing.await.unwrap();
    let seen = watching.await.unwrap();
    let terms = leaders.await.unwrap();
    let namespaces = admin(&cluster).namespaces("n").all().await.unwrap();
    let there: std::collections::BTreeSet<&str> = namespaces.iter().map(|n| n.name.as_str()).collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|name| !there.contains(name.as_str())).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(acknowledged.len() > 10 && seen > 10 && terms > 0, "{} {seen} {terms}", acknowledged.len());
    gaps.sort();
    let longest: Vec<Duration> = gaps.iter().rev().take(kills() as usize / 2 + 1).copied().collect();
    println!(
        "{} proposals acknowledged, {terms} terms seen, the longest gaps between two: {longest:.2?}",
        acknowledged.len()
    );
    cluster.stop().await.unwrap();
}
