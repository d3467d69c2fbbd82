//! A node in memory, with just enough behaviour to tell whether calls reach it unharmed.

use futures_util::StreamExt;
use headwater_proto::{
    Arriving, BodyPiece, BodyPieces, DeleteReply, DeleteRequest, Follow, GetReply, GetRequest, HeadReply,
    HeadRequest, ListEntry, ListReply, ListRequest, ObjectBody, PutReply, PutRequest, Replicate,
    ReplicateBegin, ReplicateCommit, Replication, ReplicationPieces, StopReads, Storage, StorageError,
};
use headwater_types::{
    BodyReader, BodyWriter, Chunks, Incarnation, Member, NodeId, ObjectId, ObjectMeta, RangeReader, ShardId,
    UnixMillis, Version,
};
use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::watch;

#[derive(Debug, Default)]
pub struct State {
    pub objects: BTreeMap<ObjectId, (Arc<ObjectMeta>, Chunks)>,
    arriving: BTreeMap<ObjectId, (Arriving, BodyReader)>,
    pub replicated: Vec<(ReplicateBegin, ReplicateCommit, Chunks)>,
    seq: u64,
    /// What every call answers instead of doing anything.
    pub fail: Option<StorageError>,
    /// Calls never answer; streamed ones once they have read their body.
    pub hang: bool,
    /// Trace ids of the spans in which calls ran.
    pub traces: Vec<String>,
}

#[derive(Debug)]
pub struct Fake {
    state: Mutex<State>,
    /// Counts bodies that ended without their end, and calls that were dropped while they read one.
    cut: watch::Sender<usize>,
}

/// Counts a body as cut unless it is told otherwise.
struct CutGuard<'a>(&'a watch::Sender<usize>, bool);

impl Drop for CutGuard<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.send_modify(|count| *count += 1);
        }
    }
}

impl Fake {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), cut: watch::Sender::new(0) })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub async fn wait_for_cut(&self) {
        self.cut.subscribe().wait_for(|count| *count > 0).await.unwrap();
    }

    async fn gate(&self) -> Result<(), StorageError> {
        self.state().traces.push(crate::trace::current_trace_id());
        if self.state().hang {
            pending::<()>().await;
        }
        self.state().fail.clone().map_or(Ok(()), Err)
    }

    fn lookup(&self, object: &ObjectId, follow: Follow) -> Result<Lookup, StorageError> {
        let state = self.state();
        if let Some((meta, body)) = state.objects.get(object) {
            return Ok(Lookup::Stored(meta.clone(), body.clone()));
        }
        match state.arriving.get(object).filter(|_| matches!(follow, Follow::Body | Follow::Range)) {
            Some((arriving, reader)) => Ok(Lookup::Arriving(arriving.clone(), reader.clone())),
            None => Err(StorageError::NotFound),
        }
    }
}

enum Lookup {
    Stored(Arc<ObjectMeta>, Chunks),
    Arriving(Arriving, BodyReader),
}

#[async_trait::async_trait]
impl Storage for Fake {
    async fn put(&self, put: PutRequest, mut body: BodyPieces) -> Result<PutReply, StorageError> {
        let hang = std::mem::take(&mut self.state().hang);
        self.gate().await?;
        let mut guard = CutGuard(&self.cut, false);
        let writer = BodyWriter::new();
        if put.followable {
            let arriving = Arriving { attributes: put.attributes.clone(), class: put.class, ttl: put.ttl };
            self.state().arriving.insert(put.object.clone(), (arriving, writer.reader()));
        }
        let end = loop {
            match body.next().await {
                Some(BodyPiece::Chunk(bytes)) => writer.push(bytes),
                Some(BodyPiece::End(end)) => break end,
                None => {
                    self.state().arriving.remove(&put.object);
                    return Err(StorageError::BodyCut);
                }
            }
            if writer.len() > put.size_max {
                return Err(StorageError::TooLarge { limit: put.size_max });
            }
        };
        guard.1 = true;
        if hang {
            pending::<()>().await;
        }
        let mut state = self.state();
        let current = state.objects.get(&put.object).map(|(meta, _)| meta.digest);
        if !put.preconditions.hold(current) {
            return Err(StorageError::PreconditionFailed);
        }
        state.seq += 1;
        let stored_at = UnixMillis(1_700_000_000_000);
        let meta = Arc::new(ObjectMeta {
            version: Version { epoch: put.epoch, seq: state.seq },
            digest: end.digest,
            size: end.size,
            class: put.class,
            attributes: put.attributes,
            stored_at,
            expires_at: stored_at.plus(put.ttl.as_duration()),
        });
        state.arriving.remove(&put.object);
        state.objects.insert(put.object, (meta.clone(), Chunks::new(writer.pieces())));
        writer.complete();
        Ok(PutReply { meta, created: current.is_none() })
    }

