//! Bodies that came from nodes of other processes, kept for the next readers.
//!
//! A body that is here is sent only after a node that may answer has confirmed that it is the newest one: it is asked as by
//! a reader who has that body (`If-None-Match`, RFC 9110 section 13.1.2), and says so in a few bytes. So reads stay
//! linearizable, nothing here is ever invalidated, and what is hot crosses between the processes until one reader has had
//! all of it.
//!
//! Bounded in bytes, those that are being filled included; first in, first out, as the live edge moves on.

use bytes::{Bytes, BytesMut};
use futures_core::{Stream, stream::BoxStream};
use headwater_proto::{ObjectBody, StorageError};
use headwater_types::{Chunks, Digest, ObjectId, ObjectMeta, limits::CHUNK_BYTES};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

/// What one body may take of the capacity: a large one must not push all others out.
const SHARE_OF_ONE: u64 = 8;
/// What is kept for a body beside its bytes and its key: many tiny bodies must not take more than the capacity.
const ENTRY_BYTES: u64 = 512;

/// A body of one version of an object.
#[derive(Debug, Clone)]
pub(crate) struct Near {
    pub digest: Digest,
    pub body: Chunks,
}

/// The bodies.
#[derive(Debug)]
pub(crate) struct NearCache {
    capacity: u64,
    /// How many bodies there are, to be read without the lock.
    count: AtomicUsize,
    kept: Mutex<Kept>,
    bytes: Gauge,
}

#[derive(Debug, Default)]
struct Kept {
    bodies: HashMap<ObjectId, Entry>,
    /// By age; entries that were replaced are skipped.
    order: VecDeque<(ObjectId, u64)>,
    /// Versions that a reader is filling.
    filling: HashSet<(ObjectId, Digest)>,
    serial: u64,
    /// Of bodies, those that are being filled included, and what is kept beside them.
    bytes: u64,
    /// Of them, those that are being filled: held by their readers, so they cannot go.
    filling_bytes: u64,
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    digest: Digest,
    cost: u64,
    body: Chunks,
}

/// What a body counts for.
fn cost(object: &ObjectId, size: u64) -> u64 {
    size + object.key.as_str().len() as u64 + ENTRY_BYTES
}

impl NearCache {
    /// One that takes up to `capacity` bytes; 0: none. `bytes` shows how many it has.
    pub fn new(capacity: u64, bytes: Gauge) -> Arc<Self> {
        Arc::new(Self { capacity, count: AtomicUsize::new(0), kept: Mutex::default(), bytes })
    }

    /// What there is of an object, of whichever version.
    pub fn get(&self, object: &ObjectId) -> Option<Near> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        let kept = self.kept.lock();
        let entry = kept.bodies.get(object)?;
        Some(Near { digest: entry.digest, body: entry.body.clone() })
    }

    /// Keeps a whole body while it goes by, if it is one that comes from elsewhere and there is room for it.
    pub fn fill(self: &Arc<Self>, object: &ObjectId, meta: &ObjectMeta, body: ObjectBody) -> ObjectBody {
        match body {
            ObjectBody::Stream(stream) if self.begins(object, meta) => {
                ObjectBody::Stream(Box::pin(Filling {
                    stream,
                    cache: self.clone(),
                    object: object.clone(),
                    digest: meta.digest,
                    size: meta.size,
                    left: meta.size,
                    chunks: Vec::new(),
                    chunk: BytesMut::new(),
                }))
            }
            body => body,
        }
    }

    /// Makes room. Of one version only one reader fills.
    fn begins(&self, object: &ObjectId, meta: &ObjectMeta) -> bool {
        if meta.size == 0 || meta.size > self.capacity / SHARE_OF_ONE {
            return false;
        }
        let cost = cost(object, meta.size);
        let mut kept = self.kept.lock();
        let is_kept = kept.bodies.get(object).is_some_and(|entry| entry.digest == meta.digest);
        if is_kept || kept.filling.contains(&(object.clone(), meta.digest)) {
            return false;
        }
        if kept.filling_bytes + cost > self.capacity {
            return false;
        }
        while kept.bytes + cost > self.capacity {
            let Some((oldest, serial)) = kept.order.pop_front() else { break };
            if kept.bodies.get(&oldest).is_some_and(|entry| entry.serial == serial) {
                kept.remove(&oldest);
            }
        }
        kept.bytes += cost;
        kept.filling_bytes += cost;
        kept.filling.insert((object.clone(), meta.digest));
        self.show(&kept);
        true
    }

    /// The body that was being filled is whole; or it is not, and never will be.
    fn ends(&self, object: &ObjectId, digest: Digest, size: u64, body: Option<Chunks>) {
        let cost = cost(object, size);
        let mut kept = self.kept.lock();
        kept.filling.remove(&(object.clone(), digest));
        kept.filling_bytes -= cost;
        match body {
            Some(body) => {
                kept.remove(object);
                kept.serial += 1;
                let serial = kept.serial;
                kept.order.push_back((object.clone(), serial));
                kept.bodies.insert(object.clone(), Entry { serial, digest, cost, body });
                kept.tidy();
            }
            None => kept.bytes -= cost,
        }
        self.show(&kept);
    }

    fn show(&self, kept: &Kept) {
        self.count.store(kept.bodies.len(), Relaxed);
        self.bytes.set(kept.bytes as i64);
    }
}

