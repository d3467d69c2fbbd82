//! Tests of stopped directories: what is read from them, and groups that are founded.

use headwater_types::{Epoch, SeededRng, ShardId, SystemClock, UnixMillis, ZoneName};
use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};
use tokio::time::timeout;

use super::{OfflineError, RAISE, fence, found, read, replace};
use crate::{
    bootstrap::issue_key,
    cache::{MetaCache, tests::source::Switch},
    command::{Command, Outcome},
    raft::{
        RaftMeta, RaftMetaConfig,
        tests::{LIMIT, create_namespace, map, read as confirmed, single, start},
    },
    records::Permission,
    state::State,
    state::tests::{create_map, new_node, register},
    store::MetaStore,
};

const ADDRESS: &str = "meta-9.example:9000";
/// A time that raises nothing.
const EPOCH: UnixMillis = UnixMillis(0);

#[tokio::test]
async fn what_a_voter_writes_is_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await.shutdown().await;
    let made = dir.path().join("made");
    found(&made, 9, ADDRESS, State::default(), EPOCH).unwrap();
    for path in [dir.path().join("raft.redb"), made.join("raft.redb"), made.join("snapshot.json")] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}

async fn voter(dir: &Path, id: u64) -> Arc<RaftMeta> {
    start(RaftMetaConfig::new(id, dir)).await
}

/// A group with namespaces, a key and a map.
async fn filled(dir: &Path) -> Arc<RaftMeta> {
    let meta = single(dir).await;
    let Outcome::Namespace { id, .. } = meta.propose(create_namespace("live"), LIMIT).await.unwrap().outcome
    else {
        panic!("no namespace");
    };
    issue_key(&*meta, &SeededRng::new(1), Some(id), Permission::ReadOnly, None, None).await.unwrap();
    let nodes = vec![new_node(1, 1, "a"), new_node(2, 2, "b")];
    meta.propose(Command::Register { nodes }, LIMIT).await.unwrap();
    map(meta.clone(), LIMIT).await;
    meta.propose(create_namespace("vod"), LIMIT).await.unwrap();
    meta
}

/// What must not differ between a state and the one that a group was founded with from it.
fn assert_raised(founded: &State, from: &State) {
    assert_eq!(founded.version, from.version + RAISE);
    assert_eq!(
        (&founded.namespaces, &founded.keys, &founded.nodes),
        (&from.namespaces, &from.keys, &from.nodes)
    );
    assert_eq!(founded.shards.len(), from.shards.len());
    for (shard, entry) in &founded.shards {
        let before = &from.shards[shard];
        assert_eq!(entry.epoch, Epoch(before.epoch.0 + RAISE));
        assert_eq!((&entry.head, &entry.insync), (&before.head, &before.insync));
    }
}

#[tokio::test]
async fn a_stopped_voter_is_read_with_and_without_a_snapshot_and_a_running_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let config = || RaftMetaConfig {
        bootstrap: true,
        snapshot_entries: 5,
        log_entries_kept: 1,
        ..RaftMetaConfig::new(1, dir.path())
    };
    let meta = filled(dir.path()).await;
    assert!(matches!(read(dir.path()), Err(OfflineError::InUse(_))));
    let before = confirmed(&meta).await;
    meta.shutdown().await;
    let offline = read(dir.path()).unwrap();
    assert_eq!(offline.state, before);
    assert_eq!((offline.voter, offline.last), (Some(1), before.version));
    assert!(offline.term >= 1 && offline.last_at.is_some() && offline.committed <= offline.last);
    assert_eq!(
        offline.members.iter().map(|member| (member.id, member.voter)).collect::<Vec<_>>(),
        [(1, true)]
    );

    let meta = start(config()).await;
    for i in 0..12 {
        meta.propose(create_namespace(&format!("n{i}")), LIMIT).await.unwrap();
    }
    meta.raft
        .wait(Some(LIMIT))
        .metrics(|m| m.purged.is_some_and(|id| id.index >= 10), "purged")
        .await
        .unwrap();
    let before = confirmed(&meta).await;
    meta.shutdown().await;
    let offline = read(dir.path()).unwrap();
    assert_eq!(offline.state, before);
    assert!(offline.committed >= 10);

    // Without its snapshot the log has no beginning.
    std::fs::remove_file(dir.path().join("snapshot.json")).unwrap();
    assert!(matches!(read(dir.path()), Err(OfflineError::Hole { expected: 0 })));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(read(empty.path()), Err(OfflineError::NotAVoter(_))));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing is made by reading");
}

