//! The first bytes of a connection: which protocol is spoken, before any parser sees them.

use super::{acceptor::NetStream, config::NetConfig, info::Protocol, metrics::Deadline};
use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncReadExt, time::timeout};

/// How an HTTP/2 connection begins (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Enough for most requests' header blocks, so that one read serves both the look and the parser.
const FIRST_READ_BYTES: usize = 1024;

/// Why a connection ended before a protocol was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SniffError {
    /// A deadline passed.
    Expired(Deadline),
    /// The peer closed.
    Gone,
}

/// Reads until the protocol is known. Returns it with what was read.
pub(super) async fn sniff<S: NetStream>(
    stream: &mut S,
    config: &NetConfig,
) -> Result<(Protocol, Bytes), SniffError> {
    let mut read = BytesMut::with_capacity(FIRST_READ_BYTES);
    match timeout(config.first_byte_timeout, stream.read_buf(&mut read)).await {
        Ok(Ok(1..)) => {}
        Ok(_) => return Err(SniffError::Gone),
        Err(_) => return Err(SniffError::Expired(Deadline::FirstByte)),
    }
    let decide = async {
        loop {
            let seen = read.len().min(HTTP2_PREFACE.len());
            if read[..seen] != HTTP2_PREFACE[..seen] {
                return Ok(Protocol::Http1);
            }
            if seen == HTTP2_PREFACE.len() {
                return Ok(Protocol::Http2);
            }
            if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                return Err(SniffError::Gone);
            }
        }
    };
    let protocol = timeout(config.header_read_timeout, decide)
        .await
        .unwrap_or(Err(SniffError::Expired(Deadline::Header)))?;
    Ok((protocol, read.freeze()))
}
