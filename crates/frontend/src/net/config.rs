//! What bounds a connection: every deadline, size and count, with its default.

use headwater_types::limits::{CHUNK_BYTES, HEADER_BYTES_MAX, HEADER_COUNT_MAX};
use std::time::Duration;

/// Largest window HTTP/2 knows (RFC 9113 section 6.9.1).
const HTTP2_WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;
/// Frame sizes that HTTP/2 allows (RFC 9113 section 4.2).
const HTTP2_FRAME_BYTES: std::ops::RangeInclusive<u32> = (1 << 14)..=((1 << 24) - 1);

/// Bounds of a listener and its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetConfig {
    /// Connections open at once, without those that linger. One more is accepted and closed at once: a load balancer
    /// sees a clear refusal and tries the next frontend, which it would not do while it waits in a backlog.
    /// Default 20,000.
    pub connections_max: usize,
    /// From the accept to the first byte, a TLS handshake included. Default 10 s.
    pub first_byte_timeout: Duration,
    /// From the first byte of a request to the end of its header block; over HTTP/2 also of the preface. Default 10 s.
    pub header_read_timeout: Duration,
    /// From the end of an answer to the first byte of the next request, or over HTTP/2 without a stream. Default 65 s:
    /// longer than the 60 s of common load balancers, so that it is they who close.
    pub keep_alive_idle: Duration,
    /// How long the peer may take none of the bytes that wait to be written; over HTTP/2 also how long a stream's window
    /// may leave no room for the next piece of its response. Default 60 s.
    pub write_stall_timeout: Duration,
    /// Request line and header block: larger ones are answered 431. HTTP/2 counts 32 bytes more for each field
    /// (RFC 9113 section 6.5.2). Default 32 KiB.
    pub header_bytes_max: usize,
    /// Fields of a header block: more are answered 431. Default 100.
    pub header_count_max: usize,
    /// Bounds of the lingering close.
    pub linger: LingerConfig,
    /// How long requests in flight may go on after the shutdown began. Default 15 s.
    pub drain_timeout: Duration,
    /// HTTP/2 only.
    pub http2: Http2Config,
}

/// Bounds of the lingering close: how long, and how much of, the input of a connection is discarded after its last answer
/// (RFC 9112 section 9.6).
///
/// Many clients send their whole body before they read, proxies that buffer requests among them. If the connection is
/// reset meanwhile, they report a broken pipe instead of the answer, and a proxy marks the server as down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LingerConfig {
    /// The connection is closed once the client has sent nothing for this long. Default 2 s.
    pub silence: Duration,
    /// The connection is closed after this long, whatever the client sends. Default 15 s.
    pub time: Duration,
    /// The connection is closed after this many bytes of discarded input. Default 64 MiB.
    pub bytes_max: usize,
    /// Connections that linger at once. If one more was answered before its body had ended, it closes the one that has
    /// lingered longest, those that ended in another way first; any other is closed at once. Each takes a buffer of 16 KiB
    /// and a file descriptor, beside those of `connections_max`. 0: none lingers. Default 1,024.
    pub connections_max: usize,
}

/// Bounds of an HTTP/2 connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2Config {
    /// Requests at once on one connection. Default 250.
    pub concurrent_streams_max: u32,
    /// Streams that the peer reset before we took them up; more end the connection (CVE-2023-44487). Default 20.
    pub pending_reset_streams_max: usize,
    /// Streams that we reset for the peer's errors; more end the connection (RUSTSEC-2024-0003). Default 256.
    pub local_error_reset_streams_max: usize,
    /// Bytes of one request body that may be under way unread. Default 1 MiB: 160 Mbit/s at a round trip of 50 ms.
    pub stream_window_bytes: u32,
    /// The same for all bodies of a connection. Default 4 MiB.
    pub connection_window_bytes: u32,
    /// Largest frame that the peer may send. Default 64 KiB.
    pub frame_bytes_max: u32,
    /// Bytes of one response that wait for the peer's window. Default one chunk, 256 KiB.
    pub send_buffer_bytes_max: usize,
    /// Between pings. Default 20 s.
    pub ping_interval: Duration,
    /// From a ping to its answer, after which the connection is closed. Default 20 s.
    pub ping_timeout: Duration,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            first_byte_timeout: Duration::from_secs(10),
            header_read_timeout: Duration::from_secs(10),
            keep_alive_idle: Duration::from_secs(65),
            write_stall_timeout: Duration::from_secs(60),
            header_bytes_max: HEADER_BYTES_MAX,
            header_count_max: HEADER_COUNT_MAX,
            linger: LingerConfig::default(),
            drain_timeout: Duration::from_secs(15),
            http2: Http2Config::default(),
        }
    }
}

