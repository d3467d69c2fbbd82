//! Three metadata voters, two storage nodes, three frontends, as real processes: voters die under a live stream.

use crate::{
    encoder::{Encoder, Generation},
    load::Load,
    stored::Stored,
};
use futures_util::StreamExt;
use headwater_client::{Admin, Client, RetryPolicy};
use headwater_meta::{
    Command, Membership, MetaStore, NamespaceSettings, Outcome, WatchEvent, grpc::MetaGrpcClient,
};
use headwater_testkit::{Cluster, Stopwatch, binary::binary, until};
use headwater_types::{NamespaceName, SystemClock, SystemRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const LAYOUT: [&str; 6] = ["--meta", "3", "--nodes-per-zone", "1", "--frontends", "3"];
/// The frontend that takes no part in the load, so that it may die.
const IDLE: u64 = 3;
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

/// The leader by the word of all of the voters that live: one that was killed and is back may not know it yet.
async fn leader(cluster: &Cluster, voters: &[u64]) -> u64 {
    until("the voters agree on a leader among them", Duration::from_secs(20), || async {
        let mut leaders = BTreeSet::new();
        for id in voters {
            leaders.insert(store(cluster, &[*id]).membership().await.ok()?.leader?);
        }
        let leader = leaders.pop_first().filter(|leader| voters.contains(leader))?;
        leaders.is_empty().then_some(leader)
    })
    .await
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
    let mut served = cluster.info.clone();
    served.data_urls.truncate(2);
    let load = Load::start(&served);
    load.goes_on(20).await;

    // The leader dies: the data plane does not notice, admin writes are possible again within 5 s.
    let first = leader(&cluster, &VOTERS).await;
    cluster.kill("meta", first).unwrap();
    let killed = Stopwatch::start();
    // A call whose outcome is unknown may have made it: then it is there.
    while let Err(error) = admin.create_namespace("after-the-leader", &settings).await {
        if admin.namespace("after-the-leader").await.is_ok() {
            break;
        }
        assert!(killed.elapsed() < GAP_MAX, "no admin writes within {GAP_MAX:?}: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(killed.elapsed() < GAP_MAX, "no admin writes within {GAP_MAX:?}");
    println!("admin writes again {:?} after the leader was killed", killed.elapsed());
    load.goes_on(100).await;

    // All are dead: the stream goes on, the admin plane says why it does not.
    for id in VOTERS.into_iter().filter(|id| *id != first) {
        cluster.kill("meta", id).unwrap();
    }
    load.goes_on(100).await;
    // A frontend that starts with nobody there to ask serves from the state that it knew last.
    cluster.kill("frontend", IDLE).unwrap();
    cluster.restart("frontend", IDLE).unwrap();
    let info = &cluster.info;
    let builder = Client::builder().retry(RetryPolicy::none());
    let alone = builder.client(&info.data_urls[2], &info.namespace, &info.encoder_api_key).unwrap();
    until("a frontend starts without the metadata", Duration::from_secs(30), || async {
        alone.put("alone/s_1.ts", &b"whole"[..]).send().await.ok()
    })
    .await;
    assert_eq!(alone.get("alone/s_1.ts").await.unwrap().bytes().await.unwrap(), "whole");
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

/// Leaders by term, as voters name them.
#[derive(Debug, Default)]
struct Leaders(BTreeMap<u64, u64>);

impl Leaders {
    async fn ask(&mut self, voters: &[MetaGrpcClient]) {
        for voter in voters {
            if let Ok(Membership { term, leader: Some(leader), .. }) = voter.membership().await {
                let before = *self.0.entry(term).or_insert(leader);
                assert_eq!(before, leader, "two leaders in term {term}");
            }
        }
    }
}

/// Acknowledged proposals in their order, and when each was.
type Acknowledged = Arc<Mutex<Vec<(String, Instant)>>>;

/// Proposes without a pause. A proposal whose outcome is unknown may be there or not.
async fn propose(store: MetaGrpcClient, acknowledged: Acknowledged, stop: Arc<AtomicBool>) {
    for i in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("n{i}");
        let command = Command::CreateNamespace {
            name: NamespaceName::parse(&name).unwrap(),
            settings: NamespaceSettings::default(),
        };
        if let Ok(applied) = store.propose(command, Duration::from_secs(10)).await
            && matches!(applied.outcome, Outcome::Namespace { .. })
        {
            acknowledged.lock().unwrap().push((name, Instant::now()));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Watches, and must never go back.
async fn watch(store: MetaGrpcClient, stop: Arc<AtomicBool>) -> u64 {
    let mut seen = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut events) = store.watch(seen).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        while let Ok(Some(Ok(event))) = tokio::time::timeout(Duration::from_secs(1), events.next()).await {
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

/// Kills of leaders in `voters_are_killed_in_turn`, and as many of each voter in turn. The long run is
/// `HEADWATER_VOTER_KILLS=50`.
fn kills() -> usize {
    let given = std::env::var("HEADWATER_VOTER_KILLS").ok();
    given.map_or(3, |text| text.parse().ok().filter(|n| *n > 0).expect("HEADWATER_VOTER_KILLS: at least 1"))
}

/// What must be acknowledged between two kills.
const ACKNOWLEDGED_BETWEEN: usize = 20;
/// Admin writes are possible again within this after the leader was killed.
const GAP_MAX: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voters_are_killed_in_turn_and_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), &LAYOUT).await.unwrap();
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Acknowledged::default());
    let proposing = tokio::spawn(propose(store(&cluster, &VOTERS), acknowledged.clone(), stop.clone()));
    let watching = tokio::spawn(watch(store(&cluster, &VOTERS), stop.clone()));
    let each: Vec<MetaGrpcClient> = VOTERS.iter().map(|id| store(&cluster, &[*id])).collect();
    let leaders = tokio::spawn({
        let stop = stop.clone();
        async move {
            let mut leaders = Leaders::default();
            while !stop.load(Ordering::Relaxed) {
                leaders.ask(&each).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            leaders.0.len()
        }
    });
    let more = async |than: usize| {
        until("proposals are acknowledged", Duration::from_secs(30), || async {
            (acknowledged.lock().unwrap().len() >= than).then_some(())
        })
        .await;
    };
    more(ACKNOWLEDGED_BETWEEN).await;

    // Every other kill is the leader's, as those cost a gap.
    let mut gaps = Vec::new();
    for kill in 0..2 * kills() as u64 {
        let leading = leader(&cluster, &VOTERS).await;
        let id = if kill % 2 == 0 { leading } else { 1 + (kill / 2) % 3 };
        let before = acknowledged.lock().unwrap().len();
        cluster.kill("meta", id).unwrap();
        let killed = Instant::now();
        let rest: Vec<u64> = VOTERS.into_iter().filter(|other| *other != id).collect();
        leader(&cluster, &rest).await;
        // One may have been acknowledged by the voter that was killed.
        more(before + 1 + ACKNOWLEDGED_BETWEEN).await;
        if id == leading {
            let times = acknowledged.lock().unwrap();
            let after = times.windows(2).filter(|pair| pair[1].1 > killed);
            let gap = after.map(|pair| pair[1].1 - pair[0].1.max(killed)).take(ACKNOWLEDGED_BETWEEN).max();
            gaps.push(gap.unwrap());
        }
        cluster.restart("meta", id).unwrap();
        until("the killed voter is back", Duration::from_secs(20), || async {
            let back = store(&cluster, &[id]).membership().await.ok()?;
            let newest = store(&cluster, &rest).membership().await.ok()?;
            (back.leader.is_some() && back.applied + 50 >= newest.applied).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    proposing.await.unwrap();
    let (seen, terms) = (watching.await.unwrap(), leaders.await.unwrap());
    let acknowledged = acknowledged.lock().unwrap().clone();
    let namespaces = admin(&cluster).namespaces("n").all().await.unwrap();
    let there: BTreeSet<&str> = namespaces.iter().map(|n| n.name.as_str()).collect();
    let lost: Vec<&String> =
        acknowledged.iter().map(|(name, _)| name).filter(|name| !there.contains(name.as_str())).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(seen >= acknowledged.len() as u64 && terms > gaps.len() / 2, "{seen} versions, {terms} terms");
    assert!(gaps.len() >= kills(), "{gaps:?}");
    gaps.sort();
    let at = |part: usize| gaps[(gaps.len() - 1) * part / 100];
    println!(
        "{} kills, {} of them of the leader, {} proposals acknowledged, {terms} terms seen; without a leader for: \
         least {:.2?}, median {:.2?}, p90 {:.2?}, most {:.2?}",
        2 * kills(),
        gaps.len(),
        acknowledged.len(),
        at(0),
        at(50),
        at(90),
        at(100)
    );
    println!("each: {gaps:.2?}");
    assert!(at(100) < GAP_MAX, "no writes within {GAP_MAX:?}: {gaps:?}");
    cluster.stop().await.unwrap();
}