impl Kept {
    fn remove(&mut self, object: &ObjectId) {
        if let Some(entry) = self.bodies.remove(object) {
            self.bytes -= entry.cost;
        }
    }

    /// A playlist that is replaced again and again leaves its old places in the order.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.bodies.len() + 16 {
            let bodies = &self.bodies;
            self.order.retain(|(object, serial)| bodies.get(object).is_some_and(|e| e.serial == *serial));
        }
    }
}

/// A body on its way to a reader, copied as it goes by: its pieces are parts of buffers that are larger.
struct Filling {
    stream: BoxStream<'static, Result<Bytes, StorageError>>,
    cache: Arc<NearCache>,
    object: ObjectId,
    digest: Digest,
    size: u64,
    left: u64,
    chunks: Vec<Bytes>,
    chunk: BytesMut,
}

impl Filling {
    fn take(&mut self, mut piece: &[u8]) {
        if piece.len() as u64 > self.left {
            // More than was promised: whoever sends it will say so.
            self.left = u64::MAX;
            return;
        }
        while !piece.is_empty() {
            if self.chunk.capacity() == self.chunk.len() {
                self.chunks.extend((!self.chunk.is_empty()).then(|| self.chunk.split().freeze()));
                self.chunk = BytesMut::with_capacity(self.left.min(CHUNK_BYTES as u64) as usize);
            }
            let (part, rest) = piece.split_at(piece.len().min(self.chunk.capacity() - self.chunk.len()));
            self.chunk.extend_from_slice(part);
            self.left -= part.len() as u64;
            piece = rest;
        }
        if self.left == 0 {
            self.chunks.push(self.chunk.split().freeze());
            let body = Chunks::new(std::mem::take(&mut self.chunks));
            self.cache.ends(&self.object, self.digest, self.size, Some(body));
        }
    }
}

