//! What a handler may know of the connection that its request came on.

use super::body_phase::BodyPhase;
use crate::{policy::LastPolicy, verified::Verified};
use std::{fmt, net::SocketAddr};

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1; the request says which.
    Http1,
    /// HTTP/2, by prior knowledge or ALPN.
    Http2,
}

impl Protocol {
    /// As a label and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }
}

/// A connection's number since the process started, for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The connection of a request.
#[derive(Debug)]
pub struct ConnInfo {
    /// Which connection.
    pub id: ConnectionId,
    /// The other end's address: the nearest proxy, if there is one.
    pub peer: SocketAddr,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether request bodies are being received on it.
    pub body_phase: BodyPhase,
    /// The credential that its last requests were allowed by.
    pub(crate) verified: Verified,
    /// The namespace that its last request was about.
    pub(crate) policy: LastPolicy,
}

impl ConnInfo {
    /// A connection on which nothing was asked yet.
    pub fn new(id: ConnectionId, peer: SocketAddr, protocol: Protocol) -> Self {
        Self {
            id,
            peer,
            protocol,
            body_phase: BodyPhase::default(),
            verified: Verified::default(),
            policy: LastPolicy::default(),
        }
    }
}
