//! Bounds of the metadata.

/// Namespaces of a cluster.
pub const NAMESPACES_MAX: usize = 100_000;
/// API keys of a cluster.
pub const KEYS_MAX: usize = 200_000;
/// Longest id of a key or of a signing key, in bytes.
pub const KEY_ID_BYTES_MAX: usize = 32;
/// Storage nodes that are registered at a time.
pub const NODES_MAX: usize = 256;
/// Earlier processes of a node that are remembered by their nonces, so that none of them takes the node back.
pub const REPLACED_NONCES_MAX: usize = 8;
/// Revoked key ids that are remembered, so that a late repetition of their creation does not bring them back.
pub const REVOKED_KEYS_MAX: usize = 1_024;
/// Members of a shard that are in sync at a time: a chain of two.
pub const INSYNC_MAX: usize = 2;
/// Members of a shard in all, syncing and retiring ones included.
pub const SHARD_MEMBERS_MAX: usize = 6;

/// Signing keys that live in a namespace at a time: one in use, one that follows it.
pub const SIGNING_KEYS_MAX: usize = 2;
/// Networks that a key may be limited to.
pub const KEY_CIDRS_MAX: usize = 32;
/// Prefixes of a namespace that are refused.
pub const BLOCKED_PREFIXES_MAX: usize = 256;
/// Purges that are remembered, finished ones included; the oldest finished one is forgotten first.
pub const PURGES_MAX: usize = 1_024;
/// Removed nodes whose ids are remembered.
pub const REMOVED_NODES_MAX: usize = 4_096;
/// Shards that one command gives new configurations: far below [`COMMAND_BYTES_MAX`], whatever the ids are.
pub const SHARD_CHANGES_MAX: usize = 128;
/// Moves of shards that a node takes part in at a time.
pub const MOVES_PER_NODE_MAX: usize = 2;
/// A move that its head has not finished by then is taken back, so that others get their turn.
pub const MOVE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
/// A move that was taken back is tried again after this.
pub const MOVE_RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(60);
/// Members of the metadata group, learners included.
pub const MEMBERS_MAX: usize = 9;
/// Ids that members of the metadata group ever had: none is given twice.
pub const MEMBER_IDS_MAX: usize = 4_096;

/// A role reports to the voters this often.
pub const REPORT_EVERY: std::time::Duration = std::time::Duration::from_millis(500);
/// A role that has not reported for this long counts as gone.
pub const REPORT_STALE: std::time::Duration = std::time::Duration::from_secs(3);
/// Longest name of a reporter, in bytes.
pub const REPORTER_BYTES_MAX: usize = 128;
/// Reporters that a voter remembers.
pub const REPORTERS_MAX: usize = 4_096;
/// Keys of which a voter remembers when they last granted a request; the oldest are forgotten first.
pub const KEYS_USED_MAX: usize = KEYS_MAX;
/// Keys in one report.
pub const REPORT_KEYS_MAX: usize = 1_024;
/// Namespaces in one report of a node. Those that hold the most come first; what is left out has equal shares and counts
/// for no quota.
pub const REPORT_SPACES_MAX: usize = 4_096;

/// Rules of each kind in a namespace's settings, and entries of each list of its CORS policy.
pub const SETTINGS_LIST_MAX: usize = 64;
/// Longest glob, rule value, origin, method or header name in a namespace's settings, in bytes.
pub const SETTINGS_TEXT_BYTES_MAX: usize = 256;
/// Longest time that a namespace may let the frontends retry a write, in milliseconds.
pub const WRITE_DEADLINE_MS_MAX: u64 = 60_000;
/// Longest node address, `host:port`, in bytes: a DNS name has at most 253 (RFC 1035, section 2.3.4).
pub const ADDRESS_BYTES_MAX: usize = 259;

/// Proposals that a leader has under way at a time; more are refused, and nothing was done then.
pub const PROPOSALS_MAX: usize = 1_024;
/// Largest encoded command: a new configuration of every shard at once fits.
pub const COMMAND_BYTES_MAX: usize = 512 * 1024;
/// Largest snapshot that a watch carries. As many namespaces, keys and signing keys as are allowed fit, with the longest
/// names and their settings at the defaults; settings that differ, prefixes and blocked prefixes come on top, and it is
/// for the operator not to have very long ones in very many namespaces.
pub const SNAPSHOT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Entries that a voter keeps for watchers to resume from; who is further behind gets a snapshot.
pub const WATCH_ENTRIES_KEPT: usize = 1_024;
/// Bytes of those entries.
pub const WATCH_BYTES_KEPT: usize = 16 * 1024 * 1024;
/// Watchers of one voter.
pub const WATCHERS_MAX: usize = 4_096;
