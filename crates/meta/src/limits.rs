//! Bounds of the metadata. Together they keep a whole snapshot below [`SNAPSHOT_BYTES_MAX`].

/// Namespaces of a cluster.
pub const NAMESPACES_MAX: usize = 1_000;
/// API keys of a cluster.
pub const KEYS_MAX: usize = 10_000;
/// Storage nodes that were ever registered.
pub const NODES_MAX: usize = 256;
/// Revoked key ids that are remembered, so that a late repetition of their creation does not bring them back.
pub const REVOKED_KEYS_MAX: usize = 1_024;

/// Rules of each kind in a namespace's settings, and entries of each list of its CORS policy.
pub const SETTINGS_LIST_MAX: usize = 64;
/// Longest glob, rule value, origin, method or header name in a namespace's settings, in bytes.
pub const SETTINGS_TEXT_BYTES_MAX: usize = 256;
/// Longest time that a namespace may let the frontends retry a write, in milliseconds.
pub const WRITE_DEADLINE_MS_MAX: u64 = 60_000;
/// Longest node address, `host:port`, in bytes: a DNS name has at most 253 (RFC 1035, section 2.3.4).
pub const ADDRESS_BYTES_MAX: usize = 259;

/// Largest encoded command.
pub const COMMAND_BYTES_MAX: usize = 256 * 1024;
/// Largest snapshot that a watch carries.
pub const SNAPSHOT_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Entries that a voter keeps for watchers to resume from; who is further behind gets a snapshot.
pub const WATCH_ENTRIES_KEPT: usize = 1_024;
/// Bytes of those entries.
pub const WATCH_BYTES_KEPT: usize = 16 * 1024 * 1024;
/// Watchers of one voter.
pub const WATCHERS_MAX: usize = 4_096;
