//! A namespace's settings as the state's document has them: only what differs from the defaults.
//!
//! A default is part of the format (see `headwater_types::settings`), so what is left out means the same for ever, and
//! 100,000 namespaces that are all alike cost little. Commands, the admin API and the CLI show every setting.

use headwater_types::{CorsPolicy, NamespaceSettings, RateLimits, Rule, Ttl};
use serde::{Serialize, Serializer};
use std::sync::LazyLock;

static DEFAULTS: LazyLock<NamespaceSettings> = LazyLock::new(NamespaceSettings::default);

#[derive(Serialize)]
struct Compact<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    default_ttl: Option<&'a Ttl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ttl: Option<&'a Ttl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_rules: Option<&'a Vec<Rule<Ttl>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_object_bytes: Option<&'a u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hot_capacity_bytes: Option<&'a Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cors: Option<&'a CorsPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control_rules: Option<&'a Vec<Rule<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_names: Option<&'a bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_while_write: Option<&'a bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_deadline_ms: Option<&'a u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_deletes: Option<&'a bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<&'a Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_objects: Option<&'a Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limits: Option<&'a RateLimits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_after: Option<&'a u32>,
}

/// Writes what differs from the defaults. The patterns name every field, so that none can be forgotten.
pub(super) fn serialize<S: Serializer>(
    settings: &NamespaceSettings,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let NamespaceSettings {
        default_ttl,
        max_ttl,
        ttl_rules,
        max_object_bytes,
        hot_capacity_bytes,
        cors,
        cache_control_rules,
        unique_names,
        read_while_write,
        write_deadline_ms,
        ignore_deletes,
        digest,
        max_bytes,
        max_objects,
        rate_limits,
        stale_after,
    } = settings;
    let defaults = &*DEFAULTS;
    let compact = Compact {
        default_ttl: unless(default_ttl, &defaults.default_ttl),
        max_ttl: unless(max_ttl, &defaults.max_ttl),
        ttl_rules: unless(ttl_rules, &defaults.ttl_rules),
        max_object_bytes: unless(max_object_bytes, &defaults.max_object_bytes),
        hot_capacity_bytes: unless(hot_capacity_bytes, &defaults.hot_capacity_bytes),
        cors: unless(cors, &defaults.cors),
        cache_control_rules: unless(cache_control_rules, &defaults.cache_control_rules),
        unique_names: unless(unique_names, &defaults.unique_names),
        read_while_write: unless(read_while_write, &defaults.read_while_write),
        write_deadline_ms: unless(write_deadline_ms, &defaults.write_deadline_ms),
        ignore_deletes: unless(ignore_deletes, &defaults.ignore_deletes),
        digest: unless(digest, &defaults.digest),
        max_bytes: unless(max_bytes, &defaults.max_bytes),
        max_objects: unless(max_objects, &defaults.max_objects),
        rate_limits: unless(rate_limits, &defaults.rate_limits),
        stale_after: unless(stale_after, &defaults.stale_after),
    };
    compact.serialize(serializer)
}

fn unless<'a, T: PartialEq>(value: &'a T, default: &T) -> Option<&'a T> {
    (value != default).then_some(value)
}
