//! Every limit of the system that is not configuration, in one place, with its unit in its name.

/// Shards of a cluster. Fixed for ever: a key's shard is `xxh3_64(namespace, group(key)) % SHARD_COUNT`.
pub const SHARD_COUNT: u16 = 1024;

/// Longest namespace name.
pub const NAMESPACE_BYTES_MAX: usize = 63;
/// Longest object key, after percent-decoding.
pub const KEY_BYTES_MAX: usize = 900;
/// Longest zone name.
pub const ZONE_BYTES_MAX: usize = 63;

/// Longest TTL a namespace may allow: 400 days.
pub const TTL_SECONDS_MAX: u64 = 400 * 24 * 3600;
/// A namespace's default for `max_ttl`: 14 days.
pub const NAMESPACE_MAX_TTL_SECONDS_DEFAULT: u64 = 14 * 24 * 3600;
/// A namespace's default for `default_ttl`: one hour.
pub const NAMESPACE_DEFAULT_TTL_SECONDS_DEFAULT: u64 = 3600;

/// A namespace's default for `stale_after`: longer than two of the longest segments that are usual, of 12 s.
pub const STALE_AFTER_SECONDS_DEFAULT: u32 = 30;
/// The longest `stale_after` of a namespace: a day.
pub const STALE_AFTER_SECONDS_MAX: u32 = 24 * 3600;
/// The largest rate limit of requests, in requests a second.
pub const RATE_REQUESTS_MAX: u64 = 1_000_000;

/// A namespace's default for the largest object: 10 MiB.
pub const OBJECT_BYTES_DEFAULT: u64 = 10 * 1024 * 1024;
/// The largest object a namespace may allow: 1 GiB.
pub const OBJECT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// All `x-headwater-meta-*` headers of an object, full names and values.
pub const USER_META_BYTES_MAX: usize = 2 * 1024;
/// Longest stored Content-Type, Content-Encoding or Cache-Control value.
pub const STORED_HEADER_BYTES_MAX: usize = 512;

/// Room in a memory budget that a body of unknown length must find to be let in, beside what it takes at once. It takes
/// what arrives and no more, so that bodies of which nothing has arrived yet use up nothing.
pub const BODY_AHEAD_BYTES: u64 = 1024 * 1024;

/// Bodies are kept in chunks of this size; a chunk message on the wire carries at most this much.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// Largest gRPC message either side accepts: one chunk and its framing, or a page of a listing.
pub const GRPC_MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest request line and header block of an HTTP request.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Most headers of an HTTP request.
pub const HEADER_COUNT_MAX: usize = 100;

/// Entries of one listing page: the maximum and the default.
pub const LIST_LIMIT_MAX: usize = 1000;

/// Request ids that a record remembers, so that a repeated write finds its outcome.
pub const REQUEST_IDS_PER_RECORD: usize = 8;
