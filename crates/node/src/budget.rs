//! Memory for bodies that are arriving at this node, bounded by refusing new ones.

use headwater_proto::StorageError;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Counts the bytes of arriving bodies. What was let in goes on, so nothing half read waits for memory.
#[derive(Debug)]
pub struct Inflight {
    used: AtomicU64,
    limit: u64,
}

/// The bytes of one arriving body; gives them back when dropped.
#[derive(Debug)]
pub struct Charge {
    inflight: Arc<Inflight>,
    bytes: u64,
}

impl Inflight {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), limit })
    }

    /// Bytes that are arriving now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Lets a body of about `expected` bytes in, or refuses it.
    pub fn admit(self: &Arc<Self>, expected: u64) -> Result<Charge, StorageError> {
        let used = self.used();
        if used > 0 && used.saturating_add(expected) > self.limit {
            let limit = self.limit;
            return Err(StorageError::Overloaded(format!(
                "{used} bytes are arriving at this node; {expected} more would pass its limit of {limit}"
            )));
        }
        Ok(Charge { inflight: self.clone(), bytes: 0 })
    }
}

impl Charge {
    /// Counts bytes that arrived.
    pub fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.inflight.used.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.inflight.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_up_to_the_limit_and_gives_back() {
        let inflight = Inflight::new(100);
        let mut first = inflight.admit(60).unwrap();
        first.add(60);
        assert!(inflight.admit(40).is_ok());
        assert!(matches!(inflight.admit(41), Err(StorageError::Overloaded(_))));
        drop(first);
        assert_eq!(inflight.used(), 0);
        assert!(inflight.admit(101).is_ok(), "one body alone is always let in");
    }
}
