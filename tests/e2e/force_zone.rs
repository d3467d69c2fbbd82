//! One zone and the quorum of the metadata are gone for good: what is left is founded anew without that zone.

use headwater_client::{Admin, Client, RetryPolicy};
use headwater_meta::NamespaceSettings;
use headwater_testkit::{Cluster, binary::binary, until};
use serde_json::Value;
use std::{fs, time::Duration};

const SOON: Duration = Duration::from_secs(60);
const OBJECTS: usize = 50;
/// The id of the voter that is founded; its disk had voter 1.
const NEW: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_zone_goes_on_without_the_other_and_without_the_old_quorum() {
    let dir = tempfile::tempdir().unwrap();
    let layout = ["--meta", "3", "--nodes-per-zone", "1", "--frontends", "2"];
    let mut cluster = Cluster::start(dir.path(), &layout).await.unwrap();
    let info = cluster.info.clone();
    let builder = || Client::builder().retry(RetryPolicy::none());
    let admin: Admin = builder().admin(&info.admin_url, &info.admin_token).unwrap();
    let client = builder().client(&info.data_urls[0], &info.namespace, &info.encoder_api_key).unwrap();
    // Names without a common group, so that both nodes are heads of some.
    let key = |i: usize| format!("channel{i}x/s.ts");
    for i in 0..OBJECTS {
        client.put(&key(i), format!("{i}")).send().await.unwrap();
    }

    // Zone b, and with it two of three voters.
    for (role, id) in [("meta", 2), ("meta", 3), ("node", 2), ("frontend", 2)] {
        cluster.kill(role, id).unwrap();
    }
    let refused = admin.create_namespace("nobody-there", &NamespaceSettings::default()).await.unwrap_err();
    assert_eq!(refused.status().map(|status| status.as_u16()), Some(503), "{refused}");

    let (data_dir, address) =
        (cluster.dir().join("meta-1"), cluster.process("meta", 1).unwrap().addresses.listen);
    let force = async |sure: &str| {
        let mut command = tokio::process::Command::new(binary("headwater"));
        command.args(["cluster", "force-zone", "--zone", "a", "--json", "--yes-i-know", sure]);
        command.arg("--data-dir").arg(&data_dir).args(["--id", &NEW.to_string(), "--address", &address]);
        command.output().await.unwrap()
    };
    let running = force("a").await;
    let said = String::from_utf8_lossy(&running.stderr).into_owned();
    assert!(!running.status.success() && said.contains("in use"), "a voter runs there: {said}");
    cluster.kill("meta", 1).unwrap();
    let unsure = force("b").await;
    let said = String::from_utf8_lossy(&unsure.stderr).into_owned();
    assert!(!unsure.status.success() && said.contains("not confirmed"), "{said}");
    let forced = force("a").await;
    assert!(forced.status.success(), "{}", String::from_utf8_lossy(&forced.stderr));
    let forced: Value = serde_json::from_slice(&forced.stdout).unwrap();
    assert_eq!((&forced["fenced"], &forced["shards_unavailable"]), (&"b".into(), &Value::Array(vec![])));
    assert!(forced["shards_moved"].as_u64() > Some(0), "{forced}");

    let file = cluster.dir().join("meta-1.toml");
    let mut config: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
    config.insert("id".to_owned(), i64::try_from(NEW).unwrap().into());
    fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    cluster.restart("meta", 1).unwrap();
    let status = until("the admin plane is back", SOON, || async {
        // A call whose outcome is unknown may have made it: then it is there.
        if admin.create_namespace("after-it", &NamespaceSettings::default()).await.is_err() {
            admin.namespace("after-it").await.ok()?;
        }
        admin.cluster().await.ok()
    })
    .await;
    assert_eq!(status.fenced_zone.as_deref(), Some("b"));
    // Everything that was acknowledged is read, and writes are answered with the copies that can be had.
    until("zone a serves by itself", SOON, || async {
        client.put("after/s_1.ts", "after").send().await.ok()
    })
    .await;
    for i in 0..OBJECTS {
        assert_eq!(client.get(&key(i)).await.unwrap().bytes().await.unwrap(), format!("{i}"));
        client.put(&key(i), format!("{i} again")).send().await.unwrap();
        assert_eq!(client.get(&key(i)).await.unwrap().bytes().await.unwrap(), format!("{i} again"));
    }
    cluster.stop().await.unwrap();
}
