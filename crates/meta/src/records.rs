//! What the metadata holds: namespaces, API keys, nodes and shards, as they stand in the Raft log and its snapshots.
//!
//! Every field that is added later has a serde default, so that old logs and snapshots stay readable.

use headwater_types::{
    Epoch, Incarnation, KeyId, Member, NamespaceId, NamespaceName, NodeId, Ttl, UnixMillis, ZoneName, limits,
};
use serde::{Deserialize, Serialize};

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
    /// Its settings.
    pub settings: NamespaceSettings,
}

/// What an operator sets for a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceSettings {
    /// TTL of objects that no rule matches and whose PUT says none.
    pub default_ttl: Ttl,
    /// The largest TTL that a PUT may ask for.
    pub max_ttl: Ttl,
    /// First match wins: glob over the key to TTL.
    pub ttl_rules: Vec<Rule<Ttl>>,
    /// The largest object, in bytes.
    pub max_object_bytes: u64,
    /// What one zone keeps in memory for this namespace, in bytes. `None`: what the nodes have.
    pub hot_capacity_bytes: Option<u64>,
    /// Cross-origin policy.
    pub cors: CorsPolicy,
    /// First match wins: glob over the key to a Cache-Control value.
    pub cache_control_rules: Vec<Rule<String>>,
    /// Names are never used again, so that segments may be cached as immutable.
    pub unique_names: bool,
    /// Readers may follow media while it arrives.
    pub read_while_write: bool,
    /// How long a write is retried behind its PUT, in milliseconds.
    pub write_deadline_ms: u64,
    /// Answer DELETE with 204 and keep everything until its TTL.
    pub ignore_deletes: bool,
}

impl Default for NamespaceSettings {
    fn default() -> Self {
        let ttl = |seconds| {
            Ttl::from_secs(seconds).unwrap_or_else(|_| unreachable!("a constant within the limits"))
        };
        Self {
            default_ttl: ttl(limits::NAMESPACE_DEFAULT_TTL_SECONDS_DEFAULT),
            max_ttl: ttl(limits::NAMESPACE_MAX_TTL_SECONDS_DEFAULT),
            ttl_rules: Vec::new(),
            max_object_bytes: limits::OBJECT_BYTES_DEFAULT,
            hot_capacity_bytes: None,
            cors: CorsPolicy::default(),
            cache_control_rules: Vec::new(),
            unique_names: false,
            read_while_write: true,
            write_deadline_ms: 10_000,
            ignore_deletes: false,
        }
    }
}

/// A rule over keys. The glob knows `*` (within a segment), `**` (across segments) and `?` (one character).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule<T> {
    /// The pattern, over the whole key.
    pub glob: String,
    /// What it gives.
    pub value: T,
}

/// Cross-origin policy (Fetch standard, CORS protocol).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorsPolicy {
    /// Allowed origins; `*` allows every one.
    pub allowed_origins: Vec<String>,
    /// Allowed methods.
    pub allowed_methods: Vec<String>,
    /// Allowed request headers; `*` allows every one (they are echoed by name).
    pub allowed_headers: Vec<String>,
    /// Response headers that scripts may read.
    pub exposed_headers: Vec<String>,
    /// How long a preflight answer may be kept, in seconds.
    pub max_age_s: u32,
}

impl Default for CorsPolicy {
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(ToString::to_string).collect();
        Self {
            allowed_origins: list(&["*"]),
            allowed_methods: list(&["GET", "HEAD", "OPTIONS", "PUT", "POST", "DELETE"]),
            allowed_headers: list(&["*"]),
            exposed_headers: list(&[
                "ETag",
                "Content-Length",
                "Content-Range",
                "Content-Encoding",
                "Accept-Ranges",
                "Last-Modified",
                "Date",
                "Age",
                "Server-Timing",
                "Sunset",
                "x-request-id",
                "x-headwater-superseded",
            ]),
            max_age_s: 86_400,
        }
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// GET, HEAD and LIST.
    ReadOnly,
    /// Everything on the data plane.
    ReadWrite,
    /// PUT, POST and DELETE.
    WriteOnly,
    /// The admin plane, in no namespace.
    Admin,
}

impl Permission {
    /// Whether it covers reading objects.
    pub fn reads(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadWrite)
    }

    /// Whether it covers writing objects.
    pub fn writes(self) -> bool {
        matches!(self, Self::WriteOnly | Self::ReadWrite)
    }
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
    #[serde(default)]
    pub prefix: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when on it is refused.
    #[serde(default)]
    pub expires_at: Option<UnixMillis>,
    /// The Raft index of its last change.
    pub version: u64,
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
}
