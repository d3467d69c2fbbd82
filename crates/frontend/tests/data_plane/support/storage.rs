//! A storage node in memory. Both nodes of a bench share their data; each has faults of its own.

use super::TokioClock;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headwater_proto::{
    Arriving, BodyPiece, BodyPieces, DeleteReply, DeleteRequest, Follow, GetReply, GetRequest, HeadReply,
    HeadRequest, ListEntry, ListReply, ListRequest, ObjectBody, PutReply, PutRequest, Storage, StorageError,
};
use headwater_types::{
    BodyCut, BodyReader, BodyWriter, Chunks, Clock, Digest, Epoch, ObjectId, ObjectMeta, RangeReader,
    RequestId, Version,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

/// What the next call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The node has this epoch, of this map version.
    WrongEpoch(u64, u64),
    NotServing,
    AskTail,
    Unavailable,
    /// Never answers.
    Hang,
    /// Reads the whole body and dies before it is stored.
    LostAfterBody,
    /// Stores, and says that nobody knows.
    UnknownButDone,
    /// A GET's body breaks off after so many bytes.
    DieAfter(usize),
    Overloaded,
}

#[derive(Debug, Clone)]
struct Stored {
    meta: Arc<ObjectMeta>,
    body: Chunks,
    written_by: RequestId,
    created: bool,
}

struct Upload {
    reader: BodyReader,
    arriving: Arriving,
}

/// What both nodes hold.
#[derive(Default)]
pub struct Data {
    objects: Mutex<BTreeMap<ObjectId, Stored>>,
    uploads: Mutex<BTreeMap<ObjectId, Upload>>,
    versions: AtomicUsize,
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Data")
    }
}

#[derive(Debug)]
pub struct Fake {
    data: Arc<Data>,
    clock: Arc<TokioClock>,
    faults: Mutex<VecDeque<Fault>>,
    pub calls: AtomicUsize,
    /// Bodies that were sent to readers.
    pub bodies: AtomicUsize,
    pub puts: Mutex<Vec<PutRequest>>,
    /// Bodies of GETs are streams, as they are from another process.
    pub streams: AtomicBool,
}

impl Fake {
    pub fn new(data: Arc<Data>, clock: Arc<TokioClock>) -> Self {
        Self {
            data,
            clock,
            faults: Mutex::default(),
            calls: AtomicUsize::new(0),
            bodies: AtomicUsize::new(0),
            puts: Mutex::default(),
            streams: AtomicBool::new(false),
        }
    }

    /// The next calls meet these, in order.
    pub fn fault(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().extend(faults);
    }

    pub fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    /// Objects that are stored.
    pub fn stored(&self) -> usize {
        self.data.objects.lock().len()
    }

    pub fn uploads(&self) -> usize {
        self.data.uploads.lock().len()
    }

    async fn meet(&self, epoch: Epoch) -> Result<Option<Fault>, StorageError> {
        self.calls.fetch_add(1, SeqCst);
        assert_ne!(epoch, Epoch(0), "every attempt names its epoch");
        let fault = self.faults.lock().pop_front();
        match fault {
            Some(Fault::WrongEpoch(epoch, map_version)) => {
                let shard = headwater_types::ShardId::of_hash(0);
                Err(StorageError::WrongEpoch { shard, epoch: Epoch(epoch), map_version })
            }
            Some(Fault::NotServing) => Err(StorageError::NotServing("fault".into())),
            Some(Fault::AskTail) => Err(StorageError::AskTail),
            Some(Fault::Unavailable) => Err(StorageError::Unavailable("fault".into())),
            Some(Fault::Overloaded) => Err(StorageError::Overloaded("fault".into())),
            Some(Fault::Hang) => std::future::pending().await,
            other => Ok(other),
        }
    }

    fn digest_of(&self, object: &ObjectId) -> Option<Digest> {
        self.data.objects.lock().get(object).map(|stored| stored.meta.digest)
    }

    async fn receive(&self, request: &PutRequest, mut body: BodyPieces) -> Result<Chunks, StorageError> {
        let writer = BodyWriter::new();
        let arriving =
            Arriving { attributes: request.attributes.clone(), class: request.class, ttl: request.ttl };
        if request.followable {
            let upload = Upload { reader: writer.reader(), arriving };
            self.data.uploads.lock().insert(request.object.clone(), upload);
        }
        let forget = Forget(&self.data, &request.object);
        let mut pieces = Vec::new();
        while let Some(piece) = body.next().await {
            match piece {
                BodyPiece::Chunk(chunk) => {
                    writer.push(chunk.clone());
                    pieces.push(chunk);
                }
                BodyPiece::End(end) => {
                    let chunks = Chunks::new(pieces);
                    assert_eq!(Digest::of(&chunks.to_bytes()), end.digest);
                    assert_eq!(chunks.len(), end.size);
                    writer.complete();
                    drop(forget);
                    return Ok(chunks);
                }
            }
        }
        Err(StorageError::BodyCut)
    }

    fn body(&self, chunks: Chunks, die_after: Option<usize>) -> ObjectBody {
        self.bodies.fetch_add(1, SeqCst);
        if let Some(bytes) = die_after {
            let part = chunks.slice(0..bytes as u64).to_bytes();
            return ObjectBody::Stream(Box::pin(stream::iter([
                Ok(part),
                Err(StorageError::Unavailable("died".into())),
            ])));
        }
        if self.streams.load(SeqCst) {
            let pieces: Vec<Result<Bytes, StorageError>> =
                chunks.as_slice().iter().cloned().map(Ok).collect();
            return ObjectBody::Stream(Box::pin(stream::iter(pieces)));
        }
        ObjectBody::Memory(chunks)
    }
}