#[tokio::test]
async fn a_group_is_founded_grows_restarts_and_followers_of_the_old_one_go_on() {
    let old_dir = tempfile::tempdir().unwrap();
    let old = filled(old_dir.path()).await;
    let source = Switch::new(old.clone());
    let clock = Arc::new(SystemClock::new());
    let (cache, following) = MetaCache::follow(source.clone(), clock, Arc::new(SeededRng::new(2)));
    let saved = confirmed(&old).await;
    timeout(LIMIT, cache.wait_for(saved.version)).await.unwrap();
    // What the copy to restore from does not have.
    let later = old.propose(create_namespace("later"), LIMIT).await.unwrap().version;
    timeout(LIMIT, cache.wait_for(later)).await.unwrap();
    let mut versions = cache.subscribe();
    old.shutdown().await;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/by/it");
    assert_eq!(found(&path, 9, ADDRESS, saved.clone(), EPOCH).unwrap(), saved.version + RAISE);
    assert!(matches!(found(&path, 9, ADDRESS, saved.clone(), EPOCH), Err(OfflineError::NotEmpty(_))));
    let meta = voter(&path, 9).await;
    source.to(meta.clone());
    let state = confirmed(&meta).await;
    assert_raised(&State { version: saved.version + RAISE, ..state.clone() }, &saved);
    assert!(state.version > later, "above everything that the old group reached");
    let membership = meta.membership().await.unwrap();
    assert_eq!((membership.voters().collect::<Vec<_>>(), membership.leader), (vec![9], Some(9)));
    assert_eq!(membership.members[0].address, ADDRESS);
    assert!(membership.term > saved.version + RAISE);

    let grown = meta.propose(create_namespace("after"), LIMIT).await.unwrap();
    assert!(matches!(&grown.outcome, Outcome::Namespace { id, .. } if id.0 > later), "{grown:?}");
    timeout(LIMIT, cache.wait_for(grown.version)).await.unwrap();
    assert!(*versions.borrow_and_update() >= later);
    assert!(cache.namespace("later").is_none() && cache.namespace("after").is_some());
    assert!(cache.state().shards.values().all(|entry| entry.epoch.0 > RAISE));
    following.abort();
    meta.shutdown().await;

    let before = read(&path).unwrap();
    let meta = voter(&path, 9).await;
    let after = confirmed(&meta).await;
    assert_eq!(State { version: before.state.version, ..after }, before.state);
    assert_eq!(before.voter, Some(9));
    meta.shutdown().await;

    // Two groups that are restored from one backup, one after the other, have nothing in common.
    let times = [1_800_000_000_000, 1_800_000_000_001].map(UnixMillis);
    for (n, time) in times.into_iter().enumerate() {
        let path = dir.path().join(format!("restored-{n}"));
        assert_eq!(found(&path, 9, ADDRESS, saved.clone(), time).unwrap(), time.0);
        let restored = read(&path).unwrap().state;
        assert!(restored.shards.values().all(|entry| entry.epoch == Epoch(time.0)));
    }

    // A group that was founded can be restored again.
    let again = dir.path().join("again");
    let version = found(&again, 10, ADDRESS, before.state.clone(), EPOCH).unwrap();
    assert_eq!(version, before.state.version + RAISE);
    let meta = voter(&again, 10).await;
    assert_eq!(confirmed(&meta).await.keys, saved.keys);
    meta.shutdown().await;
}

