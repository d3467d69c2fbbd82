//! What an operator sets for a frontend.

use headwater_types::ZoneName;
use ipnet::IpNet;
use std::time::Duration;

/// What an upload takes of memory beside its body, which counts for the ingest budget too: its connection's read buffer of
/// 64 KiB, and the state of the request and of the write. Measured: 120 KiB.
pub const UPLOAD_OVERHEAD_BYTES: u64 = 128 * 1024;

/// Settings of the data plane of one frontend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontendConfig {
    /// Bytes of request bodies that may be held at once, each with [`UPLOAD_OVERHEAD_BYTES`] more. Default 512 MiB.
    pub ingest_budget_bytes: u64,
    /// Bytes of bodies of other processes' nodes that are kept for the next readers; 0: none. Default 256 MiB.
    pub near_cache_bytes: u64,
    /// How long a PUT waits for ingest budget before it is refused as overloaded. Default 2 s.
    pub ingest_wait: Duration,
    /// How long an authorised request's body may stand still, and how long the range of an arriving object may wait for its
    /// first byte. Default 60 s.
    pub body_idle: Duration,
    /// Time in which a read must begin to be answered. Default 6 s.
    pub read_budget: Duration,
    /// Silence of a member after which a read is hedged to another, where the hedge budget allows. Default 80 ms.
    pub hedge_after: Duration,
    /// Silence of a member after which the other is asked whatever the hedge budget says. Default 1 s.
    pub silent_after: Duration,
    /// The frontend's own zone, whose members are asked first. `None`: no preference.
    pub zone: Option<ZoneName>,
    /// Proxies whose `X-Forwarded-For` is believed, for keys that say from where they may be used. Default: none, so
    /// that the client is whoever has connected.
    pub trusted_proxies: Vec<IpNet>,
    /// Silence of the metadata after which no credential is accepted any more, since it may have been revoked meanwhile.
    /// Default `None`: what is known stays good, so that the data plane outlives the metadata.
    pub auth_max_staleness: Option<Duration>,
}

impl Default for FrontendConfig {
    fn default() -> Self {
        Self {
            ingest_budget_bytes: 512 * 1024 * 1024,
            near_cache_bytes: 256 * 1024 * 1024,
            ingest_wait: Duration::from_secs(2),
            body_idle: Duration::from_secs(60),
            read_budget: Duration::from_secs(6),
            hedge_after: Duration::from_millis(80),
            silent_after: Duration::from_secs(1),
            zone: None,
            trusted_proxies: Vec::new(),
            auth_max_staleness: None,
        }
    }
}
