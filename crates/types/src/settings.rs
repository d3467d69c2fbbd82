//! What an operator sets: namespaces and what keys may do. The metadata store these, the admin plane shows them.
//!
//! A default here is part of the format: what was left out of a stored document means the default, for ever.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Ttl, limits};

/// What an operator sets for a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NamespaceSettings {
    /// TTL of objects that no rule matches and whose PUT says none.
    #[schema(value_type = u64, minimum = 1)]
    pub default_ttl: Ttl,
    /// The largest TTL that a PUT may ask for.
    #[schema(value_type = u64, minimum = 1)]
    pub max_ttl: Ttl,
    /// First match wins: glob over the key to TTL.
    #[schema(value_type = Vec<Rule<u64>>)]
    pub ttl_rules: Vec<Rule<Ttl>>,
    /// The largest object, in bytes.
    pub max_object_bytes: u64,
    /// What one zone keeps in memory for this namespace, in bytes. Null: what the nodes have.
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
    /// Offer Digest authentication (RFC 7616) instead of Basic, for keys that have it.
    pub digest: bool,
    /// The most bytes that live objects of this namespace may have; past it a PUT is answered 507. Null: no quota.
    pub max_bytes: Option<u64>,
    /// The most live objects. Null: no quota.
    pub max_objects: Option<u64>,
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
            digest: false,
            max_bytes: None,
            max_objects: None,
        }
    }
}

/// A rule over keys. The glob knows `*` (within a segment), `**` (across segments) and `?` (one character).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rule<T> {
    /// The pattern, over the whole key.
    pub glob: String,
    /// What it gives.
    pub value: T,
}

/// Cross-origin policy (Fetch standard, CORS protocol).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CorsPolicy {
    /// Allowed origins; `*` allows every one.
    pub allowed_origins: Vec<String>,
    /// Allowed methods.
    pub allowed_methods: Vec<String>,
    /// Allowed request headers; `*` allows every one (they are echoed by name).
    pub allowed_headers: Vec<String>,
    /// Response headers that scripts may read; `x-headwater-meta-*` stands for all stored with the object.
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
                "Retry-After",
                "WWW-Authenticate",
                "Allow",
                "x-headwater-meta-*",
            ]),
            max_age_s: 86_400,
        }
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
