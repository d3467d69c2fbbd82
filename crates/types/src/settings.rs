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
    /// First match wins: glob over the key to TTL. `*` is any run of characters, `/` included; `?` is one.
    #[schema(value_type = Vec<Rule<u64>>)]
    pub ttl_rules: Vec<Rule<Ttl>>,
    /// The largest object, in bytes.
    pub max_object_bytes: u64,
    /// What one zone keeps in memory for this namespace, in bytes. Null: what the nodes have.
    pub hot_capacity_bytes: Option<u64>,
    /// Cross-origin policy.
    pub cors: CorsPolicy,
    /// First match wins: glob over the key, as in `ttl_rules`, to a Cache-Control value.
    pub cache_control_rules: Vec<Rule<String>>,
    /// Names are never used again, so that segments may be cached as immutable.
    pub unique_names: bool,
    /// Readers may follow any object but a playlist while it arrives.
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
    /// How much may be asked of each frontend in a second, by all of its clients together.
    pub rate_limits: RateLimits,
    /// A live playlist that is older than this, in seconds, is shown as stale: 1 to a day.
    #[schema(minimum = 1, maximum = 86400)]
    pub stale_after: u32,
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
            rate_limits: RateLimits::default(),
            stale_after: limits::STALE_AFTER_SECONDS_DEFAULT,
        }
    }
}

/// A rule over keys. In the glob `*` is any run of characters, `/` included, as in the path patterns of CDNs, and `?` is one
/// character. `**` is the same as `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rule<T> {
    /// The pattern, over the whole key.
    pub glob: String,
    /// What it gives.
    pub value: T,
}

/// How much may be asked of each frontend in a second; beyond it requests are answered 429 before their bodies are read.
/// Each frontend counts by itself. A second's worth may come at once. Null: as much as comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RateLimits {
    /// GET, HEAD and LIST in a second: 1 to 1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub read_requests_per_s: Option<u64>,
    /// Bytes of the bodies that are sent in a second, at least 1. A body may be larger: what follows it waits.
    #[schema(minimum = 1)]
    pub read_bytes_per_s: Option<u64>,
    /// PUT, POST and DELETE in a second: 1 to 1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub write_requests_per_s: Option<u64>,
    /// Bytes of the bodies that are received in a second, at least 1. A body may be larger: what follows it waits.
    #[schema(minimum = 1)]
    pub write_bytes_per_s: Option<u64>,
}

impl RateLimits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The first limit that is not allowed: its name, and what is.
    pub fn refused(&self) -> Option<(&'static str, String)> {
        let requests = [
            ("read_requests_per_s", self.read_requests_per_s),
            ("write_requests_per_s", self.write_requests_per_s),
        ];
        let bytes =
            [("read_bytes_per_s", self.read_bytes_per_s), ("write_bytes_per_s", self.write_bytes_per_s)];
        let is_refused = |limit: Option<u64>, max| limit.is_some_and(|limit| !(1..=max).contains(&limit));
        let max = limits::RATE_REQUESTS_MAX;
        let too_much = requests.iter().find(|(_, limit)| is_refused(*limit, max));
        too_much.map(|(name, _)| (*name, format!("is not within 1 to {max}; null is no limit"))).or_else(
            || {
                let zero = bytes.iter().find(|(_, limit)| is_refused(*limit, u64::MAX));
                zero.map(|(name, _)| (*name, "is not at least 1; null is no limit".to_owned()))
            },
        )
    }
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
    /// Whether pages of the allowed origins may send credentials (cookies, client certificates, HTTP authentication):
    /// `Access-Control-Allow-Credentials: true`. Only where every allowed origin is listed by its name, without `*`.
    pub allow_credentials: bool,
}

impl CorsPolicy {
    /// The first member that is not allowed: its name, and why. With credentials browsers take `*` for a name (Fetch
    /// standard, section 3.3.5), and `null` is the origin of any sandboxed page.
    pub fn refused(&self) -> Option<(&'static str, &'static str)> {
        if !self.allow_credentials {
            return None;
        }
        let has = |list: &[String], text: &str| list.iter().any(|entry| entry == text);
        let wildcard = "has `*`, which allow_credentials does not permit: list each by its name";
        if has(&self.allowed_origins, "*") {
            return Some(("allowed_origins", wildcard));
        }
        if has(&self.allowed_origins, "null") {
            let why =
                "has `null`, which any page can have as its origin: allow_credentials does not permit it";
            return Some(("allowed_origins", why));
        }
        if has(&self.allowed_methods, "*") {
            return Some(("allowed_methods", wildcard));
        }
        has(&self.exposed_headers, "*").then_some(("exposed_headers", wildcard))
    }
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
            allow_credentials: false,
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
