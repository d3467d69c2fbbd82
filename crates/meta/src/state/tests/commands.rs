//! Namespaces, keys, and commands that cannot be read.

use headwater_types::{ApiKey, KeyId, NamespaceId, NamespaceName, SeededRng, Ttl, limits::OBJECT_BYTES_MAX};

use super::{apply, encoded, refusal};
use crate::{
    command::{Command, Outcome},
    limits::{REVOKED_KEYS_MAX, SETTINGS_LIST_MAX, SETTINGS_TEXT_BYTES_MAX, WRITE_DEADLINE_MS_MAX},
    records::{NamespaceSettings, Permission, Rule},
    refusal as code, secret,
    state::State,
};

fn create(name: &str, settings: NamespaceSettings) -> Command {
    Command::CreateNamespace { name: NamespaceName::parse(name).unwrap(), settings }
}

fn with_namespace() -> (State, NamespaceId) {
    let mut state = State::default();
    match apply(&mut state, create("live", NamespaceSettings::default())) {
        Outcome::Namespace { id, .. } => (state, id),
        other => panic!("{other:?}"),
    }
}

fn key(seed: u64, namespace: Option<NamespaceId>, permission: Permission, prefix: Option<&str>) -> Command {
    let key = ApiKey::generate(&SeededRng::new(seed));
    let secret_sha256 = secret::hash(&key);
    Command::CreateKey {
        id: key.id,
        secret_sha256,
        namespace,
        permission,
        prefix: prefix.map(str::to_owned),
        expires_at: None,
        cidrs: Vec::new(),
        digest: None,
        rate_limits: Default::default(),
    }
}

#[test]
fn a_namespace_is_made_once_and_updated_by_version() {
    let (mut state, id) = with_namespace();
    assert_eq!((id, state.version), (NamespaceId(1), 1));
    assert_eq!(refusal(&apply(&mut state, create("live", NamespaceSettings::default()))), Some(code::EXISTS));

    let settings = NamespaceSettings { unique_names: true, ..NamespaceSettings::default() };
    let update = |expect_version| Command::UpdateNamespace { id, expect_version, settings: settings.clone() };
    assert_eq!(refusal(&apply(&mut state, update(Some(2)))), Some(code::VERSION_MISMATCH));
    assert_eq!(apply(&mut state, update(Some(1))), Outcome::Namespace { id, version: 4 });
    assert_eq!(refusal(&apply(&mut state, update(Some(1)))), Some(code::VERSION_MISMATCH));
    assert_eq!(apply(&mut state, update(None)), Outcome::Namespace { id, version: 6 });
    assert!(state.namespace("live").unwrap().settings.unique_names);
    let unknown = Command::UpdateNamespace { id: NamespaceId(99), expect_version: None, settings };
    assert_eq!(refusal(&apply(&mut state, unknown)), Some(code::NOT_FOUND));
}

#[test]
fn settings_at_their_limits_and_one_past() {
    let ttl = |seconds| Ttl::from_secs(seconds).unwrap();
    let rules = |count: usize, len: usize| vec![Rule { glob: "x".repeat(len), value: ttl(1) }; count];
    let base = NamespaceSettings::default;
    let cases = [
        (NamespaceSettings { max_object_bytes: OBJECT_BYTES_MAX, ..base() }, true),
        (NamespaceSettings { max_object_bytes: OBJECT_BYTES_MAX + 1, ..base() }, false),
        (NamespaceSettings { max_object_bytes: 0, ..base() }, false),
        (NamespaceSettings { write_deadline_ms: WRITE_DEADLINE_MS_MAX, ..base() }, true),
        (NamespaceSettings { write_deadline_ms: WRITE_DEADLINE_MS_MAX + 1, ..base() }, false),
        (NamespaceSettings { write_deadline_ms: 0, ..base() }, false),
        (NamespaceSettings { default_ttl: ttl(60), max_ttl: ttl(60), ..base() }, true),
        (NamespaceSettings { default_ttl: ttl(61), max_ttl: ttl(60), ..base() }, false),
        (NamespaceSettings { ttl_rules: rules(SETTINGS_LIST_MAX, SETTINGS_TEXT_BYTES_MAX), ..base() }, true),
        (NamespaceSettings { ttl_rules: rules(SETTINGS_LIST_MAX + 1, 1), ..base() }, false),
        (NamespaceSettings { ttl_rules: rules(1, SETTINGS_TEXT_BYTES_MAX + 1), ..base() }, false),
        (NamespaceSettings { ttl_rules: rules(1, 0), ..base() }, false),
    ];
    for (i, (settings, allowed)) in cases.into_iter().enumerate() {
        let outcome = apply(&mut State::default(), create("live", settings));
        assert_eq!(refusal(&outcome), (!allowed).then_some(code::INVALID), "case {i}");
    }
}