impl Default for LingerConfig {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(2),
            time: Duration::from_secs(15),
            bytes_max: 64 * 1024 * 1024,
            connections_max: 1024,
        }
    }
}

impl Default for Http2Config {
    fn default() -> Self {
        Self {
            concurrent_streams_max: 250,
            pending_reset_streams_max: 20,
            local_error_reset_streams_max: 256,
            stream_window_bytes: 1024 * 1024,
            connection_window_bytes: 4 * 1024 * 1024,
            frame_bytes_max: 64 * 1024,
            send_buffer_bytes_max: CHUNK_BYTES,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// A setting that cannot be served with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {given}, allowed is {allowed}")]
pub struct NetConfigError {
    /// Which setting.
    pub setting: &'static str,
    /// What it was set to.
    pub given: u64,
    /// What it may be.
    pub allowed: String,
}

impl NetConfig {
    /// Whether it can be served with.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn validate(&self) -> Result<(), NetConfigError> {
        let http2 = &self.http2;
        within("connections_max", self.connections_max as u64, 1..=1_000_000)?;
        // hyper reads a header block into at most 408 KiB.
        within("header_bytes_max", self.header_bytes_max as u64, 1024..=400 * 1024)?;
        within("header_count_max", self.header_count_max as u64, 1..=1000)?;
        within("linger.connections_max", self.linger.connections_max as u64, 0..=1_000_000)?;
        for (setting, value) in [
            ("first_byte_timeout", self.first_byte_timeout),
            ("header_read_timeout", self.header_read_timeout),
            ("keep_alive_idle", self.keep_alive_idle),
            ("write_stall_timeout", self.write_stall_timeout),
            ("linger.silence", self.linger.silence),
            ("linger.time", self.linger.time),
            ("http2.ping_interval", http2.ping_interval),
            ("http2.ping_timeout", http2.ping_timeout),
        ] {
            // In milliseconds, up to a day.
            within(setting, u64::try_from(value.as_millis()).unwrap_or(u64::MAX), 1..=86_400_000)?;
        }
        let window = 1..=u64::from(HTTP2_WINDOW_BYTES_MAX);
        within("http2.stream_window_bytes", http2.stream_window_bytes.into(), window.clone())?;
        within("http2.connection_window_bytes", http2.connection_window_bytes.into(), window)?;
        let frame = u64::from(*HTTP2_FRAME_BYTES.start())..=u64::from(*HTTP2_FRAME_BYTES.end());
        within("http2.frame_bytes_max", http2.frame_bytes_max.into(), frame)?;
        within("http2.concurrent_streams_max", http2.concurrent_streams_max.into(), 1..=u32::MAX.into())?;
        within("http2.send_buffer_bytes_max", http2.send_buffer_bytes_max as u64, 1..=u32::MAX.into())
    }
}

fn within(
    setting: &'static str,
    given: u64,
    allowed: std::ops::RangeInclusive<u64>,
) -> Result<(), NetConfigError> {
    if allowed.contains(&given) {
        return Ok(());
    }
    let allowed = format!("{} to {}", allowed.start(), allowed.end());
    Err(NetConfigError { setting, given, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_ranges_end_where_they_say() {
        let config = NetConfig::default();
        assert_eq!(config.validate(), Ok(()));

        assert_eq!(NetConfig { connections_max: 1, ..config.clone() }.validate(), Ok(()));
        let error = NetConfig { connections_max: 0, ..config.clone() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "connections_max is 0, allowed is 1 to 1000000");

        let frames = |frame_bytes_max| NetConfig {
            http2: Http2Config { frame_bytes_max, ..Http2Config::default() },
            ..NetConfig::default()
        };
        assert!(frames((1 << 14) - 1).validate().is_err());
        assert!(frames(1 << 14).validate().is_ok());
        assert!(frames((1 << 24) - 1).validate().is_ok());
        assert!(frames(1 << 24).validate().is_err());
    }
}
