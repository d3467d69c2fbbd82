//! Documents of the admin API, as its server writes them and its clients read them. Times are RFC 3339 in UTC.
//!
//! Fields may be added; clients ignore those that they do not know. What a client sends is checked strictly.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

use crate::settings::{NamespaceSettings, Permission, RateLimits};

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order of their names or ids.
    pub items: Vec<T>,
    /// To be sent as `cursor` for the next page; null on the last one.
    pub cursor: Option<String>,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Namespace {
    /// Its name in URLs.
    pub name: String,
    /// Never used again, also when the name is.
    pub id: u64,
    /// Changes with every update; `ETag` carries it, `If-Match` takes it.
    pub version: u64,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// What is stored in it, where a node has said so.
    pub usage: Option<Usage>,
    /// Prefixes that were purged and are refused.
    #[serde(default)]
    pub blocked: Vec<String>,
    /// Its settings.
    #[serde(flatten)]
    pub settings: NamespaceSettings,
}

/// What a namespace is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewNamespace {
    /// Its name in URLs: 1 to 63 of `a-z`, `0-9`, `_` and `-`, beginning and ending with a letter or digit.
    pub name: String,
    /// Its settings; what is left out has its default.
    #[serde(flatten)]
    pub settings: NamespaceSettings,
}

/// What is stored in a namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Bytes of live objects, one copy counted.
    pub bytes: u64,
    /// Live objects.
    pub objects: u64,
}

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Names it in lists and logs.
    pub id: String,
    /// Where it is valid; null for a key of the admin plane.
    pub namespace: Option<String>,
    /// What it may do.
    pub permission: Permission,
    /// Only keys below this prefix, which ends at a `/`.
    pub prefix: Option<String>,
    /// Only from these client addresses; empty: from everywhere.
    pub cidrs: Vec<String>,
    /// Whether it can be used with Digest authentication.
    pub digest: bool,
    /// How much it may ask of each frontend in a second.
    #[serde(default)]
    pub rate_limits: RateLimits,
    /// When it was made.
    pub created_at: String,
    /// From when on it is refused.
    pub expires_at: Option<String>,
    /// When it last granted a request, to about a minute; null if that is not known.
    pub last_used_at: Option<String>,
}

/// What a key is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it may do.
    pub permission: Permission,
    /// Only keys below this prefix, whose closing `/` may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How long it is valid, in seconds; absent: until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub expires_in_s: Option<u64>,
    /// Only from these client addresses, such as `192.0.2.0/24`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
    /// Make it usable with Digest authentication; only in a namespace with `digest`.
    #[serde(default)]
    pub digest: bool,
    /// How much it may ask of each frontend in a second.
    #[serde(default, skip_serializing_if = "RateLimits::is_none")]
    pub rate_limits: RateLimits,
}

/// A key that was just made: the only time that its secret is shown. Its `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// The secret.
    pub api_key: String,
    /// The key.
    #[serde(flatten)]
    pub key: Key,
}

impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedKey").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What an older server knew without saying so.
fn yes() -> bool {
    true
}

/// What revoking a key reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// The key or signing key.
    pub id: String,
    /// The metadata version from which on it is refused.
    pub version: u64,
    /// Frontends that have it and refuse the key.
    pub confirmed: Vec<String>,
    /// Frontends that were heard of lately and have not confirmed yet.
    pub pending: Vec<String>,
    /// Frontends that have not confirmed and were last heard of more than 3 seconds and less than 10 minutes ago: gone,
    /// or cut off from the metadata and still accepting the key.
    #[serde(default)]
    pub silent: Vec<String>,
    /// Whether the metadata said which frontends there are; if not, the lists are empty.
    #[serde(default = "yes")]
    pub frontends_known: bool,
}

impl Revoked {
    /// Whether every frontend that is known refuses the key. With none known that cannot be said.
    pub fn is_confirmed_by_all(&self) -> bool {
        let missing = !self.pending.is_empty() || !self.silent.is_empty();
        self.frontends_known && !self.confirmed.is_empty() && !missing
    }
}

/// A signing key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKeyInfo {
    /// What `hw_kid` and `kid` carry.
    pub id: String,
    /// What it signs for.
    pub namespace: String,
    /// When it was made.
    pub created_at: String,
}

