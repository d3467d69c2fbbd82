//! The copy on disk: what is saved, what a start without voters works from, and what is not taken.

use headwater_types::{SeededRng, SystemClock, UnixMillis};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::timeout};

use super::{
    super::{CopyFile, MetaCache},
    snapshot,
    source::{Given, Switch},
};
use crate::{
    raft::tests::{LIMIT, create_namespace, read, single},
    state::State,
    store::MetaStore,
};

async fn follow(dir: &Path, source: Arc<dyn MetaStore>) -> (Arc<MetaCache>, JoinHandle<()>) {
    let (clock, rng) = (Arc::new(SystemClock::new()), Arc::new(SeededRng::new(1)));
    MetaCache::follow_saved(source, CopyFile::in_dir(dir), clock, rng).await
}

fn nobody() -> Arc<Given> {
    Given::new("", [])
}

fn save(dir: &Path, version: u64, cluster: &str) {
    let state = State { version, ..State::default() };
    CopyFile::in_dir(dir).save(&state, UnixMillis(1), cluster).unwrap();
}

/// Waits until the file has a version.
async fn saved(dir: &Path, version: u64) -> State {
    let file = CopyFile::in_dir(dir);
    let has = async {
        loop {
            // Until it is written there is none, or one that cannot be read.
            match file.load() {
                Ok(Some(copy)) if copy.state.version >= version => return copy.state,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(LIMIT, has).await.expect("saved")
}

#[tokio::test]
async fn a_start_without_voters_works_from_the_last_state_and_goes_on_when_they_are_back() {
    let (meta_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let meta = single(meta_dir.path()).await;
    let created = meta.propose(create_namespace("live"), LIMIT).await.unwrap().version;
    let (cache, task) = follow(dir.path(), meta.clone()).await;
    timeout(LIMIT, cache.wait_for(created)).await.unwrap();
    let state = saved(dir.path(), created).await;
    assert_eq!(state, read(&meta).await);
    let path = dir.path().join(CopyFile::NAME);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    task.abort();

    let source = Switch::new(nobody());
    let (cache, task) = follow(dir.path(), source.clone()).await;
    assert_eq!(*cache.state(), state, "at once");
    assert!(cache.namespace("live").is_some());
    assert_eq!(cache.last_heard(), None);
    assert!(cache.is_stale(Duration::ZERO, Duration::from_secs(3600)), "how old it is cannot be told");

    let later = meta.propose(create_namespace("vod"), LIMIT).await.unwrap().version;
    source.to(meta.clone());
    timeout(LIMIT, cache.wait_for(later)).await.unwrap();
    assert!(cache.namespace("vod").is_some());
    let heard = cache.last_heard().unwrap();
    assert!(!cache.is_stale(heard + Duration::from_secs(5), Duration::from_secs(5)));
    assert!(cache.is_stale(heard + Duration::from_secs(6), Duration::from_secs(5)));
    assert_eq!(saved(dir.path(), later).await, read(&meta).await);
    task.abort();
    meta.shutdown().await;
}

#[tokio::test]
async fn a_copy_that_cannot_be_read_is_left_out_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(CopyFile::NAME);
    save(dir.path(), 9, "");
    let good = fs::read_to_string(&path).unwrap();
    let newer = good.replacen("\"format\":1", "\"format\":99", 1);
    for bad in [&good[..good.len() - 1], &good[..10], "", &good.replace("namespaces", "namesqaces"), &newer] {
        fs::write(&path, bad).unwrap();
        let (cache, task) = follow(dir.path(), nobody()).await;
        assert_eq!(cache.version(), 0, "{bad}");
        task.abort();
    }
    let (cache, task) = follow(dir.path(), Given::new("", [vec![snapshot(4)]])).await;
    timeout(LIMIT, cache.wait_for(4)).await.unwrap();
    assert_eq!(saved(dir.path(), 4).await.version, 4);
    task.abort();
}

#[tokio::test]
async fn an_unchanged_copy_is_not_written_and_a_directory_that_is_gone_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(CopyFile::NAME);
    save(dir.path(), 4, "");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let source = Given::new("", [vec![snapshot(4)]]);
    let (cache, task) = follow(dir.path(), source.clone()).await;
    let asked = async {
        while cache.last_heard().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, asked).await.unwrap();
    assert_eq!(*source.asked.lock(), [4], "it resumes where the file was");
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    task.abort();

    let gone = dir.path().join("gone");
    let (cache, task) = follow(&gone, Given::new("", [vec![snapshot(5)]])).await;
    timeout(LIMIT, cache.wait_for(5)).await.unwrap();
    fs::create_dir(&gone).unwrap();
    assert_eq!(saved(&gone, 5).await.version, 5, "it tries again");
    task.abort();
}

#[tokio::test]
async fn the_copy_of_another_cluster_is_dropped_and_that_of_a_restored_one_goes_on() {
    for (file, named, source, taken) in [
        // Another cluster, younger: only its own state counts.
        ("blue", "green", 10, 10),
        // A cluster that was restored under a new name.
        ("blue", "green", 30, 30),
        // The same one, from a member that is behind: nothing goes back.
        ("blue", "blue", 10, 20),
        ("", "green", 10, 20),
        ("blue", "", 10, 20),
    ] {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), 20, file);
        let given = Given::new(named, [vec![snapshot(source)]]);
        let (cache, task) = follow(dir.path(), given.clone()).await;
        let mut versions = cache.subscribe();
        if taken != 20 {
            timeout(LIMIT, versions.wait_for(|version| *version == taken)).await.unwrap().unwrap();
            assert_eq!(*given.asked.lock(), [0], "its entries do not belong to that state");
            assert_eq!(cache.cluster(), named);
        } else {
            let heard = async {
                while cache.last_heard().is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(LIMIT, heard).await.unwrap();
            assert_eq!(cache.version(), 20, "{file} {named}");
            assert_eq!(*given.asked.lock(), [20]);
        }
        task.abort();
    }
}

#[tokio::test]
async fn a_copy_that_heard_its_own_cluster_does_not_go_back_to_another() {
    let source = Switch::new(Given::new("blue", [vec![snapshot(20)]]));
    let dir = tempfile::tempdir().unwrap();
    let (cache, task) = follow(dir.path(), source.clone()).await;
    timeout(LIMIT, cache.wait_for(20)).await.unwrap();
    // The watch of the first one falls silent and is given up.
    let other = Given::new("green", [vec![snapshot(10)], vec![snapshot(11)]]);
    source.to(other.clone());
    let asked = async {
        while other.asked.lock().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, asked).await.unwrap();
    assert_eq!((cache.version(), cache.cluster().as_str()), (20, "blue"));
    task.abort();
}
