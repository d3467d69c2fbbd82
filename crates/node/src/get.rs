//! GET and HEAD at a member that may answer.

use futures_util::{StreamExt, TryStreamExt};
use headwater_proto::{Follow, GetReply, GetRequest, HeadReply, HeadRequest, ObjectBody, StorageError};
use headwater_store::Record;
use headwater_types::{BodyCut, Epoch, ObjectId, RangeReader, ShardId};
use std::{sync::Arc, time::Duration};

use crate::node::{StorageNode, refused};

/// How long the head waits for the acknowledgement of a dirty key before it sends the reader to the tail.
const DIRTY_WAIT: Duration = Duration::from_millis(50);

/// What a key is to a reader.
enum Seen {
    Object(Arc<Record>),
    Absent,
}

impl StorageNode {
    pub(crate) async fn do_get(&self, request: GetRequest) -> Result<GetReply, StorageError> {
        let GetRequest { shard, epoch, ref object, follow, remaining, .. } = request;
        loop {
            match self.look_up(shard, epoch, object, remaining).await? {
                Seen::Object(record) => return Ok(answer(&request, &record)),
                Seen::Absent if follow == Follow::Wait && self.await_arrival(object, remaining).await? => {}
                Seen::Absent if matches!(follow, Follow::Body | Follow::Range) => {
                    let (arriving, body) = self.arrivals().follow(object).ok_or(StorageError::NotFound)?;
                    self.metrics().followed_reads.inc();
                    let range = request.arriving_range();
                    let body = match range.clone() {
                        Some(range) => RangeReader::new(body, range).map_err(cut).boxed(),
                        None => body.map_err(cut).boxed(),
                    };
                    return Ok(GetReply::Arriving { arriving, range, body: ObjectBody::Stream(body) });
                }
                Seen::Absent => return Err(StorageError::NotFound),
            }
        }
    }

    pub(crate) async fn do_head(&self, request: HeadRequest) -> Result<HeadReply, StorageError> {
        let HeadRequest { shard, epoch, ref object, follow, remaining, .. } = request;
        loop {
            match self.look_up(shard, epoch, object, remaining).await? {
                Seen::Object(record) => return Ok(HeadReply::Found(record.meta.clone())),
                Seen::Absent if follow == Follow::Wait && self.await_arrival(object, remaining).await? => {}
                Seen::Absent if matches!(follow, Follow::Body | Follow::Range) => {
                    let (arriving, _) = self.arrivals().follow(object).ok_or(StorageError::NotFound)?;
                    return Ok(HeadReply::Arriving(arriving));
                }
                Seen::Absent => return Err(StorageError::NotFound),
            }
        }
    }

    /// Reads a key as a member that may say what is and what is not there: check, read, check again, since the process
    /// may have paused in between.
    async fn look_up(
        &self,
        shard: ShardId,
        epoch: Epoch,
        object: &ObjectId,
        remaining: Duration,
    ) -> Result<Seen, StorageError> {
        let check = || -> Result<_, StorageError> {
            let core = self.shard(shard).lock();
            core.check_read(epoch).map_err(|r| refused(&core, r, self.map_version()))?;
            Ok(core.newest_staged(object).cloned())
        };
        while let Some(staged) = check()? {
            // Never the version before it, never the staged one.
            let tail = self.has_tail(shard);
            let wait = if tail { DIRTY_WAIT.min(remaining) } else { remaining };
            if !staged.is_settled_within(wait).await {
                return Err(match tail {
                    true => StorageError::AskTail,
                    false => StorageError::Unavailable("a write of this key is in flight".into()),
                });
            }
        }
        let found = match self.tier().get_at_once(object) {
            Some(found) => found,
            None => self.tier().get(object).await.map_err(|e| StorageError::NotServing(e.to_string()))?,
        };
        check()?;
        Ok(match found {
            Some(record) if !record.tombstone => Seen::Object(record),
            _ => Seen::Absent,
        })
    }

    /// Waits for the upload in progress to end; `false` if there is none. When time is up it still arrives, so that
    /// nobody may say that it is absent.
    async fn await_arrival(&self, object: &ObjectId, limit: Duration) -> Result<bool, StorageError> {
        let Some(mut over) = self.arrivals().over(object) else { return Ok(false) };
        match tokio::time::timeout(limit, over.wait_for(|over| *over)).await {
            Ok(ended) => Ok(ended.is_ok()),
            Err(_) => Err(StorageError::Unavailable("the object is still arriving".into())),
        }
    }

    pub(crate) fn has_tail(&self, shard: ShardId) -> bool {
        self.shard(shard).lock().has_tail()
    }
}

fn cut(BodyCut: BodyCut) -> StorageError {
    StorageError::BodyCut
}

fn answer(request: &GetRequest, record: &Record) -> GetReply {
    let meta = record.meta.clone();
    if request.if_none_match.contains(&meta.digest) {
        return GetReply::NotModified(meta);
    }
    let wanted = request.range.filter(|_| request.if_range.is_none_or(|digest| digest == meta.digest));
    match wanted.map(|range| range.resolve(meta.size)) {
        None => GetReply::Found { meta, range: None, body: ObjectBody::Memory(record.body.clone()) },
        Some(None) => GetReply::RangeNotSatisfiable(meta),
        Some(Some(range)) => {
            let body = ObjectBody::Memory(record.body.slice(range.clone()));
            GetReply::Found { meta, range: Some(range), body }
        }
    }
}
