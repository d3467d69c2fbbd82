//! Tests of backups: every kind of target does the same.

use headwater_types::{Clock, SystemClock, UnixMillis};
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path as ObjectPath};
use parking_lot::Mutex;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};
use tokio::time::timeout;

use super::{BackupError, BackupMetrics, BackupName, KEEP_DEFAULT, Leading, Target, run};
use crate::{
    sealed::SealError,
    state::{
        State,
        tests::{create_map, register},
    },
};

fn state(version: u64) -> Arc<State> {
    let mut state = State { version: version - 2, ..State::default() };
    register(&mut state, &[(1, "a"), (2, "b")]);
    create_map(&mut state);
    assert_eq!(state.version, version);
    Arc::new(state)
}

fn name(text: &str) -> BackupName {
    text.parse().unwrap()
}

/// Damages a file of a target.
type Damage<'a> = &'a dyn Fn(&str, &dyn Fn(Vec<u8>) -> Vec<u8>);

async fn saves_lists_loads_and_keeps_the_newest(target: &Target) {
    assert_eq!(target.list().await.unwrap(), []);
    let empty = target.load(None).await;
    assert!(
        matches!(&empty, Err(BackupError::Missing(what)) if what.contains(&target.to_string())),
        "{empty:?}"
    );
    let mut made = vec![];
    for (at, version) in [(1_000, 10), (2_000, 20), (3_000, 30), (4_000, 40)] {
        made.push(target.save(state(version), "blue", UnixMillis(at), 3).await.unwrap());
    }
    let listed = target.list().await.unwrap();
    assert_eq!(listed, made[1..], "the oldest one is gone");
    assert!(listed.iter().all(|info| info.bytes > 1_000), "{listed:?}");
    let latest = target.load(None).await.unwrap();
    assert_eq!((&latest.info, &latest.sealed.state), (&made[3], &*state(40)));
    assert_eq!((latest.sealed.cluster.as_str(), latest.sealed.at), ("blue", UnixMillis(4_000)));
    assert_eq!(latest.damaged, [""; 0]);
    let named = target.load(Some(name(&made[1].name))).await.unwrap();
    assert_eq!(named.sealed.state, *state(20));
    let gone = target.load(Some(name(&made[0].name))).await;
    assert!(matches!(gone, Err(BackupError::Missing(_))), "{gone:?}");

    // A clock that is behind: the newest is the newest all the same. Never fewer than one is kept.
    let behind = target.save(state(50), "", UnixMillis(5), 0).await.unwrap();
    assert_eq!(behind.at, UnixMillis(4_001));
    assert_eq!(target.list().await.unwrap(), [behind]);
}

async fn damaged_ones_are_told_and_passed_over(target: &Target, damage: Damage<'_>) {
    let mut made = vec![];
    for (at, version) in [(11_000, 60), (12_000, 70), (13_000, 80)] {
        made.push(target.save(state(version), "", UnixMillis(at), KEEP_DEFAULT).await.unwrap());
    }
    damage(&made[2].name, &|bytes| bytes[..bytes.len() / 2].to_vec());
    damage(&made[1].name, &|mut bytes| {
        let last = bytes.len() - 9;
        bytes[last] ^= 1;
        bytes
    });
    let asked = target.load(Some(name(&made[1].name))).await;
    assert!(
        matches!(&asked, Err(BackupError::Unusable { error: SealError::Checksum, .. })),
        "one that was asked for is not replaced by another: {asked:?}"
    );
    let latest = target.load(None).await.unwrap();
    assert_eq!(latest.sealed.state, *state(60));
    assert_eq!(latest.damaged.len(), 2);
    assert!(latest.damaged[0].contains(&made[2].name) && latest.damaged[1].contains("checksum"));
    // What this build cannot read may be the newest truth.
    damage(&made[2].name, &|_| b"{\"headwater\":\"metadata\",\"format\":2}\n".to_vec());
    let newer = target.load(None).await;
    assert!(matches!(&newer, Err(BackupError::Unusable { error: SealError::Newer(2), .. })), "{newer:?}");
}

#[tokio::test]
async fn a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made");
    let target = Target::open(&format!("file://{}", path.display())).unwrap();
    saves_lists_loads_and_keeps_the_newest(&target).await;
    let plain = Target::open(path.to_str().unwrap()).unwrap();
    assert_eq!(plain.list().await.unwrap(), target.list().await.unwrap());
    fs::write(path.join("README"), "not a backup").unwrap();
    damaged_ones_are_told_and_passed_over(&target, &|name, change| {
        let file = path.join(name);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&file, change(fs::read(&file).unwrap())).unwrap();
    })
    .await;
    let file = Target::open(path.join("README").to_str().unwrap()).unwrap();
    let failed = file.save(state(90), "", UnixMillis(1), 3).await;
    assert!(matches!(failed, Err(BackupError::Directory { .. })), "{failed:?}");
}