/// An upload is forgotten however it ends.
struct Forget<'a>(&'a Data, &'a ObjectId);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.uploads.lock().remove(self.1);
    }
}

#[async_trait::async_trait]
impl Storage for Fake {
    async fn put(&self, request: PutRequest, body: BodyPieces) -> Result<PutReply, StorageError> {
        self.puts.lock().push(request.clone());
        let fault = self.meet(request.epoch).await?;
        let repeated = self
            .data
            .objects
            .lock()
            .get(&request.object)
            .filter(|s| s.written_by == request.request_id)
            .cloned();
        if let Some(stored) = repeated {
            return Ok(PutReply { meta: stored.meta, created: stored.created });
        }
        if !request.preconditions.hold(self.digest_of(&request.object)) {
            return Err(StorageError::PreconditionFailed);
        }
        let body = self.receive(&request, body).await?;
        if fault == Some(Fault::LostAfterBody) {
            return Err(StorageError::Unavailable("died".into()));
        }
        let now = self.clock.unix_millis();
        let seq = self.data.versions.fetch_add(1, SeqCst) as u64 + 1;
        let meta = Arc::new(ObjectMeta {
            version: Version { epoch: request.epoch, seq },
            digest: Digest::of(&body.to_bytes()),
            size: body.len(),
            class: request.class,
            attributes: request.attributes.clone(),
            stored_at: now,
            expires_at: now.plus(request.ttl.as_duration()),
        });
        let created = self.digest_of(&request.object).is_none();
        let stored = Stored { meta: meta.clone(), body, written_by: request.request_id, created };
        self.data.objects.lock().insert(request.object, stored);
        match fault {
            Some(Fault::UnknownButDone) => Err(StorageError::OutcomeUnknown("fault".into())),
            _ => Ok(PutReply { meta, created }),
        }
    }

    async fn get(&self, request: GetRequest) -> Result<GetReply, StorageError> {
        let die_after = match self.meet(request.epoch).await? {
            Some(Fault::DieAfter(bytes)) => Some(bytes),
            _ => None,
        };
        let Some(stored) = self.data.objects.lock().get(&request.object).cloned() else {
            let uploads = self.data.uploads.lock();
            return match uploads.get(&request.object) {
                Some(upload) if matches!(request.follow, Follow::Body | Follow::Range) => {
                    let range = request.arriving_range();
                    let pieces =
                        RangeReader::new(upload.reader.clone(), range.clone().unwrap_or(0..u64::MAX));
                    let pieces = pieces.map(|piece| piece.map_err(|BodyCut| StorageError::BodyCut));
                    let body = ObjectBody::Stream(Box::pin(pieces));
                    Ok(GetReply::Arriving { arriving: upload.arriving.clone(), range, body })
                }
                _ => Err(StorageError::NotFound),
            };
        };
        let meta = stored.meta;
        if request.if_none_match.contains(&meta.digest) {
            return Ok(GetReply::NotModified(meta));
        }
        let range = request.range.filter(|_| request.if_range.is_none_or(|digest| digest == meta.digest));
        let Some(range) = range else {
            return Ok(GetReply::Found { meta, range: None, body: self.body(stored.body, die_after) });
        };
        match range.resolve(meta.size) {
            None => Ok(GetReply::RangeNotSatisfiable(meta)),
            Some(range) => {
                let body = self.body(stored.body.slice(range.clone()), die_after);
                Ok(GetReply::Found { meta, range: Some(range), body })
            }
        }
    }

    async fn head(&self, request: HeadRequest) -> Result<HeadReply, StorageError> {
        self.meet(request.epoch).await?;
        if let Some(stored) = self.data.objects.lock().get(&request.object) {
            return Ok(HeadReply::Found(stored.meta.clone()));
        }
        match self.data.uploads.lock().get(&request.object) {
            Some(upload) if request.follow == Follow::Body => {
                Ok(HeadReply::Arriving(upload.arriving.clone()))
            }
            _ => Err(StorageError::NotFound),
        }
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteReply, StorageError> {
        self.meet(request.epoch).await?;
        let existed = self.data.objects.lock().remove(&request.object).is_some();
        Ok(DeleteReply { version: Version { epoch: request.epoch, seq: 1 }, existed })
    }

    async fn list(&self, request: ListRequest) -> Result<ListReply, StorageError> {
        let epoch = request.shards[0].1;
        self.meet(epoch).await?;
        let objects = self.data.objects.lock();
        let mut names: BTreeMap<String, Option<Arc<ObjectMeta>>> = BTreeMap::new();
        for (object, stored) in objects.iter() {
            let key = object.key.as_str();
            let shard = headwater_ring::shard(object.namespace, &object.key);
            let Some(rest) = key.strip_prefix(&request.prefix) else { continue };
            if object.namespace != request.namespace || !request.shards.contains(&(shard, epoch)) {
                continue;
            }
            match rest.find('/').filter(|_| request.fold) {
                Some(slash) => names.insert(key[..request.prefix.len() + slash + 1].to_owned(), None),
                None => names.insert(key.to_owned(), Some(stored.meta.clone())),
            };
        }
        let after = request.after.unwrap_or_default();
        let mut left = names.into_iter().filter(|(name, _)| *name > after);
        let entries =
            left.by_ref().take(request.limit).map(|(name, meta)| ListEntry { name, meta }).collect();
        Ok(ListReply { entries, more: left.next().is_some() })
    }
}