#[tokio::test]
async fn a_directory_is_replaced_and_what_was_there_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let old = filled(dir.path()).await;
    let saved = confirmed(&old).await;
    assert!(matches!(replace(dir.path(), 7, ADDRESS, saved.clone(), EPOCH), Err(OfflineError::InUse(_))));
    old.shutdown().await;
    let used = replace(dir.path(), 1, ADDRESS, saved.clone(), EPOCH);
    assert!(matches!(used, Err(OfflineError::UsedId { id: 1, .. })), "{used:?}");
    for (id, address) in [(0, ADDRESS), (7, "meta-9.example"), (7, "meta-9.example:0"), (7, ":9000")] {
        let refused = replace(dir.path(), id, address, saved.clone(), EPOCH);
        assert!(matches!(refused, Err(OfflineError::Voter(_))), "{id} {address}: {refused:?}");
    }

    let mut state = saved.clone();
    let fenced = fence(&mut state, &ZoneName::parse("b").unwrap(), UnixMillis(5));
    assert_eq!((fenced.moved, fenced.stuck.len()), (saved.shards.len(), 0));
    let (version, aside) = replace(dir.path(), 7, ADDRESS, state, EPOCH).unwrap();
    let kept = read(&aside).unwrap();
    assert_eq!((kept.voter, kept.state), (Some(1), saved.clone()));
    assert!(!dir.path().join("founding").exists());

    let meta = voter(dir.path(), 7).await;
    let state = confirmed(&meta).await;
    assert!(state.version >= version && version == saved.version + RAISE);
    assert_eq!(state.zone_verdict.as_ref().unwrap().fenced.to_string(), "b");
    assert!(
        state
            .shards
            .values()
            .all(|e| e.insync.len() == 1 && e.head.node.0 == 1 && e.epoch == Epoch(RAISE + 2))
    );
    meta.shutdown().await;
}

#[tokio::test]
async fn a_founding_that_was_cut_short_starts_no_voter() {
    let dir = tempfile::tempdir().unwrap();
    let state = State { version: 3, ..State::default() };
    found(dir.path(), 9, ADDRESS, state, EPOCH).unwrap();
    // The log took its place first; the snapshot did not come.
    std::fs::remove_file(dir.path().join("snapshot.json")).unwrap();
    let config = RaftMetaConfig { bootstrap: true, ..RaftMetaConfig::new(9, dir.path()) };
    let started = RaftMeta::start(config, Arc::new(SystemClock::new())).await;
    assert!(started.is_err(), "{started:?}");
    assert!(matches!(read(dir.path()), Err(OfflineError::Hole { expected: 0 })));
}

#[test]
fn a_shard_whose_only_copy_is_in_the_fenced_zone_keeps_it() {
    let mut state = State::default();
    register(&mut state, &[(1, "a"), (2, "b")]);
    create_map(&mut state);
    // Node 1 restarts: shards that it shares go on with node 2 alone.
    register(&mut state, &[(1, "a")]);
    let before = state.clone();
    let fenced = fence(&mut state, &ZoneName::parse("b").unwrap(), UnixMillis(5));
    assert_eq!(fenced.stuck, ShardId::all().collect::<Vec<_>>());
    assert_eq!((fenced.moved, &state.shards), (0, &before.shards));

    // Fencing the zone of those that are only syncing takes them out.
    let mut state = before.clone();
    let fenced = fence(&mut state, &ZoneName::parse("a").unwrap(), UnixMillis(5));
    assert_eq!((fenced.moved, fenced.stuck.len()), (before.shards.len(), 0));
    assert!(state.shards.values().all(|entry| entry.syncing.is_empty() && entry.epoch == Epoch(3)));
}
