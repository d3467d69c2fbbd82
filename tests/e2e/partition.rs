//! Voters on hosts of their own, as network namespaces: the leader is cut off with its minority.

use crate::load::Load;
use futures_util::StreamExt;
use headwater_client::{Admin, Client, RetryPolicy};
use headwater_meta::{Command, MetaError, MetaStore, NamespaceSettings, WatchEvent, grpc::MetaGrpcClient};
use headwater_testkit::{Hosts, Process, Stopwatch, binary::binary, cluster::ClusterInfo, until};
use headwater_types::{NamespaceName, Permission, SystemClock, SystemRng, api::NewKey};
use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

/// Hosts 1 to 3 have a voter each; nodes, frontends and this test are on the last one.
const VOTERS: [u8; 3] = [1, 2, 3];
const HERE: u8 = 4;
const SOON: Duration = Duration::from_secs(20);

struct Site<'a> {
    hosts: &'a Hosts,
    dir: tempfile::TempDir,
    processes: Vec<Process>,
}

impl Site<'_> {
    fn voter(&self, id: u8) -> String {
        format!("{}:7000", self.hosts.address(id))
    }

    fn store(&self, voters: &[u8]) -> MetaGrpcClient {
        let addresses: Vec<String> = voters.iter().map(|id| self.voter(*id)).collect();
        MetaGrpcClient::new(&addresses, "test", Arc::new(SystemClock::new()), Arc::new(SystemRng)).unwrap()
    }

    fn start(&mut self, host: u8, role: &str, id: u8, config: &str) {
        let dir = self.dir.path();
        let file = dir.join(format!("{role}-{id}.toml"));
        let log = "[log]\nformat = \"human\"\nfilter = \"info,openraft=error\"\n";
        fs::write(&file, format!("id = {id}\n{config}\n{log}")).unwrap();
        let mut command = self.hosts.command(host, &binary("headwater"));
        command.arg(role).arg("--config").arg(&file);
        let process = Process::start(&mut command, &dir.join(format!("{role}-{id}.log"))).unwrap();
        self.processes.push(process);
    }

    /// Three voters, a node in each of two zones, a frontend in each.
    async fn begin(&mut self) -> ClusterInfo {
        let dir = self.dir.path().to_owned();
        let data_dir = |name: String| format!("data_dir = \"{}\"", dir.join(name).display());
        for id in VOTERS {
            let others: Vec<String> =
                VOTERS.into_iter().filter(|other| *other != id).map(|other| self.voter(other)).collect();
            let (address, founds) = (self.hosts.address(id), id == 1);
            let credentials = dir.join("credentials.json");
            let first = format!(
                "[first_start]\nnamespace = \"live-origin\"\ncredentials_file = \"{}\"",
                credentials.display()
            );
            let config = format!(
                "{}\nlisten = \"{address}:7000\"\nadmin_listen = \"{address}:7001\"\nbootstrap = {founds}\njoin = {others:?}\n{}",
                data_dir(format!("meta-{id}")),
                if founds { &first } else { "" },
            );
            self.start(id, "meta", id, &config);
        }
        let meta: Vec<String> = VOTERS.map(|id| self.voter(id)).to_vec();
        let here = self.hosts.address(HERE);
        for (id, zone) in [(1, "a"), (2, "b")] {
            let config = format!(
                "zone = \"{zone}\"\n{}\nlisten = \"{here}:710{id}\"\nadmin_listen = \"{here}:711{id}\"\nmeta = {meta:?}\nhot_capacity_bytes = 268435456",
                data_dir(format!("node-{id}")),
            );
            self.start(HERE, "node", id, &config);
            let config = format!(
                "zone = \"{zone}\"\nlisten = \"{here}:720{id}\"\nadmin_listen = \"{here}:721{id}\"\nmeta = {meta:?}",
            );
            self.start(HERE, "frontend", id, &config);
        }
        let credentials = until("the credentials are there", SOON * 2, || async {
            let document = fs::read(dir.join("credentials.json")).ok()?;
            serde_json::from_slice::<serde_json::Value>(&document).ok()
        })
        .await;
        let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
        let info = ClusterInfo {
            data_urls: [1, 2].map(|id| format!("http://{here}:720{id}")).to_vec(),
            admin_url: format!("http://{here}:7211"),
            namespace: text("namespace"),
            encoder_api_key: text("encoder_api_key"),
            player_api_key: text("player_api_key"),
            admin_token: text("admin_token"),
            processes: Vec::new(),
        };
        for id in [1, 2] {
            let url = format!("http://{here}:721{id}/readyz");
            until("the frontends are ready", SOON * 2, || async {
                reqwest::get(&url).await.ok()?.status().is_success().then_some(())
            })
            .await;
        }
        info
    }

    /// Who leads, by the word of all of these voters.
    async fn leader(&self, of: &[u8]) -> u8 {
        until("the voters agree on a leader among them", SOON, || async {
            let mut named = Vec::new();
            for id in of {
                named.push(self.store(&[*id]).membership().await.ok()?.leader?);
            }
            let leader = u8::try_from(named[0]).ok()?;
            (named.iter().all(|id| *id == named[0]) && of.contains(&leader)).then_some(leader)
        })
        .await
    }
}

