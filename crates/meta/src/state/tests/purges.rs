//! Purges and blocked prefixes.

use headwater_types::{
    NamespaceId, UnixMillis,
    limits::{KEY_BYTES_MAX, SHARD_COUNT},
};

use super::{apply, namespaces::made, refused};
use crate::{
    command::{Command, Envelope, Outcome},
    limits::{BLOCKED_PREFIXES_MAX, PURGES_MAX},
    records::{NamespaceSettings, PurgeRecord},
    refusal as code,
    state::State,
};

fn with_namespace() -> (State, NamespaceId) {
    let mut state = State::default();
    let id = made(&mut state, "live", NamespaceSettings::default());
    (state, id)
}

fn start(state: &mut State, namespace: NamespaceId, prefix: &str, block: bool) -> Outcome {
    apply(state, Command::StartPurge { namespace, prefix: prefix.to_owned(), block })
}

fn begun(outcome: Outcome) -> PurgeRecord {
    match outcome {
        Outcome::Purge(purge) => *purge,
        other => panic!("{other:?}"),
    }
}

/// Reports progress at a time of its own.
fn progress(state: &mut State, id: u64, shards_done: u16, removed: u64) -> Outcome {
    let envelope = Envelope::new(Command::PurgeProgress { id, shards_done, removed }, UnixMillis(9_000));
    state.apply(state.version + 1, &envelope.encode().unwrap())
}

#[test]
fn a_purge_moves_forward_to_its_end() {
    let (mut state, id) = with_namespace();
    let purge = begun(start(&mut state, id, "a/", false));
    assert_eq!((purge.id, purge.created_at, purge.finished_at), (2, UnixMillis(1_000), None));
    assert_eq!(begun(start(&mut state, id, "a/", false)), purge, "the same one while it is under way");
    assert_ne!(begun(start(&mut state, id, "b/", false)).id, purge.id);

    let mut steps = |shards_done, removed| {
        assert_eq!(progress(&mut state, purge.id, shards_done, removed), Outcome::Done);
        let purge = &state.purges[&purge.id];
        (purge.shards_done, purge.removed, purge.finished_at)
    };
    assert_eq!(steps(10, 100), (10, 100, None));
    assert_eq!(steps(9, 200), (10, 100, None), "behind in its shards");
    assert_eq!(steps(11, 99), (10, 100, None), "behind in its objects");
    assert_eq!(steps(SHARD_COUNT, 100), (SHARD_COUNT, 100, Some(UnixMillis(9_000))));
    assert_eq!(steps(SHARD_COUNT, 300), (SHARD_COUNT, 100, Some(UnixMillis(9_000))), "it has ended");
    assert_eq!(refused(progress(&mut state, purge.id, SHARD_COUNT + 1, 300)).0, code::INVALID);
    assert_eq!(refused(progress(&mut state, 77, 1, 1)).0, code::NOT_FOUND);
    assert_ne!(begun(start(&mut state, id, "a/", false)).id, purge.id, "a new one after the end");
}

#[test]
fn a_purge_goes_on_when_its_namespace_is_gone() {
    let (mut state, id) = with_namespace();
    let purge = begun(start(&mut state, id, "a/", false));
    apply(&mut state, Command::DeleteNamespace { id, expect_version: None });
    assert_eq!(progress(&mut state, purge.id, SHARD_COUNT, 5), Outcome::Done);
    assert_eq!(state.purges[&purge.id].finished_at, Some(UnixMillis(9_000)));
    assert_eq!(refused(start(&mut state, id, "a/", false)).0, code::NOT_FOUND);
}

#[test]
fn the_oldest_finished_purge_is_forgotten() {
    let (mut state, id) = with_namespace();
    for i in 0..PURGES_MAX {
        begun(start(&mut state, id, &format!("{i}/"), false));
    }
    let (code, message) = refused(start(&mut state, id, "more/", true));
    assert!(code == code::TOO_MANY && message.contains("1024 purges under way"), "{message}");
    assert!(state.namespaces[&id].blocked.is_empty(), "refused as a whole");
    let ids: Vec<u64> = state.purges.keys().copied().collect();
    progress(&mut state, ids[7], SHARD_COUNT, 1);
    progress(&mut state, ids[3], SHARD_COUNT, 1);
    begun(start(&mut state, id, "more/", false));
    assert_eq!(state.purges.len(), PURGES_MAX);
    assert!(!state.purges.contains_key(&ids[3]) && state.purges.contains_key(&ids[7]));
}

#[test]
fn a_block_stays_and_changes_the_namespaces_version() {
    let (mut state, id) = with_namespace();
    begun(start(&mut state, id, "a/b/", true));
    let record = state.namespaces[&id].clone();
    assert_eq!((&record.blocked[..], record.version), (&["a/b/".to_owned()][..], 2));
    for prefix in ["a/b/", "a/b/c"] {
        begun(start(&mut state, id, prefix, true));
        assert_eq!(state.namespaces[&id], record, "{prefix} is covered");
    }
    begun(start(&mut state, id, "x", true));
    begun(start(&mut state, id, "a/", true));
    assert_eq!(state.namespaces[&id].blocked, ["x", "a/"], "what it covers is left out");
    apply(&mut state, Command::UpdateNamespace { id, expect_version: None, settings: Default::default() });
    assert_eq!(state.namespaces[&id].blocked, ["x", "a/"], "an update of the settings keeps it");
    assert!(refused(start(&mut state, id, "", true)).1.contains("a block needs a prefix"));
}

#[test]
fn a_block_is_lifted_as_it_was_set_and_no_other() {
    let (mut state, id) = with_namespace();
    begun(start(&mut state, id, "a/", true));
    begun(start(&mut state, id, "b/", true));
    let version = state.namespaces[&id].version;
    let lift = |state: &mut State, prefix: &str| {
        apply(state, Command::Unblock { namespace: id, prefix: prefix.to_owned() })
    };
    for other in ["a", "a/b", "", "c/"] {
        assert_eq!(lift(&mut state, other), Outcome::Done);
        assert_eq!((state.namespaces[&id].blocked.len(), state.namespaces[&id].version), (2, version));
    }
    assert_eq!(lift(&mut state, "a/"), Outcome::Done);
    assert_eq!(state.namespaces[&id].blocked, ["b/"]);
    assert!(state.namespaces[&id].version > version);
    let nobody = Command::Unblock { namespace: NamespaceId(99), prefix: "b/".to_owned() };
    assert_eq!(refused(apply(&mut state, nobody)).0, code::NOT_FOUND);
}

#[test]
fn prefixes_at_their_limits_and_one_past() {
    let (mut state, id) = with_namespace();
    begun(start(&mut state, id, &"p".repeat(KEY_BYTES_MAX), false));
    begun(start(&mut state, id, "", false));
    for prefix in ["p".repeat(KEY_BYTES_MAX + 1), "a\nb".to_owned()] {
        assert_eq!(refused(start(&mut state, id, &prefix, false)).0, code::INVALID);
    }
    for i in 0..BLOCKED_PREFIXES_MAX {
        begun(start(&mut state, id, &format!("b{i:03}/"), true));
    }
    assert_eq!(refused(start(&mut state, id, "more/", true)).0, code::TOO_MANY);
    begun(start(&mut state, id, "b", true));
    assert_eq!(state.namespaces[&id].blocked, ["b"], "one that covers the others takes their place");
}
