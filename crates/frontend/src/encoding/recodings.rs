//! Recoded playlists, kept for the next readers.

use headwater_types::{Chunks, Digest, ObjectId};
use parking_lot::Mutex;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::recoding::{Recoded, Recoding};

/// Bytes of recoded playlists that are kept: the newest versions of some hundred DVR windows, compressed.
pub(crate) const RECODED_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// What is kept for a version beside its body and its name.
const ENTRY_BYTES: u64 = 256;

/// A version of an object, and what is done to it.
type Task = (ObjectId, Digest, Recoding);

/// The recoded version; `None` if the version is only sent as it is stored.
type Outcome = Option<Recoded>;

/// Other versions took all slots. Nothing is remembered of the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// The end of a recoding that others may wait for; `None` until it has ended.
type Running = watch::Receiver<Option<Result<Outcome, Busy>>>;

/// Remembers the last recoded version of each object, within a number of bytes; the oldest goes first.
///
/// A version is known by its object and the digest of its stored bytes, which the storage node has just confirmed. So
/// nothing here is ever invalidated, and no object can show the bytes of another.
#[derive(Debug)]
pub(crate) struct Recodings {
    capacity: u64,
    kept: Mutex<Kept>,
    /// One for each version that is recoded at the moment, each on a thread of its own.
    slots: Arc<Semaphore>,
    bytes: Gauge,
    done: Counter,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<ObjectId, Entry>,
    /// By age.
    order: BTreeMap<u64, ObjectId>,
    serial: u64,
    bytes: u64,
    /// Versions that are being recoded: each once, however many readers wait.
    running: HashMap<Task, Running>,
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    digest: Digest,
    recoding: Recoding,
    outcome: Outcome,
    cost: u64,
}

impl Recodings {
    /// Keeps up to `capacity` bytes. `bytes` shows how many there are, and `done` counts versions that were recoded.
    /// Recoding takes half of the processors at most: the others stay free for requests.
    pub fn new(capacity: u64, bytes: Gauge, done: Counter) -> Arc<Self> {
        let slots = std::thread::available_parallelism().map_or(1, |processors| processors.get() / 2);
        let slots = Arc::new(Semaphore::new(slots.max(1)));
        Arc::new(Self { capacity, kept: Mutex::default(), slots, bytes, done })
    }

    /// Returns what is known of a version, `None` if it was not recoded lately.
    pub fn get(&self, object: &ObjectId, digest: Digest, recoding: Recoding) -> Option<Outcome> {
        self.kept.lock().get(object, digest, recoding)
    }

    /// Returns the version of an object whose recoded form is kept: the digest of its stored bytes, and how it was
    /// recoded. It need not be the newest version.
    pub fn kept(&self, object: &ObjectId) -> Option<(Digest, Recoding)> {
        let kept = self.kept.lock();
        let entry = kept.entries.get(object).filter(|entry| entry.outcome.is_some())?;
        Some((entry.digest, entry.recoding))
    }

