//! A close that lets the peer read the last answer.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{acceptor::NetStream, config::LingerConfig, lingering::LingerPlace};

const READ_BYTES: usize = 16 * 1024;

/// What ended a lingering close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LingerEnd {
    /// The peer closed its direction, or the connection broke.
    Closed,
    /// The peer sent nothing for [`LingerConfig::silence`].
    Silence,
    /// [`LingerConfig::time`] passed.
    Time,
    /// [`LingerConfig::bytes_max`] bytes came.
    Bytes,
    /// A later connection, whose input was left unread, took the place: [`LingerConfig::connections_max`] lingered.
    Displaced,
}

impl LingerEnd {
    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Silence => "silence",
            Self::Time => "time",
            Self::Bytes => "bytes",
            Self::Displaced => "displaced",
        }
    }
}

/// Closes our direction, then reads and discards within `limits` until the peer closes its own, as long as `place` is
/// held. Returns the number of bytes discarded, and what ended it.
///
/// A socket that is closed with unread input makes the kernel send a reset, at which the peer's kernel may fail the
/// peer's writes, or drop our answer, before the peer has read it: a client that is still sending its body would never
/// see its 401 or 413 (RFC 9112 section 9.6).
pub(super) async fn linger<S: NetStream>(
    stream: &mut S,
    limits: &LingerConfig,
    place: &LingerPlace,
) -> (usize, LingerEnd) {
    let mut discarded = 0;
    let discard = async {
        // A stream that is shut already, or broken, tells the reads what is next.
        let _ = stream.shutdown().await;
        let mut buffer = vec![0; READ_BYTES];
        while discarded < limits.bytes_max {
            let room = READ_BYTES.min(limits.bytes_max - discarded);
            match timeout(limits.silence, stream.read(&mut buffer[..room])).await {
                Err(_) => return LingerEnd::Silence,
                Ok(Ok(0) | Err(_)) => return LingerEnd::Closed,
                Ok(Ok(bytes)) => discarded += bytes,
            }
        }
        LingerEnd::Bytes
    };
    let end = tokio::select! {
        biased;
        () = place.displaced() => LingerEnd::Displaced,
        end = timeout(limits.time, discard) => end.unwrap_or(LingerEnd::Time),
    };
    (discarded, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::lingering::{Lingering, Reason};
    use std::{sync::Arc, time::Duration};
    use tokio::io::DuplexStream;

    const MAX: usize = 1024 * 1024;
    const SILENCE: Duration = Duration::from_secs(2);
    const TIME: Duration = Duration::from_secs(15);

    impl NetStream for DuplexStream {}

    fn limits() -> LingerConfig {
        LingerConfig { silence: SILENCE, time: TIME, bytes_max: MAX, connections_max: 1 }
    }

    fn place() -> LingerPlace {
        Arc::new(Lingering::new(1)).enter(Reason::Unread).unwrap()
    }

    #[tokio::test]
    async fn input_is_discarded_up_to_the_limit_and_not_one_byte_past_it() {
        for (sent, left, end) in
            [(MAX - 1, 0, LingerEnd::Closed), (MAX, 0, LingerEnd::Bytes), (MAX + 1, 1, LingerEnd::Bytes)]
        {
            let (mut ours, mut theirs) = tokio::io::duplex(2 * MAX);
            theirs.write_all(&vec![0; sent]).await.unwrap();
            if sent < MAX {
                theirs.shutdown().await.unwrap();
            }
            assert_eq!(linger(&mut ours, &limits(), &place()).await, (sent - left, end));
            drop(theirs);
            let mut unread = Vec::new();
            assert_eq!(ours.read_to_end(&mut unread).await.unwrap(), left, "of {sent}");
        }
    }

    /// How long a peer that sends a byte each `pause` is listened to, by the paused clock of the test.
    async fn trickle(pause: Duration) -> (usize, LingerEnd) {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                if theirs.write_all(&[0]).await.is_err() {
                    return;
                }
            }
        });
        linger(&mut ours, &limits(), &place()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_may_be_silent_up_to_the_limit_and_is_left_once_past_it() {
        const MILLI: Duration = Duration::from_millis(1);
        // As often as fits into the whole time.
        let (bytes, end) = trickle(SILENCE - MILLI).await;
        assert_eq!((bytes, end), (7, LingerEnd::Time));
        assert_eq!(trickle(SILENCE + MILLI).await, (0, LingerEnd::Silence));
    }

    #[tokio::test(start_paused = true)]
    #[expect(clippy::disallowed_methods, reason = "the paused clock of the test's runtime")]
    async fn a_peer_that_never_stops_is_left_after_the_whole_time() {
        let begun = tokio::time::Instant::now();
        let (bytes, end) = trickle(Duration::from_secs(1)).await;
        assert_eq!(end, LingerEnd::Time);
        assert!((14..=15).contains(&bytes), "{bytes}");
        assert_eq!(begun.elapsed(), TIME);
    }
}
