//! The connections of one client to one address.

use std::sync::atomic::{AtomicUsize, Ordering};
use tonic::transport::Channel;

use super::{
    limits::BULK_CONNECTIONS,
    transport::{AddressError, channel},
};

/// One connection for small messages, so that they never wait behind large bodies, and a few for those: one
/// connection is one TCP stream and one task, which large bodies saturate.
#[derive(Debug)]
pub(super) struct Pool {
    small: Channel,
    bulk: Vec<Channel>,
    next: AtomicUsize,
}

impl Pool {
    /// To `host:port`. Connects nothing yet.
    pub(super) fn new(address: &str) -> Result<Self, AddressError> {
        let bulk = (0..BULK_CONNECTIONS).map(|_| channel(address)).collect::<Result<_, _>>()?;
        Ok(Self { small: channel(address)?, bulk, next: AtomicUsize::new(0) })
    }

    /// For messages that are known to be small.
    pub(super) fn small(&self) -> Channel {
        self.small.clone()
    }

    /// For bodies.
    pub(super) fn bulk(&self) -> Channel {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.bulk[turn % self.bulk.len()].clone()
    }
}
