//! Documents of the API from records of the metadata.

use headwater_meta::{KeyRecord, NamespaceRecord, PurgeRecord, ShardEntry, SigningKeyRecord, State};
use headwater_types::{
    KeyId, Member, ShardId, UnixMillis,
    api::{Key, Namespace, Purge, Shard, SigningKeyInfo, Usage},
    limits::SHARD_COUNT,
    rfc3339,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Fewest in-sync members of a healthy shard.
const HEALTHY_MEMBERS: usize = 2;

/// A namespace.
pub fn namespace(record: &NamespaceRecord, usage: Option<Usage>) -> Namespace {
    Namespace {
        name: record.name.to_string(),
        id: record.id.0,
        version: record.version,
        created_at: rfc3339::format(record.created_at),
        updated_at: rfc3339::format(record.updated_at),
        usage,
        blocked: record.blocked.clone(),
        settings: record.settings.clone(),
    }
}

/// A key, in the namespace of this name.
pub fn key(record: &KeyRecord, namespace: Option<String>, used: &BTreeMap<KeyId, UnixMillis>) -> Key {
    Key {
        id: record.id.to_string(),
        namespace,
        permission: record.permission,
        prefix: record.prefix.clone(),
        cidrs: record.cidrs.iter().map(ToString::to_string).collect(),
        digest: record.digest.is_some(),
        rate_limits: record.rate_limits,
        created_at: rfc3339::format(record.created_at),
        expires_at: record.expires_at.map(rfc3339::format),
        last_used_at: used.get(&record.id).copied().map(rfc3339::format),
    }
}

/// A signing key of the namespace of this name.
pub fn signing_key(record: &SigningKeyRecord, namespace: String) -> SigningKeyInfo {
    SigningKeyInfo { id: record.id.to_string(), namespace, created_at: rfc3339::format(record.created_at) }
}

/// A purge.
pub fn purge(record: &PurgeRecord) -> Purge {
    Purge {
        id: record.id,
        namespace: record.name.to_string(),
        prefix: record.prefix.clone(),
        created_at: rfc3339::format(record.created_at),
        finished_at: record.finished_at.map(rfc3339::format),
        shards_done: u64::from(record.shards_done),
        shards_total: u64::from(SHARD_COUNT),
        removed: record.removed,
    }
}

/// A shard.
pub fn shard(id: ShardId, entry: &ShardEntry) -> Shard {
    let nodes = |members: &[Member]| members.iter().map(|member| member.node.0).collect();
    Shard {
        id: id.get(),
        epoch: entry.epoch.0,
        head: entry.head.node.0,
        insync: nodes(&entry.insync),
        syncing: nodes(&entry.syncing),
        retiring: nodes(&entry.retiring),
        state: if is_degraded(entry) { "degraded" } else { "healthy" }.to_owned(),
    }
}

/// Whether fewer than two members are in sync.
pub fn is_degraded(entry: &ShardEntry) -> bool {
    entry.insync.len() < HEALTHY_MEMBERS
}

/// The name of the namespace of a key, where it has one that is still there.
pub fn name_of(state: &State, record: &KeyRecord) -> Option<String> {
    record.namespace.and_then(|id| state.namespaces.get(&id)).map(|namespace| namespace.name.to_string())
}

/// A document as the audit log keeps it.
pub fn audited(document: &impl serde::Serialize) -> Option<Value> {
    serde_json::to_value(document).ok()
}