#[tokio::test]
async fn an_object_store() {
    let store = Arc::new(InMemory::new());
    let prefix = ObjectPath::from("a/b");
    let target = Target::objects(store.clone(), prefix.clone(), "memory");
    // Beside the prefix and below it lie other things.
    for other in ["a/bc/meta-0000000099000-00000000000000000099.backup", "a/b/README", "a/b/c/x"] {
        store.put(&ObjectPath::from(other), b"other".as_slice().into()).await.unwrap();
    }
    saves_lists_loads_and_keeps_the_newest(&target).await;
    let changed = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let path = prefix.clone().join(name);
        let work = async {
            let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
            store.put(&path, change(bytes.to_vec()).into()).await.unwrap();
        };
        futures_util::FutureExt::now_or_never(work).expect("memory does not wait");
    };
    damaged_ones_are_told_and_passed_over(&target, &changed).await;
    let all: Vec<_> = futures_util::StreamExt::collect(store.list(None)).await;
    assert_eq!(all.len(), 3 + 4, "nothing else was touched");
}

#[test]
fn targets_that_are_none() {
    for (url, says) in [
        ("", "a directory"),
        ("ftp://there", "s3://BUCKET/PREFIX"),
        ("file://relative/dir", "file:///DIRECTORY"),
        ("s3://", "s3://BUCKET/PREFIX"),
        ("s3://bucket/a//b", "a//b"),
    ] {
        let error = Target::open(url).unwrap_err().to_string();
        assert!(error.contains(says), "{url}: {error}");
    }
    assert_eq!(Target::open("s3://bucket/some/prefix/").unwrap().to_string(), "s3://bucket/some/prefix/");
}

async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(Duration::from_secs(10), found).await.expect("in time")
}

#[tokio::test]
async fn the_leader_backs_up_what_has_changed_and_nobody_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made");
    let target = Target::open(path.to_str().unwrap()).unwrap();
    let leading = Arc::new(Mutex::new(None));
    let (metrics, clock) = (BackupMetrics::default(), Arc::new(SystemClock::new()));
    let leads = {
        let leading = leading.clone();
        move || leading.lock().clone()
    };
    let every = Duration::from_millis(20);
    let worker = tokio::spawn(run(target.clone(), every, 5, leads, clock.clone(), metrics.clone()));
    tokio::time::sleep(every * 5).await;
    assert!(!Path::exists(&path), "it does not lead");

    let lead = |version| {
        *leading.lock() = Some(Leading { state: state(version), cluster: "blue".to_owned() });
    };
    lead(10);
    until(async || (metrics.values().1 == 10).then_some(())).await;
    tokio::time::sleep(every * 5).await;
    assert_eq!(target.list().await.unwrap().len(), 1, "nothing has changed");
    let success = u64::try_from(metrics.values().0).unwrap();
    assert!(clock.unix_millis().0 / 1000 - success <= 5);
    lead(11);
    until(async || (target.list().await.unwrap().len() == 2).then_some(())).await;
    assert_eq!(target.load(None).await.unwrap().sealed.cluster, "blue");

    // The target fails, then works again.
    fs::rename(&path, dir.path().join("away")).unwrap();
    fs::write(&path, "in its place").unwrap();
    lead(12);
    until(async || (metrics.values().2 > 0).then_some(())).await;
    fs::remove_file(&path).unwrap();
    until(async || (metrics.values().1 == 12).then_some(())).await;
    worker.abort();
}

#[tokio::test]
async fn a_new_leader_keeps_the_pace_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path().to_str().unwrap()).unwrap();
    let (metrics, clock) = (BackupMetrics::default(), Arc::new(SystemClock::new()));
    target.save(state(10), "", clock.unix_millis(), 5).await.unwrap();
    let leads = || Some(Leading { state: state(11), cluster: String::new() });
    let worker =
        tokio::spawn(run(target.clone(), Duration::from_secs(600), 5, leads, clock, metrics.clone()));
    until(async || (metrics.values().1 == 10).then_some(())).await;
    assert_eq!(target.list().await.unwrap().len(), 1, "that one is not ten minutes old");
    worker.abort();
}
