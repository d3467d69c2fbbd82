//! Where connections come from: a TCP listener here, TLS or a simulated network elsewhere.

use std::{future::Future, io, net::SocketAddr};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

#[cfg(unix)]
use super::order::first_of_request;

/// Looked at for the first byte of a request: more than the empty lines that a client may send before it.
#[cfg(unix)]
const PEEKED_BYTES: usize = 16;

/// A source of connections.
pub trait Acceptor: Send + 'static {
    /// What it yields.
    type Stream: NetStream;

    /// The next connection and its peer's address. Must be cancel-safe: a dropped call loses no connection. A handshake
    /// belongs into the stream's first read, where it holds up nobody else and the first-byte deadline covers it.
    ///
    /// # Errors
    /// Whatever the system says; the caller waits a little and calls again.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

/// One connection's bytes.
pub trait NetStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Acknowledges what was received now instead of some 40 ms later (`TCP_QUICKACK`). The kernel forgets it, so it is
    /// called again after reads. Does nothing where there is no such thing.
    fn acknowledge_now(&self) {}

    /// Whether bytes of a request wait to be read, without reading them. A stream that cannot tell says no: it is then
    /// known when they are read. Bytes of a handshake and empty lines do not count.
    fn has_input(&self) -> bool {
        false
    }
}

impl Acceptor for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Fails only on a connection that is gone already, which the first read will tell.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer))
    }
}

impl NetStream for TcpStream {
    #[cfg(target_os = "linux")]
    fn acknowledge_now(&self) {
        // Only costs time if it fails.
        let _ = self.set_quickack(true);
    }

    #[cfg(unix)]
    fn has_input(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        // Asks the system: the runtime may not have been told yet.
        let mut first = [0u8; PEEKED_BYTES];
        let peeked = recv(self, &mut first[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        peeked.is_ok_and(|(bytes, _)| first_of_request(&first[..bytes]).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_socket_tells_of_bytes_that_wait() {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, _) = Acceptor::accept(&mut listener).await.unwrap();
        assert!(!stream.has_input());
        client.write_all(b"\r\n").await.unwrap();
        stream.readable().await.unwrap();
        assert!(!stream.has_input(), "an empty line is no request");
        client.write_all(b"P").await.unwrap();
        while !stream.has_input() {
            tokio::task::yield_now().await;
        }
        let mut read = [0; 3];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"\r\nP", "it was not read");
        assert!(!stream.has_input());
        drop(client);
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        assert!(!stream.has_input(), "an end is no request");
    }

    #[tokio::test]
    async fn accepted_sockets_send_at_once() {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = Acceptor::accept(&mut listener).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(stream.nodelay().unwrap());
    }
}
