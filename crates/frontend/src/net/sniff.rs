//! The first bytes of a connection: which protocol is spoken, before any parser sees them.

use super::{
    acceptor::NetStream,
    config::NetConfig,
    info::Protocol,
    metrics::Deadline,
    order::{Accepted, Place},
};
use bytes::{Bytes, BytesMut};
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Poll, ready},
};
use tokio::{io::ReadBuf, time::timeout};

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

/// Reads until the protocol is known. Returns it with what was read, and the place of the request that the first bytes
/// begin: none if they are only empty lines.
pub(super) async fn sniff<S: NetStream>(
    accepted: &Accepted<S>,
    config: &NetConfig,
) -> Result<(Protocol, Bytes, Option<Place>), SniffError> {
    let mut read = BytesMut::zeroed(FIRST_READ_BYTES);
    let first = poll_fn(|cx| {
        let mut buf = ReadBuf::new(&mut read);
        let place = ready!(accepted.poll_first(cx, &mut buf));
        Poll::Ready(place.map(|place| (buf.filled().len(), place)))
    });
    let place = match timeout(config.first_byte_timeout, first).await {
        Ok(Ok((bytes @ 1.., place))) => {
            read.truncate(bytes);
            place
        }
        Ok(_) => return Err(SniffError::Gone),
        Err(_) => return Err(SniffError::Expired(Deadline::FirstByte)),
    };
    let stream = accepted.stream();
    let decide = async {
        loop {
            let seen = read.len().min(HTTP2_PREFACE.len());
            if read[..seen] != HTTP2_PREFACE[..seen] {
                return Ok(Protocol::Http1);
            }
            if seen == HTTP2_PREFACE.len() {
                return Ok(Protocol::Http2);
            }
            let mut bytes = [0; HTTP2_PREFACE.len()];
            let more = poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut bytes);
                let polled = ready!(Pin::new(&mut *stream.lock()).poll_read(cx, &mut buf));
                Poll::Ready(polled.map(|()| buf.filled().len()))
            });
            match more.await {
                Ok(more @ 1..) => read.extend_from_slice(&bytes[..more]),
                _ => return Err(SniffError::Gone),
            }
        }
    };
    let protocol = timeout(config.header_read_timeout, decide)
        .await
        .unwrap_or(Err(SniffError::Expired(Deadline::Header)))?;
    Ok((protocol, read.freeze(), place))
}