/// A signing key that was just made: the only time that its secret is shown. Its `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedSigningKey {
    /// The secret: 32 bytes, base64url without padding.
    pub secret: String,
    /// The key.
    #[serde(flatten)]
    pub key: SigningKeyInfo,
}

impl fmt::Debug for CreatedSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedSigningKey").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A storage node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its id, never used again.
    pub id: u64,
    /// Its newest process: a number that the metadata gave it, larger than that of each process before.
    pub incarnation: u64,
    /// Names the data directory of its newest process: another one than before means that the disk was emptied or
    /// exchanged. Null if that process told none, as those of earlier versions.
    pub disk_id: Option<String>,
    /// Where it stands.
    pub zone: String,
    /// Where its gRPC services listen.
    pub address: String,
    /// `active` or `draining`.
    pub state: String,
    /// Whether it was heard of within the last 3 seconds.
    pub alive: bool,
    /// Milliseconds since it was heard of; null if never.
    pub heard_ms_ago: Option<u64>,
    /// The version of its copy of the metadata.
    pub metadata_version: Option<u64>,
    /// Bytes in its hot tier.
    pub hot_bytes: Option<u64>,
    /// Bytes that its hot tier may take.
    pub hot_capacity_bytes: u64,
    /// Shards that it heads.
    pub shards_head: u64,
    /// Shards of which it is an in-sync member.
    pub shards_insync: u64,
    /// Shards that it is catching up with.
    pub shards_syncing: u64,
    /// Shards that it is about to leave.
    pub shards_retiring: u64,
}

/// The configuration of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shard {
    /// 0 to 1023.
    pub id: u16,
    /// Counts its configurations.
    pub epoch: u64,
    /// The node that orders its writes.
    pub head: u64,
    /// Nodes that hold everything that was acknowledged.
    pub insync: Vec<u64>,
    /// Nodes that are catching up.
    pub syncing: Vec<u64>,
    /// Nodes that are about to leave.
    pub retiring: Vec<u64>,
    /// `healthy`, or `degraded` where fewer than two are in sync.
    pub state: String,
}

/// The cluster as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// Names the cluster; made when it was founded. Empty where this process was never told.
    pub id: String,
    /// The version of the metadata.
    pub version: u64,
    /// The metadata group; null where no voter answers.
    pub meta: Option<MetaGroup>,
    /// The zones that nodes stand in.
    pub zones: Vec<Zone>,
    /// A zone that takes no part.
    pub fenced_zone: Option<String>,
    /// All shards.
    pub shards: ShardCounts,
    /// Frontends and other roles that follow the metadata.
    pub watchers: Vec<Watcher>,
    /// Moves of shards that are planned or under way.
    pub moves: MoveCounts,
}

/// The metadata group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MetaGroup {
    /// The leader, if one is known.
    pub leader: Option<u64>,
    /// Its term.
    pub term: u64,
    /// Milliseconds since a quorum last answered the leader; null where it is not known.
    pub quorum_ms_ago: Option<u64>,
    /// Voters and learners.
    pub members: Vec<MetaMember>,
}

/// A member of the metadata group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MetaMember {
    /// Its id, never used again.
    pub id: u64,
    /// Where it is reached, as `host:port`.
    pub address: String,
    /// Whether it votes; a learner only follows.
    pub voter: bool,
    /// Entries that it has not confirmed to the leader; null where that is not known.
    pub lag: Option<u64>,
}

/// A new member of the metadata group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMetaMember {
    /// Its id, never used before.
    pub id: u64,
    /// Where it is reached, as `host:port`.
    pub address: String,
}

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Registered nodes.
    pub nodes: u64,
    /// Those that were heard of within the last 3 seconds.
    pub alive: u64,
    /// What its nodes' hot tiers may take together.
    pub hot_capacity_bytes: u64,
}

/// Shards by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShardCounts {
    /// All; 0 before there is a map.
    pub total: u64,
    /// With at least two members in sync.
    pub healthy: u64,
    /// With fewer.
    pub degraded: u64,
    /// With a member that is catching up.
    pub syncing: u64,
}