    /// Recodes a version, or waits until another request that has begun with it is done. The work goes on when the
    /// caller is dropped.
    ///
    /// # Errors
    /// [`Busy`] if no slot is free: at once for a compression, which saves bytes only, and after `wait` for a
    /// decompression, which the client needs.
    pub async fn recode(
        self: &Arc<Self>,
        object: &ObjectId,
        digest: Digest,
        recoding: Recoding,
        stored: Chunks,
        wait: Duration,
    ) -> Result<Outcome, Busy> {
        let mut waiting = {
            let mut kept = self.kept.lock();
            if let Some(outcome) = kept.get(object, digest, recoding) {
                return Ok(outcome);
            }
            let task = (object.clone(), digest, recoding);
            match kept.running.get(&task).cloned() {
                Some(running) => running,
                None => {
                    let slot = self.slots.clone().try_acquire_owned().ok();
                    if slot.is_none() && recoding == Recoding::Gzip {
                        return Err(Busy);
                    }
                    let running = self.begin(task.clone(), stored, slot, wait);
                    kept.running.insert(task, running.clone());
                    running
                }
            }
        };
        // An error: the runtime has dropped the task, as it shuts down.
        waiting.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone()).unwrap_or(Err(Busy))
    }

    /// Begins to recode a version, in a slot that was taken or in one that is free within `wait`.
    fn begin(
        self: &Arc<Self>,
        task: Task,
        stored: Chunks,
        slot: Option<OwnedSemaphorePermit>,
        wait: Duration,
    ) -> Running {
        let (sender, receiver) = watch::channel(None);
        let this = self.clone();
        tokio::spawn(async move {
            let slot = match slot {
                Some(slot) => Some(slot),
                None => {
                    let slot = tokio::time::timeout(wait, this.slots.clone().acquire_owned()).await;
                    slot.ok().and_then(Result::ok)
                }
            };
            let Some(slot) = slot else {
                this.kept.lock().running.remove(&task);
                sender.send_replace(Some(Err(Busy)));
                return;
            };
            let (_, _, recoding) = task;
            let applied = tokio::task::spawn_blocking(move || recoding.apply(&stored.to_bytes())).await;
            drop(slot);
            let outcome = applied.unwrap_or_else(|error| {
                tracing::error!(%error, "recoding a playlist failed");
                None
            });
            this.done.inc();
            this.ends(task, outcome.clone());
            sender.send_replace(Some(Ok(outcome)));
        });
        receiver
    }

    fn ends(&self, task: Task, outcome: Outcome) {
        let mut kept = self.kept.lock();
        kept.running.remove(&task);
        let (object, digest, recoding) = task;
        let body = outcome.as_ref().map_or(0, |recoded| recoded.body.len() as u64);
        let cost = body + object.key.as_str().len() as u64 + ENTRY_BYTES;
        kept.remove(&object);
        if cost <= self.capacity {
            while kept.bytes + cost > self.capacity {
                let Some((_, oldest)) = kept.order.pop_first() else { break };
                kept.remove(&oldest);
            }
            kept.serial += 1;
            let serial = kept.serial;
            kept.bytes += cost;
            kept.order.insert(serial, object.clone());
            kept.entries.insert(object, Entry { serial, digest, recoding, outcome, cost });
        }
        self.bytes.set(kept.bytes as i64);
    }
}

impl Kept {
    fn get(&self, object: &ObjectId, digest: Digest, recoding: Recoding) -> Option<Outcome> {
        let entry = self.entries.get(object)?;
        (entry.digest == digest && entry.recoding == recoding).then(|| entry.outcome.clone())
    }

