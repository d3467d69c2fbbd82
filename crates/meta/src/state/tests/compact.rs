//! The compact encoding of settings, and the size of many namespaces and keys.

use headwater_types::{CorsPolicy, NamespaceId, RateLimits, Ttl, limits::NAMESPACE_BYTES_MAX};
use proptest::{option, prelude::*};

use super::{
    apply, keys,
    namespaces::{made, update},
};
use crate::{
    command::Outcome,
    limits::{KEYS_MAX, NAMESPACES_MAX, SIGNING_KEYS_MAX, SNAPSHOT_BYTES_MAX},
    records::{NamespaceSettings, Rule},
    state::State,
};

fn with_namespace(settings: NamespaceSettings) -> (State, NamespaceId) {
    let mut state = State::default();
    let id = made(&mut state, "live", settings);
    (state, id)
}

fn document(state: &State) -> String {
    String::from_utf8(state.encode().unwrap()).unwrap()
}

#[test]
fn defaults_are_left_out_and_everything_else_is_not() {
    let (state, id) = with_namespace(NamespaceSettings::default());
    assert!(document(&state).contains(r#""settings":{}"#), "{}", document(&state));
    let (mut state, mut settings) = (state, NamespaceSettings::default());
    settings.read_while_write = false;
    settings.max_bytes = Some(7);
    update(&mut state, id, settings.clone());
    let wanted = r#""settings":{"read_while_write":false,"max_bytes":7}"#;
    assert!(document(&state).contains(wanted), "{}", document(&state));
    assert_eq!(State::decode(&state.encode().unwrap()).unwrap(), state);
    assert!(serde_json::to_string(&settings).unwrap().contains("allowed_origins"), "elsewhere all are shown");
}

#[test]
fn a_document_that_spells_every_setting_out_is_read() {
    let (state, _) = with_namespace(NamespaceSettings::default());
    let all = serde_json::to_string(&NamespaceSettings::default()).unwrap();
    let spelled = document(&state).replace(r#""settings":{}"#, &format!(r#""settings":{all}"#));
    assert_eq!(State::decode(spelled.as_bytes()).unwrap(), state);
}

fn settings() -> impl Strategy<Value = NamespaceSettings> {
    let ttl = || prop_oneof![Just(3_600_u64), Just(14 * 24 * 3_600), 1..99_u64];
    let ttl = move || ttl().prop_map(|seconds| Ttl::from_secs(seconds).unwrap());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let sizes = (prop_oneof![Just(10_485_760_u64), 1..9_u64], prop_oneof![Just(10_000_u64), 1..9_u64]);
    let quotas = (option::of(0..3_u64), option::of(1..3_u64), option::of(1..3_u64));
    let rates = (option::of(1..3_u64), option::of(1..3_u64), option::of(1..3_u64), option::of(1..3_u64));
    let stale_after = prop_oneof![Just(30_u32), 1..9_u32];
    (ttl(), ttl(), option::of(ttl()), any::<bool>(), flags, sizes, quotas, rates, stale_after).prop_map(
        |(default_ttl, max_ttl, rule, cache, flags, sizes, quotas, rates, stale_after)| NamespaceSettings {
            default_ttl: default_ttl.min(max_ttl),
            max_ttl,
            ttl_rules: rule
                .map(|ttl| Rule { glob: "*".into(), value: ttl.min(max_ttl) })
                .into_iter()
                .collect(),
            cache_control_rules: cache
                .then(|| Rule { glob: "*".into(), value: "x".into() })
                .into_iter()
                .collect(),
            unique_names: flags.0,
            read_while_write: flags.1,
            ignore_deletes: flags.2,
            digest: flags.3,
            cors: if flags.4 {
                CorsPolicy::default()
            } else {
                CorsPolicy { max_age_s: 1, ..Default::default() }
            },
            max_object_bytes: sizes.0,
            write_deadline_ms: sizes.1,
            hot_capacity_bytes: quotas.0,
            max_bytes: quotas.1,
            max_objects: quotas.2,
            rate_limits: RateLimits {
                read_requests_per_s: rates.0,
                read_bytes_per_s: rates.1,
                write_requests_per_s: rates.2,
                write_bytes_per_s: rates.3,
            },
            stale_after,
        },
    )
}

proptest! {
    #[test]
    fn every_setting_comes_back(settings in settings()) {
        let (mut state, id) = with_namespace(NamespaceSettings::default());
        let updated = update(&mut state, id, settings.clone());
        prop_assert_eq!(updated, Outcome::Namespace { id, version: 2 });
        prop_assert_eq!(&state.namespaces[&id].settings, &settings);
        prop_assert_eq!(State::decode(&state.encode().unwrap()).unwrap(), state);
    }
}

/// Names are the longest that are allowed, and ids are those of a cluster that is years old.
#[test]
fn as_many_namespaces_and_keys_as_are_allowed_fit_into_a_snapshot() {
    const COUNT: usize = 500;
    const KEYS_EACH: usize = KEYS_MAX / NAMESPACES_MAX;
    let mut state = State { version: 1_000_000_000_000, ..State::default() };
    let empty = state.encode().unwrap().len();
    for i in 0..COUNT {
        let id = made(&mut state, &format!("{i:0NAMESPACE_BYTES_MAX$}"), NamespaceSettings::default());
        for key in 0..KEYS_EACH {
            apply(&mut state, keys::data(&format!("Key{i:07}x{key}"), id));
        }
        for key in 0..SIGNING_KEYS_MAX {
            apply(&mut state, keys::signing(&format!("k{i:06}{key}"), id, i as u64));
        }
    }
    let made = (state.namespaces.len(), state.keys.len(), state.signing_keys.len());
    assert_eq!(made, (COUNT, COUNT * KEYS_EACH, COUNT * SIGNING_KEYS_MAX));
    let document = state.encode().unwrap();
    let each = (document.len() - empty).div_ceil(COUNT);
    assert!(each * NAMESPACES_MAX < SNAPSHOT_BYTES_MAX * 3 / 4, "{each} bytes a namespace with its keys");
    assert_eq!(State::decode(&document).unwrap(), state);
}

#[test]
fn a_plain_namespace_and_its_key_are_small() {
    let (mut state, id) = with_namespace(NamespaceSettings::default());
    apply(&mut state, keys::data("Key000000001", id));
    let bytes = state.encode().unwrap().len() - State::default().encode().unwrap().len();
    assert!(bytes < 500, "{bytes} bytes");
}
