//! A close that lets the peer read the last answer.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::acceptor::NetStream;

const READ_BYTES: usize = 16 * 1024;

/// Closes our direction, then reads and discards until the peer closes its own, `bytes_max` came or `timeout` passed.
/// Returns the bytes discarded.
///
/// A socket that is closed with unread input makes the kernel send a reset, at which the peer's kernel may fail the
/// peer's writes, or drop our answer, before the peer has read it: a client that is still sending its body would never
/// see its 401 or 413 (RFC 9112 section 9.6).
pub(super) async fn linger<S: NetStream>(stream: &mut S, bytes_max: usize, timeout: Duration) -> usize {
    let mut discarded = 0;
    let discard = async {
        // Already shut or already gone: either way the reads tell what is next.
        let _ = stream.shutdown().await;
        let mut buffer = vec![0; READ_BYTES];
        while discarded < bytes_max {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(bytes) => discarded += bytes,
            }
        }
    };
    // That time ran out is one of the ways in which it ends.
    let _ = tokio::time::timeout(timeout, discard).await;
    discarded
}
