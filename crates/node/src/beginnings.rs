//! Which of overlapping PUTs of a key stays: the order in which they began, kept for a while.
//!
//! A PUT that ends behind one whose request came later overlapped it, so it counts as written just before that one and
//! needs no version of its own.

use headwater_meta::limits::WRITE_DEADLINE_MS_MAX;
use headwater_proto::{Began, BodyEnd, PutReply, PutRequest, StorageError};
use headwater_types::{ObjectId, ObjectMeta, Version};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use crate::{arrivals::Arrival, node::StorageNode, put::Newest};

/// How long the beginning of a PUT is kept once its version is staged: the longest write deadline and 10 s more, in which
/// a frontend may repeat a request.
pub(crate) const KEPT_FOR: Duration = Duration::from_millis(WRITE_DEADLINE_MS_MAX + 10_000);
/// Keys of a node whose newest beginning is kept at most. That takes about 16 MB, and the keys, which it keeps alive: up to
/// 80 MB in all with the longest keys.
///
/// All shards share this number. If more keys are written within [`KEPT_FOR`], the oldest beginnings are forgotten early,
/// whichever shard they are of: of overlapping PUTs of these keys the one that ends later stays.
pub(crate) const KEPT_MAX: usize = 65_536;

/// When an upload began, as far as this node can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// Its place among the requests of its frontend.
    pub began: Option<Began>,
    /// Its place among the uploads that reached this node.
    pub arrived: u64,
}

impl Beginning {
    /// Whether it began before `other`: by the order of requests at one frontend, by the order of arrival here between
    /// frontends. Only the newest version is compared; a PUT of another frontend in between hides earlier ones.
    pub fn is_before(self, other: Self) -> bool {
        match (self.began, other.began) {
            (Some(mine), Some(theirs)) if mine.frontend == theirs.frontend => mine.order < theirs.order,
            _ => self.arrived < other.arrived,
        }
    }
}

/// The beginnings of the unconditional PUTs that were staged last.
///
/// # To ensure correctness
/// - A beginning belongs to one version. It says nothing once the key has another one, so a DELETE, a conditional PUT
///   and a new head need no step of their own: what they leave is decided by the order of ends.
/// - Conditional PUTs are not noted: a condition is decided against the version before, and a PUT that counted as written
///   between the two would have changed that.
/// - What counts as written before a version began before that version was staged and is answered once that version is
///   clean, so its place in the order of writes lies within its own request.
#[derive(Debug, Default)]
pub(crate) struct Beginnings(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    newest: HashMap<ObjectId, Noted>,
    /// The keys of `newest`, each once, in order of staging.
    by_age: BTreeMap<u64, Place>,
    /// The number of the next place.
    next_place: u64,
}

#[derive(Debug)]
struct Noted {
    version: Version,
    beginning: Beginning,
    place: u64,
}

#[derive(Debug)]
struct Place {
    staged_at: Duration,
    object: ObjectId,
}

impl Beginnings {
    /// An unconditional PUT was staged, at monotonic time `now`.
    pub fn note(&self, object: &ObjectId, version: Version, beginning: Beginning, now: Duration) {
        let mut kept = self.0.lock();
        kept.forget_old(now);
        let place = kept.next_place;
        kept.next_place += 1;
        if let Some(replaced) = kept.newest.insert(object.clone(), Noted { version, beginning, place }) {
            kept.by_age.remove(&replaced.place);
        }
        kept.by_age.insert(place, Place { staged_at: now, object: object.clone() });
        if kept.by_age.len() > KEPT_MAX {
            kept.forget_oldest();
        }
    }

    /// Whether an upload began before the PUT that wrote `version`, the newest one of the key. `false` where that is not
    /// known.
    pub fn is_before(
        &self,
        beginning: Beginning,
        object: &ObjectId,
        version: Version,
        now: Duration,
    ) -> bool {
        let mut kept = self.0.lock();
        kept.forget_old(now);
        let newest = kept.newest.get(object).filter(|newest| newest.version == version);
        newest.is_some_and(|newest| beginning.is_before(newest.beginning))
    }
}

impl Kept {
    fn forget_old(&mut self, now: Duration) {
        let is_old = |place: &Place| now.saturating_sub(place.staged_at) > KEPT_FOR;
        while self.by_age.first_key_value().is_some_and(|(_, place)| is_old(place)) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, place)) = self.by_age.pop_first() {
            self.newest.remove(&place.object);
        }
    }
}

impl StorageNode {
    /// Whether a whole upload overlapped the newest version of its key, whose request came later. Under the key's lock.
    pub(crate) fn began_before(&self, request: &PutRequest, arrival: &Arrival, newest: &Newest) -> bool {
        let Some(newest) = newest.record().filter(|_| !request.preconditions.any()) else { return false };
        let now = self.clock().monotonic();
        self.beginnings().is_before(arrival.beginning(), &request.object, newest.meta.version, now)
    }

    /// An upload was staged. Under the key's lock.
    pub(crate) fn note_beginning(&self, request: &PutRequest, arrival: &Arrival, version: Version) {
        if !request.preconditions.any() {
            let now = self.clock().monotonic();
            self.beginnings().note(&request.object, version, arrival.beginning(), now);
        }
    }

