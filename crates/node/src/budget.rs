//! Memory for bodies that are arriving at this node, bounded by refusing new ones.

use headwater_proto::StorageError;
use headwater_types::{
    MediaClass,
    limits::{CHUNK_BYTES, DEBT_SHARE},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Classes of objects, each with an expectation of its own.
const CLASSES: usize = 4;

/// Counts the bytes of bodies from their first one until they are stored or given up. They are reserved when a body is
/// let in; what was let in goes on, so nothing half read waits for memory. A body that outgrows its reservation is
/// refused when too many do.
#[derive(Debug)]
pub struct Inflight {
    used: AtomicU64,
    limit: u64,
    /// How large bodies of unknown length were lately, by class.
    expected: [AtomicU64; CLASSES],
}

/// The bytes of one body; gives them back when dropped.
#[derive(Debug)]
pub struct Charge {
    inflight: Arc<Inflight>,
    /// What the budget counts for it.
    reserved: u64,
    arrived: u64,
    /// Its class, if its size was not known.
    unknown: Option<MediaClass>,
}

impl Inflight {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Arc<Self> {
        let expected = std::array::from_fn(|_| AtomicU64::new(CHUNK_BYTES as u64));
        Arc::new(Self { used: AtomicU64::new(0), limit, expected })
    }

    /// Bytes that are arriving now, or are reserved for it.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Lets a body of `bytes` bytes in, or refuses it. One body alone is always let in.
    pub fn admit(self: &Arc<Self>, bytes: u64) -> Result<Charge, StorageError> {
        let fits = |used: u64| {
            let after = used.saturating_add(bytes);
            (used == 0 || after <= self.limit).then_some(after)
        };
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Charge { inflight: self.clone(), reserved: bytes, arrived: 0, unknown: None }),
            Err(used) => {
                let limit = self.limit;
                Err(StorageError::Overloaded(format!(
                    "{used} bytes are arriving at this node; {bytes} more would pass its limit of {limit}"
                )))
            }
        }
    }

    /// Counts a body that must be taken, whatever there is.
    pub fn take(self: &Arc<Self>, bytes: u64) -> Charge {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Charge { inflight: self.clone(), reserved: bytes, arrived: 0, unknown: None }
    }

    /// Lets a body in of which only the class and the largest size may be known: as large as others of its class were.
    pub fn admit_body(
        self: &Arc<Self>,
        class: MediaClass,
        size: Option<u64>,
        size_max: u64,
    ) -> Result<Charge, StorageError> {
        let expected = size.unwrap_or_else(|| self.expected[class as usize].load(Ordering::Relaxed));
        let mut charge = self.admit(expected.min(size_max))?;
        charge.unknown = size.is_none().then_some(class);
        Ok(charge)
    }

    /// Larger sizes count at once, and are forgotten by an eighth with each smaller one.
    fn learn(&self, class: MediaClass, size: u64) {
        let expected = &self.expected[class as usize];
        let before = expected.load(Ordering::Relaxed);
        expected.store(size.max(before - before / 8), Ordering::Relaxed);
    }
}

impl Charge {
    /// Counts bytes that arrived: those that were not reserved, too. An error: there are too many of those, and the body
    /// must be given up, unless it is the only one there is.
    pub fn add(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.arrived += bytes;
        let more = self.arrived.saturating_sub(self.reserved);
        if more == 0 {
            return Ok(());
        }
        let Inflight { used, limit, .. } = &*self.inflight;
        let before = used.fetch_add(more, Ordering::Relaxed);
        let is_alone = before == self.reserved;
        self.reserved += more;
        if is_alone || before + more <= limit + limit / DEBT_SHARE {
            return Ok(());
        }
        Err(StorageError::Overloaded(format!(
            "{before} bytes are arriving at this node, of bodies larger than was expected; its limit is {limit}"
        )))
    }

    /// The body is whole: what was reserved for more goes back.
    pub fn whole(&mut self) {
        let rest = self.reserved - self.arrived;
        self.reserved = self.arrived;
        self.inflight.used.fetch_sub(rest, Ordering::Relaxed);
        if let Some(class) = self.unknown.take() {
            self.inflight.learn(class, self.arrived);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.inflight.used.fetch_sub(self.reserved, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn admits_up_to_the_limit_and_gives_back() {
        let inflight = Inflight::new(100);
        let mut first = inflight.admit(60).unwrap();
        first.add(60).unwrap();
        assert!(inflight.admit(40).is_ok());
        assert!(matches!(inflight.admit(41), Err(StorageError::Overloaded(_))));
        drop(first);
        assert_eq!(inflight.used(), 0);
        assert!(inflight.admit(101).is_ok(), "one body alone is always let in");
    }

    #[test]
    fn a_body_is_counted_before_its_bytes_arrive_and_past_what_was_reserved() {
        let inflight = Inflight::new(100);
        let mut body = inflight.admit(60).unwrap();
        assert_eq!(inflight.used(), 60);
        assert!(inflight.admit(41).is_err());
        body.add(50).unwrap();
        body.add(30).unwrap();
        assert_eq!(inflight.used(), 80);
        body.whole();
        assert_eq!(inflight.used(), 80);
        drop(body);
        assert_eq!(inflight.used(), 0);
    }

    #[test]
    fn what_was_not_reserved_is_bounded_but_for_one_body_alone() {
        let inflight = Inflight::new(100);
        let mut first = inflight.admit(50).unwrap();
        let mut second = inflight.admit(50).unwrap();
        first.add(62).unwrap();
        second.add(50).unwrap();
        assert!(matches!(second.add(1), Err(StorageError::Overloaded(_))));
        drop(second);
        first.add(1_000).unwrap();
        drop(first);
        assert_eq!(inflight.used(), 0);
    }

    #[test]
    fn of_bodies_that_come_at_once_only_those_that_fit_are_let_in() {
        const THREADS: usize = 8;
        let inflight = Inflight::new(100);
        for _ in 0..200 {
            let (begin, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
            let admitted = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        begin.wait();
                        let charge = inflight.admit(40);
                        admitted.fetch_add(u64::from(charge.is_ok()), Ordering::Relaxed);
                        end.wait();
                    });
                }
            });
            assert_eq!(admitted.into_inner(), 2);
            assert_eq!(inflight.used(), 0);
        }
    }

    #[test]
    fn bodies_of_unknown_length_count_as_those_of_their_class_did() {
        let inflight = Inflight::new(10 << 20);
        let arrive = |class, size| {
            let mut charge = inflight.admit_body(class, None, 5 << 20).unwrap();
            let reserved = inflight.used();
            charge.add(size).unwrap();
            charge.whole();
            assert_eq!(inflight.used(), size);
            reserved
        };
        assert_eq!(arrive(MediaClass::Media, 4 << 20), CHUNK_BYTES as u64);
        assert_eq!(arrive(MediaClass::Media, 1 << 20), 4 << 20);
        assert_eq!(arrive(MediaClass::Media, 1 << 20), (4 << 20) / 8 * 7);
        assert_eq!(arrive(MediaClass::Playlist, 1000), CHUNK_BYTES as u64);
        assert_eq!(arrive(MediaClass::Media, 6 << 20), (4 << 20) / 64 * 49);
        assert_eq!(arrive(MediaClass::Media, 1), 5 << 20, "at most what the namespace allows");
        let known = inflight.admit_body(MediaClass::Media, Some(3), 2).unwrap();
        assert_eq!(inflight.used(), 2, "what is larger is refused soon");
        drop(known);
    }
}