/// Moves of shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MoveCounts {
    /// Shards that are not where the plan wants them.
    pub planned: u64,
    /// Of these, shards with a member that is catching up or leaving.
    pub under_way: u64,
}

/// A role that follows the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Watcher {
    /// Role and id, such as `frontend-1`.
    pub name: String,
    /// The version of its copy.
    pub metadata_version: u64,
    /// Milliseconds since it was heard of.
    pub heard_ms_ago: u64,
}

/// What a purge is asked for with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPurge {
    /// Keys that begin with this; empty, which must be said: all of the namespace.
    pub prefix: String,
    /// Refuse what lies below the prefix from now on.
    #[serde(default)]
    pub block: bool,
}

/// A purge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Purge {
    /// Its id.
    pub id: u64,
    /// Whose objects.
    pub namespace: String,
    /// Keys that begin with this.
    pub prefix: String,
    /// When it was asked for.
    pub created_at: String,
    /// When it ended; null while it is under way.
    pub finished_at: Option<String>,
    /// Shards that are done, of `shards_total`.
    pub shards_done: u64,
    /// All shards.
    pub shards_total: u64,
    /// Objects removed so far.
    pub removed: u64,
}

/// An object, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObjectInfo {
    /// Its key.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// As in the header `ETag`.
    pub etag: String,
    /// Content-Type.
    pub content_type: String,
    /// When it was stored.
    pub last_modified: String,
    /// When its TTL ends.
    pub expires_at: String,
    /// `hot`, `disk` or `s3`.
    pub tier: String,
}

/// One page of a listing of objects: a [`Page`] with what a delimiter folds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObjectPage {
    /// The objects, in byte order of their keys.
    pub items: Vec<ObjectInfo>,
    /// Common prefixes, each with its closing `/`; only with a delimiter.
    pub prefixes: Vec<String>,
    /// To be sent as `cursor` for the next page; null on the last one.
    pub cursor: Option<String>,
}

/// A live playlist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Channel {
    /// The playlist's key.
    pub playlist: String,
    /// Milliseconds since it was stored.
    pub age_ms: u64,
    /// Its size in bytes.
    pub size: u64,
    /// When it was stored.
    pub updated_at: String,
    /// Whether that is longer ago than the namespace's `stale_after`. Playlists that are not expected to change, as
    /// multivariant ones and those of an ended stream, are not told apart.
    #[serde(default)]
    pub stale: bool,
}

/// One change that an administrator made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// When.
    pub at: String,
    /// The id of the admin key that was used, or `bootstrap`.
    pub who: String,
    /// Where from.
    pub client: Option<String>,
    /// What, such as `namespace.update`.
    pub action: String,
    /// Of what, such as the namespace's name.
    pub target: String,
    /// As it was, without secrets.
    pub before: Option<serde_json::Value>,
    /// As it is, without secrets.
    pub after: Option<serde_json::Value>,
    /// The request's id.
    pub request_id: String,
}

/// An error (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:headwater:error:<code>`.
    pub r#type: String,
    /// What kind of error, in a sentence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong and what is allowed.
    pub detail: String,
    /// The stable code.
    pub code: String,
    /// The request's id, as in `x-request-id` and in the log; absent where nothing handled the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let key = r#"{"api_key":"hw_id_verysecret","id":"id","namespace":null,"permission":"admin","prefix":null,
            "cidrs":[],"digest":false,"created_at":"t","expires_at":null,"last_used_at":null}"#;
        let signing = r#"{"secret":"verysecret","id":"id","namespace":"live","created_at":"t"}"#;
        let key: CreatedKey = serde_json::from_str(key).unwrap();
        let signing: CreatedSigningKey = serde_json::from_str(signing).unwrap();
        let shown = format!("{key:?} {signing:?}");
        assert!(shown.contains("\"id\"") && !shown.contains("verysecret"), "{shown}");
    }

    #[test]
    fn what_a_purge_is_of_must_be_said() {
        assert!(serde_json::from_str::<NewPurge>("{}").is_err());
        let all = NewPurge { prefix: String::new(), block: false };
        assert_eq!(serde_json::from_str::<NewPurge>(r#"{"prefix":""}"#).unwrap(), all);
    }
}
