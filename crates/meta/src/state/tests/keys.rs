//! Networks and Digest hashes of keys, signing keys, and their limits.

use headwater_types::{
    KeyId, NamespaceId, Redacted, SeededRng, limits::KEY_BYTES_MAX, signing::SigningKey,
    signing::SigningKeyId,
};
use std::sync::Arc;

use super::{apply, namespaces::made, refused};
use crate::{
    command::{Command, Outcome},
    limits::{KEY_CIDRS_MAX, KEY_ID_BYTES_MAX, KEYS_MAX, REVOKED_KEYS_MAX, SIGNING_KEYS_MAX},
    records::{DigestHashes, NamespaceSettings, Permission},
    refusal as code,
    state::State,
};

/// A key with read permission.
pub(super) fn data(id: &str, namespace: NamespaceId) -> Command {
    Command::CreateKey {
        id: KeyId(id.into()),
        secret_sha256: "a".repeat(64),
        namespace: Some(namespace),
        permission: Permission::ReadOnly,
        prefix: None,
        expires_at: None,
        cidrs: Vec::new(),
        digest: None,
        rate_limits: Default::default(),
    }
}

pub(super) fn with_digest(id: &str, namespace: NamespaceId) -> Command {
    with_hashes(data(id, namespace), &"b".repeat(32), &"c".repeat(64))
}

fn with_hashes(mut command: Command, md5: &str, sha256: &str) -> Command {
    if let Command::CreateKey { digest, .. } = &mut command {
        *digest = Some(DigestHashes { md5: md5.to_owned(), sha256: sha256.to_owned() });
    }
    command
}

fn with_cidrs(mut command: Command, count: usize) -> Command {
    if let Command::CreateKey { cidrs, .. } = &mut command {
        *cidrs = vec!["2001:db8::/32".parse().unwrap(); count];
    }
    command
}

fn admin(id: &str) -> Command {
    let mut command = data(id, NamespaceId(0));
    if let Command::CreateKey { namespace, permission, .. } = &mut command {
        (*namespace, *permission) = (None, Permission::Admin);
    }
    command
}

/// A signing key with the secret of a seed.
pub(super) fn signing(id: &str, namespace: NamespaceId, seed: u64) -> Command {
    let secret = Redacted(SigningKey::generate(&SeededRng::new(seed)).reveal());
    Command::CreateSigningKey { id: SigningKeyId(id.into()), namespace, secret }
}

fn revoke_signing(id: &str) -> Command {
    Command::RevokeSigningKey { id: SigningKeyId(id.into()) }
}

fn with_namespace(digest: bool) -> (State, NamespaceId) {
    let mut state = State::default();
    let id = made(&mut state, "live", NamespaceSettings { digest, ..Default::default() });
    (state, id)
}

#[test]
fn networks_of_a_key_at_their_limit_and_one_past() {
    let (mut state, id) = with_namespace(false);
    let outcome = apply(&mut state, with_cidrs(data("a", id), KEY_CIDRS_MAX));
    assert!(matches!(&outcome, Outcome::Key(key) if key.cidrs.len() == KEY_CIDRS_MAX), "{outcome:?}");
    let (code, message) = refused(apply(&mut state, with_cidrs(data("b", id), KEY_CIDRS_MAX + 1)));
    assert!(code == code::INVALID && message.contains("33 entries, at most 32"), "{message}");
    assert!(matches!(apply(&mut state, with_cidrs(admin("c"), 1)), Outcome::Key(_)), "an admin key too");
}

#[test]
fn digest_hashes_are_for_namespaces_that_offer_it() {
    let (mut state, id) = with_namespace(true);
    let outcome = apply(&mut state, with_digest("a", id));
    assert!(matches!(&outcome, Outcome::Key(key) if key.digest.is_some()), "{outcome:?}");
    let (md5, sha256) = ("0".repeat(32), "f".repeat(64));
    for (md5, sha256) in [(&md5[1..], &*sha256), (&*md5, &sha256[1..]), (&*sha256, &*md5), ("", "")] {
        let (_, message) = refused(apply(&mut state, with_hashes(data("b", id), md5, sha256)));
        assert!(message.contains("lower-case hexadecimal"), "{message}");
    }
    let upper = with_hashes(data("b", id), &md5.replace('0', "A"), &sha256);
    assert_eq!(refused(apply(&mut state, upper)).0, code::INVALID);
    assert!(refused(apply(&mut state, with_hashes(admin("b"), &md5, &sha256))).1.contains("admin key"));

    let (mut without, id) = with_namespace(false);
    let (code, message) = refused(apply(&mut without, with_digest("a", id)));
    assert!(code == code::INVALID && message.contains("live does not offer Digest"), "{message}");
}

