//! Where connections come from: a TCP listener here, TLS or a simulated network elsewhere.

use std::{future::Future, io, net::SocketAddr};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_sockets_send_at_once() {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = Acceptor::accept(&mut listener).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(stream.nodelay().unwrap());
    }
}