impl Stream for Filling {
    type Item = Result<Bytes, StorageError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.stream.as_mut().poll_next(cx));
        if let Some(Ok(piece)) = &item {
            self.take(piece);
        }
        Poll::Ready(item)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if self.left > 0 {
            self.cache.ends(&self.object, self.digest, self.size, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt, stream};
    use headwater_types::{NamespaceId, ObjectKey, UnixMillis, Version};

    fn object(name: &str) -> ObjectId {
        ObjectId { namespace: NamespaceId(1), key: ObjectKey::parse(name).unwrap() }
    }

    fn meta(body: &[u8]) -> ObjectMeta {
        ObjectMeta {
            version: Version::default(),
            digest: Digest::of(body),
            size: body.len() as u64,
            class: headwater_types::MediaClass::Media,
            attributes: Default::default(),
            stored_at: UnixMillis(0),
            expires_at: UnixMillis(1),
        }
    }

    /// A body in pieces of 3 bytes, of which only the first `pieces` come.
    fn streamed(body: &[u8], pieces: usize) -> ObjectBody {
        let all: Vec<_> = body.chunks(3).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let cut = (pieces < all.len()).then_some(Err(StorageError::BodyCut));
        ObjectBody::Stream(Box::pin(stream::iter(all.into_iter().take(pieces).chain(cut))))
    }

    /// Reads an object through the cache; what the reader got.
    fn read(cache: &Arc<NearCache>, name: &str, body: &[u8], pieces: usize) -> Vec<u8> {
        let ObjectBody::Stream(filled) = cache.fill(&object(name), &meta(body), streamed(body, pieces))
        else {
            panic!("it came as a stream")
        };
        let got: Vec<_> = filled.collect().now_or_never().unwrap();
        got.into_iter().map_while(Result::ok).flatten().collect()
    }

    fn near(cache: &NearCache, name: &str) -> Option<Bytes> {
        cache.get(&object(name)).map(|near| near.body.to_bytes())
    }

    fn cache(capacity: u64) -> (Arc<NearCache>, Gauge) {
        let bytes = Gauge::default();
        (NearCache::new(capacity, bytes.clone()), bytes)
    }

    /// What bodies of so many bytes under names of 4 bytes count for.
    fn costs(sizes: &[u64]) -> i64 {
        sizes.iter().map(|size| (size + 4 + ENTRY_BYTES) as i64).sum()
    }

    #[test]
    fn a_body_that_went_by_whole_is_kept_and_one_that_broke_off_is_not() {
        let (cache, bytes) = cache(8_000);
        for (body, pieces) in [(&b"0123456789"[..], 4), (b"012345678", 3), (b"0", 1)] {
            assert_eq!(read(&cache, "a.ts", body, pieces), body);
            assert_eq!(near(&cache, "a.ts").unwrap(), body);
            assert_eq!(bytes.get(), costs(&[body.len() as u64]), "the version before is gone");
        }
        assert_eq!(read(&cache, "b.ts", b"0123456789", 2), b"012345");
        assert_eq!(near(&cache, "b.ts"), None);
        assert_eq!(bytes.get(), costs(&[1]), "and nothing is counted for it");
        let memory = ObjectBody::Memory(Chunks::new(vec![Bytes::from_static(b"x")]));
        assert!(matches!(cache.fill(&object("c.ts"), &meta(b"x"), memory), ObjectBody::Memory(_)));
        assert_eq!(near(&cache, "c.ts"), None, "what is in this process needs no copy");
    }

    #[test]
    fn one_body_takes_an_eighth_and_all_take_the_capacity() {
        let capacity = costs(&[10; 8]);
        let (cache, bytes) = cache(capacity as u64);
        let eighth = capacity as usize / 8;
        read(&cache, "a.ts", &vec![1; eighth], eighth);
        assert!(near(&cache, "a.ts").is_some());
        read(&cache, "b.ts", &vec![1; eighth + 1], eighth);
        read(&cache, "c.ts", b"", 0);
        assert_eq!((near(&cache, "b.ts"), near(&cache, "c.ts")), (None, None));
        for n in 0..9 {
            read(&cache, &format!("{n}.ts"), &[n; 10], 4);
            assert!(bytes.get() <= capacity);
        }
        let kept = (0..9).filter(|n| near(&cache, &format!("{n}.ts")).is_some());
        assert_eq!(kept.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8], "the oldest went");
        assert_eq!(bytes.get(), capacity);
        let (none, _) = self::cache(0);
        read(&none, "a.ts", b"0", 1);
        assert_eq!(near(&none, "a.ts"), None);
    }

    #[test]
    fn one_reader_fills_and_what_is_being_filled_counts_and_stays() {
        let (cache, bytes) = cache(costs(&[6, 6]) as u64);
        let (a, body) = (object("a.ts"), b"012345");
        let first = cache.fill(&a, &meta(body), streamed(body, 2));
        assert_eq!((bytes.get(), near(&cache, "a.ts")), (costs(&[6]), None));
        let ObjectBody::Stream(mut first) = first else { panic!() };
        first.next().now_or_never().unwrap();
        read(&cache, "a.ts", body, 2);
        assert_eq!(near(&cache, "a.ts"), None, "the second did not fill");
        // Others come and go beside it.
        for name in ["b.ts", "c.ts"] {
            read(&cache, name, body, 2);
            assert_eq!(bytes.get(), costs(&[6, 6]));
        }
        assert_eq!(near(&cache, "b.ts"), None);
        let large = cache.fill(&object("d.ts"), &meta(b"0123456"), streamed(b"0123456", 3));
        assert!(near(&cache, "c.ts").is_some(), "nothing goes for what would not fit all the same");
        drop(large);
        first.next().now_or_never().unwrap();
        assert_eq!((near(&cache, "a.ts").unwrap(), bytes.get()), (Bytes::from_static(body), costs(&[6, 6])));
        drop(cache.fill(&object("d.ts"), &meta(b"never"), streamed(b"never", 2)));
        assert_eq!(bytes.get(), costs(&[6]), "made room for, and never read");
    }

    #[test]
    fn places_of_versions_that_were_replaced_do_not_pile_up() {
        let (cache, bytes) = cache(8_000);
        for n in 0..1000_u16 {
            read(&cache, "live.m3u8", &n.to_be_bytes(), 1);
        }
        assert_eq!(bytes.get(), costs(&[2]) + 5);
        assert!(cache.kept.lock().order.len() < 20);
    }
}
