//! `[http]`: what bounds the connections and bodies of a data plane.

use headwater_frontend::{
    FrontendConfig,
    net::{LingerConfig, NetConfig},
};
use headwater_types::limits;
use serde::{Deserialize, Serialize};
use std::{ops::RangeInclusive, time::Duration};

use super::{ConfigError, value};

/// A day: what stands still longer is never heard of again.
const SECONDS_MAX: u64 = 86_400;
/// As many as one address has ports for, many times over.
const CONNECTIONS_MAX: usize = 1_000_000;
/// The largest object that any namespace may allow.
const LINGER_BYTES_MAX: usize = limits::OBJECT_BYTES_MAX as usize;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpLow {
    connections_max: usize,
    header_timeout_s: u64,
    keep_alive_idle_s: u64,
    body_idle_s: u64,
    write_stall_s: u64,
    drain_s: u64,
    linger_silence_s: u64,
    linger_s: u64,
    linger_bytes_max: usize,
    linger_connections_max: usize,
}

impl Default for HttpLow {
    fn default() -> Self {
        let net = NetConfig::default();
        Self {
            connections_max: net.connections_max,
            header_timeout_s: net.header_read_timeout.as_secs(),
            keep_alive_idle_s: net.keep_alive_idle.as_secs(),
            body_idle_s: FrontendConfig::default().body_idle.as_secs(),
            write_stall_s: net.write_stall_timeout.as_secs(),
            drain_s: net.drain_timeout.as_secs(),
            linger_silence_s: net.linger.silence.as_secs(),
            linger_s: net.linger.time.as_secs(),
            linger_bytes_max: net.linger.bytes_max,
            linger_connections_max: net.linger.connections_max,
        }
    }
}

/// The bounds of a data plane, ready to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReady {
    /// Of connections.
    pub net: NetConfig,
    /// How long the body of an authorized request may stand still.
    pub body_idle: Duration,
}

impl Default for HttpReady {
    fn default() -> Self {
        Self { net: NetConfig::default(), body_idle: FrontendConfig::default().body_idle }
    }
}

impl HttpLow {
    pub fn ready(self) -> Result<HttpReady, ConfigError> {
        count("http.connections_max", self.connections_max, 1..=CONNECTIONS_MAX)?;
        count("http.linger_connections_max", self.linger_connections_max, 0..=CONNECTIONS_MAX)?;
        count("http.linger_bytes_max", self.linger_bytes_max, 0..=LINGER_BYTES_MAX)?;
        let header = seconds("http.header_timeout_s", self.header_timeout_s, 1..=SECONDS_MAX)?;
        let net = NetConfig {
            connections_max: self.connections_max,
            first_byte_timeout: header,
            header_read_timeout: header,
            keep_alive_idle: seconds("http.keep_alive_idle_s", self.keep_alive_idle_s, 1..=SECONDS_MAX)?,
            write_stall_timeout: seconds("http.write_stall_s", self.write_stall_s, 1..=SECONDS_MAX)?,
            drain_timeout: seconds("http.drain_s", self.drain_s, 0..=SECONDS_MAX)?,
            linger: LingerConfig {
                silence: seconds("http.linger_silence_s", self.linger_silence_s, 1..=SECONDS_MAX)?,
                time: seconds("http.linger_s", self.linger_s, 1..=SECONDS_MAX)?,
                bytes_max: self.linger_bytes_max,
                connections_max: self.linger_connections_max,
            },
            ..NetConfig::default()
        };
        let body_idle = seconds("http.body_idle_s", self.body_idle_s, 1..=SECONDS_MAX)?;
        Ok(HttpReady { net, body_idle })
    }
}

fn count(key: &'static str, given: usize, allowed: RangeInclusive<usize>) -> Result<(), ConfigError> {
    if allowed.contains(&given) {
        return Ok(());
    }
    Err(value(key, given, format!("{} to {}", allowed.start(), allowed.end())))
}

fn seconds(key: &'static str, given: u64, allowed: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
    if allowed.contains(&given) {
        return Ok(Duration::from_secs(given));
    }
    Err(value(key, given, format!("{} to {} seconds", allowed.start(), allowed.end())))
}
