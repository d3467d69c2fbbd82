//! Whether a connection is receiving a request body, which is when its input is acknowledged at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A connection's count of request bodies that are being read.
///
/// Small chunked uploads on a kept connection stall some 40 ms each while Nagle's algorithm at the sender waits for an
/// acknowledgement that the receiver delays. While a body is received the delay is off; a connection that only GETs
/// pays no system call for it. The server itself marks every body from its request's header until its end or drop;
/// handlers need not.
#[derive(Debug, Clone, Default)]
pub struct BodyPhase(Arc<AtomicUsize>);

impl BodyPhase {
    /// Begins to receive; it ends when what is returned is dropped.
    pub fn receive(&self) -> Receiving {
        self.0.fetch_add(1, Ordering::Relaxed);
        Receiving(self.clone())
    }

    /// Whether any body is being received.
    pub fn is_receiving(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// A body that is being received.
#[derive(Debug)]
pub struct Receiving(BodyPhase);

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
