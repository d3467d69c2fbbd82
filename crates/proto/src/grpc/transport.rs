//! The two ends of a connection, with the limits of [`super::limits`].

use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};

use super::limits::{
    CONNECT_TIMEOUT, CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT,
    PENDING_RESETS_MAX, STREAM_WINDOW_BYTES, STREAMS_PER_CONNECTION_MAX,
};

/// An address that names no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("address {address:?} is not of the form host:port")]
pub struct AddressError {
    /// What was given.
    pub address: String,
}

/// The client's end of a connection to `host:port`: for those who bring a connector of their own.
pub fn endpoint(address: &str) -> Result<Endpoint, AddressError> {
    let malformed = || AddressError { address: address.to_owned() };
    let authority = address.parse::<tonic::codegen::http::uri::Authority>().map_err(|_| malformed())?;
    if authority.port_u16().is_none() || address.contains('@') {
        return Err(malformed());
    }
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| malformed())?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        // Late frames of calls that we gave up count as errors of the peer and are never forgiven; past the default
        // of 1024 the connection would be closed under every other call.
        .http2_max_local_error_reset_streams(None)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

/// A channel to `host:port` that connects when it is first used, and again whenever its connection is lost. Must be
/// called within a runtime.
pub fn channel(address: &str) -> Result<Channel, AddressError> {
    Ok(endpoint(address)?.connect_lazy())
}

/// The server's end of connections. Serve it with [`incoming`].
pub fn server_builder() -> Server {
    Server::builder()
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
        // As on the client's end: a refused upload goes on arriving for a moment.
        .http2_max_local_error_reset_streams(None)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}

/// Accepted connections of a listener, with the socket options that [`server_builder`] cannot set on them.
pub fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["127.0.0.1:7000", "[::1]:7000", "node-1.headwater.svc:7000"] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in
            ["", "host", "host:", "host:70000", "http://host:7000", "host:7000/path", "a@host:7000", "a b:1"]
        {
            assert_eq!(endpoint(bad).err().map(|e| e.address).as_deref(), Some(bad));
        }
    }
}
