//! Deleted namespaces, quotas, and Digest switched off.

use headwater_types::{NamespaceId, NamespaceName};

use super::{apply, keys, refused};
use crate::{
    command::{Command, Outcome},
    limits::{NAMESPACES_MAX, PURGES_MAX},
    records::{NamespaceSettings, PurgeRecord, RateLimits},
    refusal as code,
    state::State,
};

pub(super) fn create(state: &mut State, name: &str, settings: NamespaceSettings) -> Outcome {
    apply(state, Command::CreateNamespace { name: NamespaceName::parse(name).unwrap(), settings })
}

/// A namespace with these settings.
pub(super) fn made(state: &mut State, name: &str, settings: NamespaceSettings) -> NamespaceId {
    match create(state, name, settings) {
        Outcome::Namespace { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

pub(super) fn update(state: &mut State, id: NamespaceId, settings: NamespaceSettings) -> Outcome {
    apply(state, Command::UpdateNamespace { id, expect_version: None, settings })
}

pub(super) fn delete(state: &mut State, id: NamespaceId, expect_version: Option<u64>) -> Outcome {
    apply(state, Command::DeleteNamespace { id, expect_version })
}

fn purge(outcome: Outcome) -> PurgeRecord {
    match outcome {
        Outcome::Purge(purge) => *purge,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_deleted_namespace_takes_its_keys_along_and_is_purged() {
    let mut state = State::default();
    let (live, vod) = (
        made(&mut state, "live", NamespaceSettings::default()),
        made(&mut state, "vod", NamespaceSettings::default()),
    );
    for (id, namespace) in [("a", live), ("b", vod), ("c", live)] {
        assert!(matches!(apply(&mut state, keys::data(id, namespace)), Outcome::Key(_)));
        assert!(matches!(apply(&mut state, keys::signing(id, namespace, 1)), Outcome::SigningKey(_)));
    }
    assert_eq!(refused(delete(&mut state, live, Some(99))).0, code::VERSION_MISMATCH);
    assert_eq!(state.keys.len(), 3);

    let version = state.namespaces[&live].version;
    let begun = purge(delete(&mut state, live, Some(version)));
    assert_eq!((begun.id, begun.namespace, &*begun.prefix), (state.version, live, ""));
    assert_eq!((begun.name.as_str(), begun.shards_done, begun.finished_at), ("live", 0, None));
    assert!(state.namespace("live").is_none() && state.namespaces.len() == 1);
    let left: Vec<&str> = state.keys.keys().map(|id| &*id.0).collect();
    assert_eq!((left, state.signing_keys.len()), (vec!["b"], 1));

    for expect_version in [None, Some(version)] {
        assert_eq!(purge(delete(&mut state, live, expect_version)), begun, "a repetition answers the same");
    }
    assert_eq!(delete(&mut state, NamespaceId(77), None), Outcome::Done);
    let again = made(&mut state, "live", NamespaceSettings::default());
    assert!(again > live, "the name may be used again, the id is not");
    assert_eq!(purge(delete(&mut state, live, None)), begun);
    assert!(state.namespace("live").is_some(), "a late repetition does not meet the new one");
}

#[test]
fn a_deletion_waits_where_too_many_purges_are_under_way() {
    let mut state = State::default();
    let (live, vod) = (
        made(&mut state, "live", NamespaceSettings::default()),
        made(&mut state, "vod", NamespaceSettings::default()),
    );
    for i in 0..PURGES_MAX {
        let command = Command::StartPurge { namespace: vod, prefix: format!("{i}/"), block: false };
        purge(apply(&mut state, command));
    }
    assert_eq!(refused(delete(&mut state, live, None)).0, code::TOO_MANY);
    assert!(state.namespace("live").is_some());
}

#[test]
fn quotas_are_at_least_one() {
    let mut state = State::default();
    let quotas = |max_bytes, max_objects| NamespaceSettings { max_bytes, max_objects, ..Default::default() };
    let id = made(&mut state, "live", quotas(Some(1), Some(1)));
    for (settings, field) in [(quotas(Some(0), None), "max_bytes"), (quotas(None, Some(0)), "max_objects")] {
        let (code, message) = refused(update(&mut state, id, settings));
        assert!(code == code::INVALID && message.starts_with(field), "{message}");
    }
    update(&mut state, id, quotas(Some(u64::MAX), Some(u64::MAX)));
    assert_eq!(state.namespaces[&id].settings.max_bytes, Some(u64::MAX));
}

#[test]
fn rate_limits_and_staleness_have_bounds() {
    let mut state = State::default();
    let requests = |limit| NamespaceSettings {
        rate_limits: RateLimits { write_requests_per_s: Some(limit), ..Default::default() },
        ..Default::default()
    };
    let bytes = |limit| NamespaceSettings {
        rate_limits: RateLimits { read_bytes_per_s: Some(limit), ..Default::default() },
        ..Default::default()
    };
    let stale = |stale_after| NamespaceSettings { stale_after, ..Default::default() };
    let id = made(&mut state, "live", requests(1));
    for settings in [requests(1_000_000), bytes(1), bytes(u64::MAX), stale(1), stale(86_400)] {
        update(&mut state, id, settings.clone());
        assert_eq!(state.namespaces[&id].settings, settings);
    }
    for (settings, field) in [
        (requests(0), "rate_limits.write_requests_per_s"),
        (requests(1_000_001), "rate_limits.write_requests_per_s"),
        (bytes(0), "rate_limits.read_bytes_per_s"),
        (stale(0), "stale_after"),
        (stale(86_401), "stale_after"),
    ] {
        let (code, message) = refused(update(&mut state, id, settings));
        assert!(code == code::INVALID && message.starts_with(field), "{message}");
    }
    let mut limited = |settings: NamespaceSettings| {
        let mut key = keys::data("limited", id);
        let Command::CreateKey { rate_limits, .. } = &mut key else { unreachable!() };
        *rate_limits = settings.rate_limits;
        apply(&mut state, key)
    };
    let (code, message) = refused(limited(bytes(0)));
    assert!(code == code::INVALID && message.starts_with("rate_limits.read_bytes_per_s"), "{message}");
    let Outcome::Key(key) = limited(bytes(1)) else { panic!() };
    assert_eq!(key.rate_limits, bytes(1).rate_limits);
}

#[test]
fn keys_keep_their_digest_hashes_while_digest_is_off() {
    let mut state = State::default();
    let settings = |digest| NamespaceSettings { digest, ..Default::default() };
    let id = made(&mut state, "live", settings(true));
    let Outcome::Key(key) = apply(&mut state, keys::with_digest("a", id)) else { panic!() };
    update(&mut state, id, settings(false));
    assert_eq!(*state.keys[&key.id], *key);
    assert_eq!(refused(apply(&mut state, keys::with_digest("b", id))).0, code::INVALID);
    assert_eq!(apply(&mut state, keys::with_digest("a", id)), Outcome::Key(key), "a repetition still is one");
}

#[test]
fn namespaces_at_their_limit() {
    let mut state = State::default();
    let id = made(&mut state, "first", NamespaceSettings::default());
    let record = state.namespaces[&id].clone();
    for id in (1_000_000..).take(NAMESPACES_MAX - 2) {
        state.namespaces.insert(NamespaceId(id), record.clone());
    }
    made(&mut state, "last", NamespaceSettings::default());
    assert_eq!(state.namespaces.len(), NAMESPACES_MAX);
    assert_eq!(refused(create(&mut state, "more", NamespaceSettings::default())).0, code::TOO_MANY);
    assert_eq!(refused(create(&mut state, "last", NamespaceSettings::default())).0, code::EXISTS);
}
