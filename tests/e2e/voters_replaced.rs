//! The members of the metadata group are changed by the command line, with real processes: a wiped voter is replaced, and
//! three become five.

use headwater_testkit::{Cluster, Process, binary::binary, until};
use serde_json::Value;
use std::{collections::BTreeMap, fs, net::TcpListener, process::Command, time::Duration};

const LAYOUT: [&str; 6] = ["--meta", "3", "--nodes-per-zone", "1", "--frontends", "1"];
const SOON: Duration = Duration::from_secs(30);

/// Runs `headwater cluster meta …`; what it printed, or what it said when it failed.
fn meta(cluster: &Cluster, arguments: &[&str]) -> Result<Value, String> {
    let mut command = Command::new(binary("headwater"));
    command.args(["cluster", "meta"]).args(arguments).arg("--json");
    command.env("HEADWATER_ADMIN_URL", &cluster.info.admin_url);
    command.env("HEADWATER_ADMIN_TOKEN", &cluster.info.admin_token);
    let output = command.output().unwrap();
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Ids of the voters, and what each is known to have.
fn voters(cluster: &Cluster) -> BTreeMap<u64, u64> {
    let status = meta(cluster, &["status"]).unwrap();
    let members = status["members"].as_array().unwrap_or_else(|| panic!("{status}"));
    let voters = members.iter().filter(|member| member["voter"] == true);
    voters.map(|member| (member["id"].as_u64().unwrap(), member["matched"].as_u64().unwrap_or(0))).collect()
}

/// Starts voter `id` with an empty directory, configured like voter `like`, at free addresses of its own.
fn start_new(cluster: &Cluster, id: u64, like: u64) -> (Process, String) {
    let dir = cluster.dir();
    let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [listen, admin] = free.map(|listener| listener.local_addr().unwrap().to_string());
    let text = fs::read_to_string(dir.join(format!("meta-{like}.toml"))).unwrap();
    let mut config: toml::Table = text.parse().unwrap();
    config.insert("id".to_owned(), i64::try_from(id).unwrap().into());
    config.insert("data_dir".to_owned(), dir.join(format!("meta-{id}")).display().to_string().into());
    for (name, address) in [("listen", &listen), ("advertise", &listen), ("admin_listen", &admin)] {
        config.insert(name.to_owned(), address.clone().into());
    }
    let file = dir.join(format!("meta-{id}.toml"));
    fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    let mut command = Command::new(binary("headwater"));
    command.arg("meta").arg("--config").arg(&file);
    (Process::start(&mut command, &dir.join(format!("meta-{id}.log"))).unwrap(), listen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_voter_is_replaced_and_three_become_five() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path(), &LAYOUT).await.unwrap();
    assert_eq!(voters(&cluster).into_keys().collect::<Vec<_>>(), [1, 2, 3]);

    // It comes back on an empty disk: it has forgotten its votes, and is not taken for its old self.
    cluster.kill("meta", 3).unwrap();
    fs::remove_dir_all(cluster.dir().join("meta-3")).unwrap();
    cluster.restart("meta", 3).unwrap();
    let log = cluster.dir().join("meta-3.again.log");
    until("it says why it does not take part", SOON, || async {
        fs::read_to_string(&log).ok()?.contains("lost its directory").then_some(())
    })
    .await;
    cluster.kill("meta", 3).unwrap();
    meta(&cluster, &["remove", "3"]).unwrap();
    assert_eq!(voters(&cluster).into_keys().collect::<Vec<_>>(), [1, 2]);

    let mut new = Vec::new();
    for (id, like) in [(4, 2), (5, 2), (6, 2)] {
        let (process, address) = start_new(&cluster, id, like);
        new.push(process);
        until("it is a voter", SOON, || async {
            // It asks by itself as well: who comes first makes it one, and the other changes nothing.
            meta(&cluster, &["add", &id.to_string(), &address]).ok()?;
            voters(&cluster).contains_key(&id).then_some(())
        })
        .await;
    }
    let used = meta(&cluster, &["add", "3", "127.0.0.1:1"]).unwrap_err();
    assert!(used.contains("nobody says who listens"), "{used}");
    until("all five have everything", SOON, || async {
        let voters = voters(&cluster);
        let newest = voters.values().max().copied()?;
        (voters.keys().eq(&[1, 2, 4, 5, 6]) && voters.values().all(|has| *has == newest)).then_some(())
    })
    .await;
    // Two of five may die.
    for id in [1, 2] {
        cluster.kill("meta", id).unwrap();
    }
    until("three of five decide", SOON, || async { meta(&cluster, &["status"]).ok() }).await;
    let mut command = Command::new(binary("headwater"));
    command.args(["ns", "create", "by-three-of-five"]);
    command.env("HEADWATER_ADMIN_URL", &cluster.info.admin_url);
    command.env("HEADWATER_ADMIN_TOKEN", &cluster.info.admin_token);
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    cluster.stop().await.unwrap();
}
