//! What the metadata holds: namespaces, API keys, nodes and shards, as they stand in the Raft log and its snapshots.
//!
//! Every field that is added later has a serde default, so that old logs and snapshots stay readable.

mod compact;

pub use headwater_types::{CorsPolicy, NamespaceSettings, Permission, RateLimits, Rule};
use headwater_types::{
    DiskId, Epoch, Incarnation, KeyId, Member, NamespaceId, NamespaceName, NodeId, Nonce, UnixMillis,
    ZoneName, signing::SigningKeyId,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A namespace and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceRecord {
    /// Never used again.
    pub id: NamespaceId,
    /// Its name in URLs.
    pub name: NamespaceName,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// The Raft index of its last change: the entity tag of the record.
    pub version: u64,
    /// Its settings. Written without those that are at their defaults.
    #[serde(serialize_with = "compact::serialize")]
    pub settings: NamespaceSettings,
    /// Prefixes that were purged and are refused from then on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
}

/// An API key. The secret itself is stored nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The public part.
    pub id: KeyId,
    /// SHA-256 of the secret part, in hexadecimal.
    pub secret_sha256: String,
    /// Where it is valid; `None` only for admin keys.
    pub namespace: Option<NamespaceId>,
    /// What it may do.
    pub permission: Permission,
    /// Only keys below this prefix, which ends at a `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
    /// Only from these client addresses; empty: from everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<IpNet>,
    /// What Digest authentication needs, for keys that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestHashes>,
    /// How much it may ask of each frontend in a second.
    #[serde(default, skip_serializing_if = "RateLimits::is_none")]
    pub rate_limits: RateLimits,
    /// The Raft index of its last change.
    pub version: u64,
}

/// `H(key id ":" namespace ":" api key)` (RFC 7616, section 3.4.2), in lower-case hexadecimal.
///
/// Who has one of them can use Digest as the key: its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestHashes {
    /// With MD5.
    pub md5: String,
    /// With SHA-256.
    pub sha256: String,
}

/// A key that signs URLs and viewer tokens of a namespace. At most [`crate::limits::SIGNING_KEYS_MAX`] of them live in
/// a namespace at a time. Its `Debug` leaves the secret out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyRecord {
    /// What `hw_kid` and `kid` carry.
    pub id: SigningKeyId,
    /// What it signs for.
    pub namespace: NamespaceId,
    /// 32 random bytes, base64url without padding. Kept as it is: frontends must compute with it.
    pub secret: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The Raft index of its creation.
    pub version: u64,
}

impl fmt::Debug for DigestHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestHashes(redacted)")
    }
}

impl fmt::Debug for SigningKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, namespace, secret: _, created_at, version } = self;
        let mut record = f.debug_struct("SigningKeyRecord");
        record.field("id", id).field("namespace", namespace).field("created_at", created_at);
        record.field("version", version).finish_non_exhaustive()
    }
}

/// What an operator wants of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Holds shards.
    #[default]
    Active,
    /// All its shards are to be moved away.
    Draining,
}

/// A storage node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Never used again.
    pub id: NodeId,
    /// Its newest process.
    pub incarnation: Incarnation,
    /// Where it stands.
    pub zone: ZoneName,
    /// Where its gRPC services listen, as `host:port`.
    pub address: String,
    /// What its hot tier may take, in bytes; 0 where it did not say.
    #[serde(default)]
    pub hot_capacity_bytes: u64,
    /// What an operator wants of it. A registration does not change it.
    #[serde(default)]
    pub state: NodeState,
    /// What its newest process registered with; `None`: that one counted its incarnation itself, as earlier builds did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessRecord>,
}

impl NodeRecord {
    /// Its newest process, as shard configurations name it.
    pub fn member(&self) -> Member {
        Member { node: self.id, incarnation: self.incarnation }
    }
}

/// What a process of a storage node registered with, and whom it replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// The node's data directory. Shards name no earlier process of the node, so that of no other one is needed.
    pub disk_id: DiskId,
    /// The process.
    pub nonce: Nonce,
    /// The processes before it, newest last, at most [`crate::limits::REPLACED_NONCES_MAX`]: none of them registers again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Nonce>,
}

/// The configuration of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// Counts the configurations of this shard.
    pub epoch: Epoch,
    /// Orders the writes. In sync.
    pub head: Member,
    /// Members that hold everything that was acknowledged. Not empty; the head is one of them.
    pub insync: Vec<Member>,
    /// Members that get every new write, must acknowledge it, and answer no reads.
    #[serde(default)]
    pub syncing: Vec<Member>,
    /// Members that are about to leave.
    #[serde(default)]
    pub retiring: Vec<Member>,
}

impl ShardEntry {
    /// Whether `member` may answer reads in this configuration.
    pub fn serves(&self, member: Member) -> bool {
        self.insync.contains(&member)
    }

    /// All members whose acknowledgement a write needs.
    pub fn writers(&self) -> impl Iterator<Item = Member> + '_ {
        self.insync.iter().chain(&self.syncing).copied()
    }

    /// All members, those that are about to leave included.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        self.writers().chain(self.retiring.iter().copied())
    }

    /// Whether a process of `node` is a member.
    pub fn names(&self, node: NodeId) -> bool {
        self.members().any(|member| member.node == node)
    }
}

/// The verdict that a zone takes no part: all shards go on without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneVerdict {
    /// Which zone.
    pub fenced: ZoneName,
    /// Since when.
    pub since: UnixMillis,
}

/// Removal of everything below a prefix: a job over all shards, which a worker of the leader drives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeRecord {
    /// The Raft index of its command.
    pub id: u64,
    /// Whose objects. The namespace itself may be gone already.
    pub namespace: NamespaceId,
    /// The name that it had.
    pub name: NamespaceName,
    /// Keys that begin with this; empty: all.
    pub prefix: String,
    /// When it was asked for. Objects that are stored later may stay.
    pub created_at: UnixMillis,
    /// Shards below this one are done; [`headwater_types::limits::SHARD_COUNT`]: all.
    pub shards_done: u16,
    /// Objects removed so far.
    pub removed: u64,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<UnixMillis>,
}