    /// Answers a PUT that counts as written just before the `newest` version: as stored, once that one is clean. If this
    /// node cannot make it clean, nothing is stored, and the request is decided again where the shard is headed then.
    pub(crate) async fn answer_before(
        &self,
        request: &PutRequest,
        end: BodyEnd,
        newest: Newest,
        left: Duration,
    ) -> Result<PutReply, StorageError> {
        if let Newest::Staged(staged) = &newest {
            let error = |why: StorageError| StorageError::Unavailable(why.to_string());
            self.until_clean(staged, left).await.map_err(error)?;
        }
        let version = newest.record().map_or(Version::default(), |record| record.meta.version);
        let meta = ObjectMeta { version, ..Self::new_meta(request, end, self.clock().unix_millis()) };
        self.metrics().puts_overlapped.inc();
        // The later one may have been the first of its key: only one of them creates it.
        Ok(PutReply { meta: Arc::new(meta), created: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::{Epoch, NamespaceId, ObjectKey};

    fn object(name: &str) -> ObjectId {
        ObjectId { namespace: NamespaceId(1), key: ObjectKey::parse(name).unwrap() }
    }

    fn version(seq: u64) -> Version {
        Version { epoch: Epoch(1), seq }
    }

    fn beginning(frontend: u64, order: u64, arrived: u64) -> Beginning {
        Beginning { began: Some(Began { frontend, order }), arrived }
    }

    #[test]
    fn one_frontend_says_the_order_and_between_two_the_arrival_does() {
        let first = beginning(1, 5, 9);
        for (other, before) in [
            (beginning(1, 6, 2), true),
            (beginning(1, 5, 10), false),
            (beginning(1, 4, 10), false),
            (beginning(2, 4, 10), true),
            (beginning(2, 6, 8), false),
            (Beginning { began: None, arrived: 10 }, true),
            (Beginning { began: None, arrived: 8 }, false),
        ] {
            assert_eq!(first.is_before(other), before, "{other:?}");
        }
    }

    #[test]
    fn a_beginning_says_something_of_its_own_version_only() {
        let kept = Beginnings::default();
        let (a, now) = (object("a"), Duration::ZERO);
        let earlier = beginning(1, 1, 1);
        assert!(!kept.is_before(earlier, &a, version(1), now), "nothing is known");
        kept.note(&a, version(1), beginning(1, 2, 2), now);
        assert!(kept.is_before(earlier, &a, version(1), now));
        assert!(!kept.is_before(beginning(1, 3, 3), &a, version(1), now));
        assert!(!kept.is_before(earlier, &a, version(2), now), "of a delete or of another head");
        assert!(!kept.is_before(earlier, &object("b"), version(1), now));
    }

    #[test]
    fn beginnings_are_kept_for_a_while() {
        let kept = Beginnings::default();
        let (a, earlier) = (object("a"), beginning(1, 1, 1));
        let at = Duration::from_secs(5);
        kept.note(&a, version(1), beginning(1, 2, 2), at);
        assert!(kept.is_before(earlier, &a, version(1), at + KEPT_FOR));
        let past = at + KEPT_FOR + Duration::from_millis(1);
        assert!(!kept.is_before(earlier, &a, version(1), past));
        assert!(kept.0.lock().by_age.is_empty());
    }

    #[test]
    fn only_so_many_beginnings_are_kept_and_the_oldest_go_first() {
        let kept = Beginnings::default();
        let (now, earlier) = (Duration::ZERO, beginning(1, 0, 0));
        let name = |n: usize| object(&format!("k{n}"));
        for n in 0..KEPT_MAX {
            kept.note(&name(n), version(n as u64), beginning(1, 1, 1), now);
        }
        assert!(kept.is_before(earlier, &name(0), version(0), now), "at the limit");
        // A key that is written again gives up its old place: no other key has to go for it.
        let again = version(KEPT_MAX as u64);
        kept.note(&name(0), again, beginning(1, 1, 1), now);
        assert!(kept.is_before(earlier, &name(1), version(1), now));
        kept.note(&name(KEPT_MAX), again, beginning(1, 1, 1), now);
        assert!(!kept.is_before(earlier, &name(1), version(1), now), "one past it");
        assert!(kept.is_before(earlier, &name(0), again, now), "it is among the newest");
        let kept = kept.0.lock();
        assert_eq!((kept.by_age.len(), kept.newest.len()), (KEPT_MAX, KEPT_MAX));
    }

    #[test]
    fn a_key_that_is_written_again_and_again_has_one_place() {
        let kept = Beginnings::default();
        let (live, earlier) = (object("live.m3u8"), beginning(1, 1, 1));
        let second = Duration::from_secs(1);
        kept.note(&object("segment.ts"), version(1), beginning(1, 2, 2), Duration::ZERO);
        for n in 2..=KEPT_FOR.as_secs() {
            kept.note(&live, version(n), beginning(1, n, n), second * n as u32);
            assert_eq!(kept.0.lock().by_age.len(), 2);
        }
        let last = KEPT_FOR.as_secs();
        // Its age is that of its newest version.
        assert!(kept.is_before(earlier, &live, version(last), second * last as u32 + KEPT_FOR));
        let kept = kept.0.lock();
        assert_eq!((kept.by_age.len(), kept.newest.len()), (1, 1));
    }
}