    fn remove(&mut self, object: &ObjectId) {
        if let Some(entry) = self.entries.remove(object) {
            self.order.remove(&entry.serial);
            self.bytes -= entry.cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::FutureExt;
    use headwater_types::{NamespaceId, ObjectKey};

    fn object(name: &str) -> ObjectId {
        ObjectId { namespace: NamespaceId(1), key: ObjectKey::parse(name).unwrap() }
    }

    fn recodings(capacity: u64) -> (Arc<Recodings>, Gauge, Counter) {
        let (bytes, done) = (Gauge::default(), Counter::default());
        (Recodings::new(capacity, bytes.clone(), done.clone()), bytes, done)
    }

    /// A gzip'd version of `size` bytes decoded, as it is stored.
    fn stored(fill: u8, size: usize) -> (Digest, Chunks) {
        let packed = headwater_media::gzip(&vec![fill; size]);
        (Digest::of(&packed), Chunks::new(vec![Bytes::from(packed)]))
    }

    const WAIT: Duration = Duration::from_secs(6);

    async fn gunzip(recodings: &Arc<Recodings>, name: &str, version: &(Digest, Chunks)) -> Outcome {
        recodings.recode(&object(name), version.0, Recoding::Gunzip, version.1.clone(), WAIT).await.unwrap()
    }

    fn is_kept(recodings: &Recodings, name: &str, version: &(Digest, Chunks)) -> bool {
        recodings.get(&object(name), version.0, Recoding::Gunzip).is_some()
    }

    #[tokio::test]
    async fn a_version_is_recoded_once_however_many_ask_and_leave() {
        let (recodings, _, done) = recodings(1 << 20);
        let version = stored(b'#', 100_000);
        // It has begun and nobody waits for it any more.
        assert!(gunzip(&recodings, "a.m3u8", &version).now_or_never().is_none());
        let readers = (0..20).map(|_| gunzip(&recodings, "a.m3u8", &version));
        for outcome in futures_util::future::join_all(readers).await {
            assert_eq!(outcome.unwrap().body.len(), 100_000);
        }
        assert_eq!(done.get(), 1);
        assert!(is_kept(&recodings, "a.m3u8", &version));
        assert!(recodings.get(&object("a.m3u8"), version.0, Recoding::Gzip).is_none());
        assert!(!is_kept(&recodings, "b.m3u8", &version), "another object");
        assert_eq!(recodings.kept(&object("a.m3u8")), Some((version.0, Recoding::Gunzip)));
        assert_eq!(recodings.kept(&object("b.m3u8")), None);
        assert!(recodings.kept.lock().running.is_empty());
    }

    #[tokio::test]
    async fn that_a_version_cannot_be_recoded_is_remembered_too() {
        let (recodings, bytes, done) = recodings(1 << 20);
        let version = (Digest(7), Chunks::new(vec![Bytes::from_static(b"#EXTM3U\n")]));
        for _ in 0..3 {
            assert!(gunzip(&recodings, "a.m3u8", &version).await.is_none());
        }
        assert_eq!((done.get(), bytes.get()), (1, 6 + ENTRY_BYTES as i64));
        assert_eq!(recodings.kept(&object("a.m3u8")), None, "there is no recoded form");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_slot_a_compression_is_given_up_at_once_and_a_decompression_after_a_while() {
        let (recodings, bytes, done) = recodings(1 << 20);
        let slots = u32::try_from(recodings.slots.available_permits()).unwrap();
        let held = recodings.slots.clone().try_acquire_many_owned(slots).unwrap();
        let (a, b) = (object("a.m3u8"), object("b.m3u8"));
        let plain = Bytes::from(vec![b'#'; 100_000]);
        let (digest, large) = (Digest::of(&plain), Chunks::new(vec![plain]));
        let packed = stored(b'#', 100_000);
        let gzip = || recodings.recode(&a, digest, Recoding::Gzip, large.clone(), WAIT);
        let gunzip = || recodings.recode(&b, packed.0, Recoding::Gunzip, packed.1.clone(), WAIT);
        assert_eq!(gzip().now_or_never().unwrap().unwrap_err(), Busy);

        let moment = Duration::from_millis(1);
        assert!(tokio::time::timeout(WAIT - moment, gunzip()).await.is_err(), "it waits");
        // A later request waits for the same result.
        let late = tokio::time::timeout(3 * moment, gunzip()).await.expect("the wait is over");
        assert_eq!(late.unwrap_err(), Busy);
        assert_eq!((bytes.get(), done.get()), (0, 0));
        assert!(recodings.kept.lock().running.is_empty());

        // Nothing of that was remembered.
        let waiting = gunzip();
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(held);
        assert!(waiting.await.unwrap().is_some() && gzip().await.unwrap().is_some());
        assert_eq!(done.get(), 2);
    }

    #[tokio::test]
    async fn the_oldest_goes_first_and_one_version_of_an_object_is_kept() {
        let cost = |size: u64| size + 6 + ENTRY_BYTES;
        let (recodings, bytes, _) = recodings(3 * cost(1000));
        let versions: Vec<_> = (b'a'..=b'd').map(|fill| stored(fill, 1000)).collect();
        for (version, name) in versions.iter().zip(["a.m3u8", "b.m3u8", "c.m3u8"]) {
            gunzip(&recodings, name, version).await.unwrap();
        }
        assert_eq!(bytes.get() as u64, 3 * cost(1000), "at the limit");
        // The same object: its version before goes, and it is the youngest now.
        gunzip(&recodings, "a.m3u8", &versions[3]).await.unwrap();
        assert!(!is_kept(&recodings, "a.m3u8", &versions[0]) && is_kept(&recodings, "b.m3u8", &versions[1]));
        gunzip(&recodings, "d.m3u8", &versions[0]).await.unwrap();
        assert!(!is_kept(&recodings, "b.m3u8", &versions[1]) && is_kept(&recodings, "a.m3u8", &versions[3]));
        assert_eq!(bytes.get() as u64, 3 * cost(1000), "one past it");
        // A form larger than the whole cache is sent and not kept.
        let large = stored(b'x', 4000);
        assert_eq!(gunzip(&recodings, "e.m3u8", &large).await.unwrap().body.len(), 4000);
        assert!(!is_kept(&recodings, "e.m3u8", &large));
        assert!(bytes.get() as u64 <= 3 * cost(1000));
    }
}