fn admin(info: &ClusterInfo) -> Admin {
    let builder = Client::builder().retry(RetryPolicy::none());
    builder.admin(&info.admin_url, &info.admin_token).unwrap()
}

fn create(name: &str) -> Command {
    Command::CreateNamespace {
        name: NamespaceName::parse(name).unwrap(),
        settings: NamespaceSettings::default(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What one voter has, by its own word.
async fn names(store: &MetaGrpcClient, version: u64) -> BTreeSet<String> {
    until("the voter has caught up", SOON, || async {
        let mut events = store.watch(0).await.ok()?;
        match events.next().await? {
            Ok(WatchEvent::Snapshot(state)) if state.version >= version => {
                Some(state.names.keys().map(ToString::to_string).collect())
            }
            _ => None,
        }
    })
    .await
}

#[test]
fn a_leader_that_is_cut_off_decides_nothing_and_nobody_stays_with_it() {
    let hosts = Hosts::new("p", HERE).unwrap();
    hosts.run(HERE, || runtime().block_on(cut_the_leader_off(&hosts))).unwrap();
}

async fn cut_the_leader_off(hosts: &Hosts) {
    let mut site = Site { hosts, dir: tempfile::tempdir().unwrap(), processes: Vec::new() };
    let info = site.begin().await;
    let admin = admin(&info);
    let readwrite = NewKey {
        permission: Permission::ReadWrite,
        prefix: None,
        expires_in_s: None,
        cidrs: Vec::new(),
        digest: false,
        rate_limits: Default::default(),
    };
    let key = admin.create_key(info.namespace.as_str(), &readwrite).await.unwrap();
    let load = Load::start(&info);
    load.goes_on(20).await;
    let cut = site.leader(&VOTERS).await;
    let rest: Vec<u8> = VOTERS.into_iter().filter(|id| *id != cut).collect();
    let term = site.store(&[cut]).membership().await.unwrap().term;

    hosts.connect(cut, false).unwrap();
    let since = Stopwatch::start();
    // What was on its way to the old leader has an unknown outcome: it is asked for again.
    let store = site.store(&rest);
    let made = until("the majority decides", SOON, || async {
        store.propose(create("after-the-cut"), SOON).await.ok()
    })
    .await;
    println!("the majority decides again {:?} after the cut", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(5));
    let next = site.leader(&rest).await;
    let now = site.store(&[next]).membership().await.unwrap().term;
    assert!(now > term, "leaders {cut} and {next} of one term {term}");

    // On its own host the old leader still answers, and says that it decides nothing.
    let alone = || {
        runtime().block_on(async {
            let store = site.store(&[cut]);
            let limit = Duration::from_secs(3);
            // What it took before it noticed has an unknown outcome.
            let proposed = until("it takes nothing more", SOON, || async {
                let proposed = store.propose(create("on-the-wrong-side"), limit).await;
                matches!(proposed, Err(MetaError::Unavailable(_))).then_some(proposed)
            });
            let proposed = proposed.await.map(drop);
            (proposed, store.linearizable_read(limit).await.map(drop), store.watch(1).await.map(drop))
        })
    };
    let (proposed, read, watched) = hosts.run(cut, alone).unwrap();
    for refused in [proposed, read, watched] {
        assert!(matches!(refused, Err(MetaError::Unavailable(_))), "{refused:?}");
    }

    // Roles that watched it have found another voter: what is decided now holds at every frontend.
    admin.revoke_key(info.namespace.as_str(), &key.key.id, None).await.unwrap();
    for url in &info.data_urls {
        let refused = || async {
            let client = Client::builder().retry(RetryPolicy::none());
            let client = client.client(url, &info.namespace, &key.api_key).unwrap();
            let error = client.get("nothing").await.err()?;
            (error.status()?.as_u16() == 401).then_some(())
        };
        until("the revoked key is refused", Duration::from_secs(5), refused).await;
    }
    load.goes_on(50).await;

    hosts.connect(cut, true).unwrap();
    site.leader(&VOTERS).await;
    for id in VOTERS {
        let names = names(&site.store(&[id]), made.version).await;
        assert!(
            names.contains("after-the-cut") && !names.contains("on-the-wrong-side"),
            "voter {id}: {names:?}"
        );
    }
    let (refused, requests) = load.finish().await;
    assert!(refused.is_empty(), "{} of {requests} requests: {refused:#?}", refused.len());
}