#[test]
fn keys_are_made_once_and_stay_revoked() {
    let (mut state, id) = with_namespace();
    let make = || key(1, Some(id), Permission::ReadWrite, Some("channel/"));
    let first = apply(&mut state, make());
    assert!(matches!(&first, Outcome::Key(record) if record.version == 2), "{first:?}");
    assert_eq!(apply(&mut state, make()), first, "a repetition answers the same record");
    let Command::CreateKey { id: key_id, .. } = make() else { unreachable!() };
    let other_secret = Command::CreateKey {
        id: key_id.clone(),
        secret_sha256: "0".repeat(64),
        namespace: Some(id),
        permission: Permission::ReadOnly,
        prefix: None,
        expires_at: None,
        cidrs: Vec::new(),
        digest: None,
        rate_limits: Default::default(),
    };
    assert_eq!(refusal(&apply(&mut state, other_secret)), Some(code::EXISTS));

    for _ in 0..2 {
        assert_eq!(apply(&mut state, Command::RevokeKey { id: key_id.clone() }), Outcome::Done);
        assert!(state.keys.is_empty());
    }
    assert_eq!(
        refusal(&apply(&mut state, make())),
        Some(code::REVOKED),
        "a late repetition does not bring it back"
    );
    for i in 0..REVOKED_KEYS_MAX {
        apply(&mut state, Command::RevokeKey { id: KeyId(format!("{i:012}").into()) });
    }
    assert_eq!(state.revoked.len(), REVOKED_KEYS_MAX);
}

#[test]
fn keys_that_are_not_allowed() {
    let (mut state, id) = with_namespace();
    let mut upper_case = key(1, Some(id), Permission::ReadOnly, None);
    if let Command::CreateKey { secret_sha256, .. } = &mut upper_case {
        *secret_sha256 = "A".repeat(64);
    }
    let cases = [
        (key(2, None, Permission::Admin, None), None),
        (key(3, Some(id), Permission::Admin, None), Some(code::INVALID)),
        (key(4, None, Permission::Admin, Some("a/")), Some(code::INVALID)),
        (key(5, None, Permission::ReadOnly, None), Some(code::INVALID)),
        (key(6, Some(NamespaceId(99)), Permission::ReadOnly, None), Some(code::NOT_FOUND)),
        (key(7, Some(id), Permission::ReadOnly, Some("a")), Some(code::INVALID)),
        (upper_case, Some(code::INVALID)),
    ];
    for (command, wanted) in cases {
        assert_eq!(refusal(&apply(&mut state, command.clone())), wanted, "{command:?}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_and_changes_only_the_version() {
    let (mut state, _) = with_namespace();
    let before = state.clone();
    let documents = [
        r#"{"format":1,"at":1,"command":{"kind":"launch_rocket","power":9}}"#,
        r#"{"format":2,"at":1,"command":{"kind":"revoke_key","id":"x"}}"#,
        r#"{"format":1,"at":1,"command":{"kind":"revoke_key"}}"#,
        r#"{"format":1}"#,
        "nonsense",
        "{\"format\":1,\"at\":1,\"command\":{\"kind\":\"create_namespace\",\"name\":\"NOT OK\",\"settings\":{}}}",
    ];
    for document in documents {
        let outcome = state.apply(state.version + 1, document.as_bytes());
        assert_eq!(refusal(&outcome), Some(code::UNKNOWN_COMMAND), "{document}");
    }
    assert_eq!(state.version, before.version + documents.len() as u64);
    assert_eq!(State { version: before.version, ..state }, before);
}

#[test]
fn fields_of_newer_builds_are_ignored() {
    let (mut state, _) = with_namespace();
    let document = String::from_utf8(encoded(create("vod", NamespaceSettings::default()))).unwrap();
    let newer = document
        .replacen('{', r#"{"signed_by":"x","#, 1)
        .replacen(r#""kind""#, r#""colour":"red","kind""#, 1)
        .replacen(r#""unique_names""#, r#""replicas":3,"unique_names""#, 1);
    assert!(matches!(state.apply(2, newer.as_bytes()), Outcome::Namespace { .. }));
}