    async fn get(&self, get: GetRequest) -> Result<GetReply, StorageError> {
        self.gate().await?;
        let (meta, body) = match self.lookup(&get.object, get.follow)? {
            Lookup::Stored(meta, body) => (meta, body),
            Lookup::Arriving(arriving, reader) => {
                let range = get.arriving_range();
                let body = RangeReader::new(reader, range.clone().unwrap_or(0..u64::MAX));
                let body = body.map(|piece| piece.map_err(|_| StorageError::BodyCut)).boxed();
                return Ok(GetReply::Arriving { arriving, range, body: ObjectBody::Stream(body) });
            }
        };
        if get.if_none_match.contains(&meta.digest) {
            return Ok(GetReply::NotModified(meta));
        }
        let applies = get.if_range.is_none_or(|digest| digest == meta.digest);
        let Some(range) = get.range.filter(|_| applies) else {
            return Ok(GetReply::Found { meta, range: None, body: ObjectBody::Memory(body) });
        };
        Ok(match range.resolve(meta.size) {
            Some(range) => {
                let body = ObjectBody::Memory(body.slice(range.clone()));
                GetReply::Found { meta, range: Some(range), body }
            }
            None => GetReply::RangeNotSatisfiable(meta),
        })
    }

    async fn head(&self, head: HeadRequest) -> Result<HeadReply, StorageError> {
        self.gate().await?;
        Ok(match self.lookup(&head.object, head.follow)? {
            Lookup::Stored(meta, _) => HeadReply::Found(meta),
            Lookup::Arriving(arriving, _) => HeadReply::Arriving(arriving),
        })
    }

    async fn delete(&self, delete: DeleteRequest) -> Result<DeleteReply, StorageError> {
        self.gate().await?;
        let mut state = self.state();
        state.seq += 1;
        let existed = state.objects.remove(&delete.object).is_some();
        Ok(DeleteReply { version: Version { epoch: delete.epoch, seq: state.seq }, existed })
    }

    async fn list(&self, list: ListRequest) -> Result<ListReply, StorageError> {
        self.gate().await?;
        let mut entries: Vec<ListEntry> = Vec::new();
        for (object, (meta, _)) in &self.state().objects {
            let Some(tail) = object.key.as_str().strip_prefix(&list.prefix) else { continue };
            let folded =
                tail.find('/').filter(|_| list.fold).map(|at| format!("{}{}", list.prefix, &tail[..=at]));
            let meta = folded.is_none().then(|| meta.clone());
            let name = folded.unwrap_or_else(|| object.key.to_string());
            let is_new = entries.last().is_none_or(|last| last.name != name);
            if is_new && list.after.as_ref().is_none_or(|after| name > *after) {
                entries.push(ListEntry { name, meta });
            }
        }
        let more = entries.len() > list.limit;
        entries.truncate(list.limit);
        Ok(ListReply { entries, more })
    }
}

#[async_trait::async_trait]
impl Replication for Fake {
    async fn replicate(
        &self,
        begin: ReplicateBegin,
        mut pieces: ReplicationPieces,
    ) -> Result<Version, StorageError> {
        let hang = std::mem::take(&mut self.state().hang);
        self.gate().await?;
        let mut guard = CutGuard(&self.cut, false);
        let mut body = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Replicate::Chunk(bytes) => body.push(bytes),
                Replicate::Commit(commit) => {
                    guard.1 = true;
                    if hang {
                        pending::<()>().await;
                    }
                    let version = commit.version;
                    self.state().replicated.push((begin, commit, Chunks::new(body)));
                    return Ok(version);
                }
            }
        }
        Err(StorageError::BodyCut)
    }

    async fn beacon(&self, _from: Member, map_version: u64) -> Result<(Member, u64), StorageError> {
        self.gate().await?;
        Ok((Member { node: NodeId(9), incarnation: Incarnation(3) }, map_version + 1))
    }

    /// Stops those of even epochs.
    async fn stop_reads(&self, request: StopReads) -> Result<Vec<ShardId>, StorageError> {
        self.gate().await?;
        let even = request.shards.into_iter().filter(|(_, epoch)| epoch.0.is_multiple_of(2));
        Ok(even.map(|(shard, _)| shard).collect())
    }
}
