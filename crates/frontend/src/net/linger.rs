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
            let room = READ_BYTES.min(bytes_max - discarded);
            match stream.read(&mut buffer[..room]).await {
                Ok(0) | Err(_) => return,
                Ok(bytes) => discarded += bytes,
            }
        }
    };
    // That time ran out is one of the ways in which it ends.
    let _ = tokio::time::timeout(timeout, discard).await;
    discarded
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::DuplexStream;

    const MAX: usize = 1024 * 1024;
    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(10);

    impl NetStream for DuplexStream {}

    #[tokio::test]
    async fn input_is_discarded_up_to_the_limit_and_not_one_byte_past_it() {
        for (sent, left) in [(MAX - 1, 0), (MAX, 0), (MAX + 1, 1)] {
            let (mut ours, mut theirs) = tokio::io::duplex(2 * MAX);
            theirs.write_all(&vec![0; sent]).await.unwrap();
            if sent < MAX {
                theirs.shutdown().await.unwrap();
            }
            assert_eq!(linger(&mut ours, MAX, PATIENCE).await, sent - left);
            drop(theirs);
            let mut unread = Vec::new();
            assert_eq!(ours.read_to_end(&mut unread).await.unwrap(), left, "of {sent}");
        }
    }
}