#[test]
fn ids_at_their_limit_and_one_past() {
    let (mut state, namespace) = with_namespace(false);
    let (at, past) = ("k".repeat(KEY_ID_BYTES_MAX), "k".repeat(KEY_ID_BYTES_MAX + 1));
    assert!(matches!(apply(&mut state, data(&at, namespace)), Outcome::Key(_)));
    assert!(matches!(apply(&mut state, signing(&at, namespace, 1)), Outcome::SigningKey(_)));
    for id in [&*past, "", "a_b", "a b"] {
        let revoke = Command::RevokeKey { id: KeyId(id.into()) };
        for command in [data(id, namespace), signing(id, namespace, 1), revoke, revoke_signing(id)] {
            assert_eq!(refused(apply(&mut state, command)).0, code::INVALID, "{id:?}");
        }
    }
    assert!(state.revoked.is_empty() && state.revoked_signing_keys.is_empty());
}

#[test]
fn prefixes_at_their_limit_and_one_past() {
    let (mut state, namespace) = with_namespace(false);
    let below = |id: &str, bytes: usize| {
        let mut command = data(id, namespace);
        if let Command::CreateKey { prefix, .. } = &mut command {
            *prefix = Some(format!("{}/", "p".repeat(bytes - 1)));
        }
        command
    };
    assert!(matches!(apply(&mut state, below("a", KEY_BYTES_MAX)), Outcome::Key(_)));
    assert_eq!(refused(apply(&mut state, below("b", KEY_BYTES_MAX + 1))).0, code::INVALID);
}

#[test]
fn secrets_are_not_shown_by_debug() {
    let (mut state, namespace) = with_namespace(true);
    let Outcome::Key(key) = apply(&mut state, with_digest("a", namespace)) else { panic!() };
    let Outcome::SigningKey(signing) = apply(&mut state, signing("a", namespace, 1)) else { panic!() };
    let shown = format!("{key:?} {signing:?}");
    let digest = key.digest.unwrap();
    for secret in [&*digest.md5, &*digest.sha256, &*signing.secret] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn keys_at_their_limit() {
    let (mut state, namespace) = with_namespace(false);
    let Outcome::Key(key) = apply(&mut state, data("first", namespace)) else { panic!() };
    let record = Arc::new(*key);
    for i in 2..KEYS_MAX {
        state.keys.insert(KeyId(format!("k{i}").into()), record.clone());
    }
    assert!(matches!(apply(&mut state, data("last", namespace)), Outcome::Key(_)));
    assert_eq!(state.keys.len(), KEYS_MAX);
    assert_eq!(refused(apply(&mut state, data("more", namespace))).0, code::TOO_MANY);
    assert!(matches!(apply(&mut state, data("last", namespace)), Outcome::Key(_)), "a repetition");
}

#[test]
fn signing_keys_are_made_once_stay_revoked_and_are_two_at_most() {
    let (mut state, namespace) = with_namespace(false);
    let other = made(&mut state, "vod", NamespaceSettings::default());
    let first = apply(&mut state, signing("a", namespace, 1));
    assert!(matches!(&first, Outcome::SigningKey(key) if key.namespace == namespace), "{first:?}");
    assert_eq!(apply(&mut state, signing("a", namespace, 1)), first, "a repetition answers the same record");
    assert_eq!(refused(apply(&mut state, signing("a", namespace, 2))).0, code::EXISTS);
    assert_eq!(refused(apply(&mut state, signing("a", other, 1))).0, code::EXISTS);
    assert_eq!(refused(apply(&mut state, signing("z", NamespaceId(99), 1))).0, code::NOT_FOUND);

    apply(&mut state, signing("b", namespace, 2));
    assert_eq!(state.signing_keys.len(), SIGNING_KEYS_MAX);
    let (code, message) = refused(apply(&mut state, signing("c", namespace, 3)));
    assert!(code == code::TOO_MANY && message.contains("revoke one first"), "{message}");
    assert!(matches!(apply(&mut state, signing("d", other, 4)), Outcome::SigningKey(_)));

    for _ in 0..2 {
        assert_eq!(apply(&mut state, revoke_signing("a")), Outcome::Done);
    }
    assert_eq!(refused(apply(&mut state, signing("a", namespace, 1))).0, code::REVOKED);
    assert!(matches!(apply(&mut state, signing("c", namespace, 3)), Outcome::SigningKey(_)));
    for i in 0..REVOKED_KEYS_MAX {
        apply(&mut state, revoke_signing(&format!("r{i}")));
    }
    assert_eq!(state.revoked_signing_keys.len(), REVOKED_KEYS_MAX);
    assert!(!state.revoked_signing_keys.contains(&SigningKeyId("a".into())), "the oldest is forgotten");
}

#[test]
fn a_command_shows_no_secret() {
    let command = signing("a", NamespaceId(1), 1);
    let Command::CreateSigningKey { secret, .. } = &command else { panic!("{command:?}") };
    let shown = format!("{command:?}");
    assert!(shown.contains("redacted") && !shown.contains(&secret.0), "{shown}");
}

#[test]
fn a_signing_keys_secret_has_32_bytes() {
    let (mut state, namespace) = with_namespace(false);
    for secret in [String::new(), "A".repeat(42), "A".repeat(44), "!".repeat(43)] {
        let id = SigningKeyId("a".into());
        let command = Command::CreateSigningKey { id, namespace, secret: Redacted(secret) };
        assert_eq!(refused(apply(&mut state, command)).0, code::INVALID);
    }
    assert!(state.signing_keys.is_empty());
}
