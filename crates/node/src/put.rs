//! PUT at the head: the body arrives, is staged under the key's lock, and answered once every member holds it.

use futures_util::StreamExt;
use headwater_proto::{
    Arriving, BodyEnd, BodyPiece, BodyPieces, PutReply, PutRequest, ReplicateBegin, StorageError,
};
use headwater_store::Record;
use headwater_types::{
    BodyShare, Chunks, Epoch, Member, ObjectId, ObjectMeta, RequestId, ShardId, UnixMillis, Version,
    limits::REQUEST_IDS_PER_RECORD,
};
use std::{sync::Arc, time::Duration};

use crate::{
    arrivals::Arrival,
    budget::{admit_body, overloaded},
    commit::Staged,
    node::{StorageNode, refused},
    outgoing::Outgoing,
};

/// What became of a whole body under the key's lock.
enum Decided {
    /// It is staged.
    Staged { staged: Arc<Staged>, created: bool },
    /// An earlier attempt at the same request was; this is the key's newest version.
    Repeat(Newest),
    /// Nothing is: it overlapped this newest version, whose request came later, and counts as written just before it.
    Before(Newest),
    /// The preconditions do not hold for the key's newest version.
    Refused(Newest),
}

/// What the key's lock found: the newest version, staged ones included.
pub(crate) enum Newest {
    Staged(Arc<Staged>),
    Stored(Arc<Record>),
    None,
}

impl Newest {
    pub(crate) fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Self::Staged(staged) => Some(&staged.record),
            Self::Stored(record) => Some(record),
            Self::None => None,
        }
    }

    /// The newest version if it is an object and not a delete.
    pub(crate) fn live(&self) -> Option<&Arc<Record>> {
        self.record().filter(|record| !record.tombstone)
    }

    /// The ids of the requests that led here, with a new one before them.
    pub(crate) fn request_ids(&self, request: RequestId) -> Arc<[RequestId]> {
        let before = self.record().map(|record| record.request_ids.as_ref()).unwrap_or_default();
        std::iter::once(&request).chain(before).copied().take(REQUEST_IDS_PER_RECORD).collect()
    }
}

impl StorageNode {
    pub(crate) async fn do_put(
        self: &Arc<Self>,
        request: PutRequest,
        body: BodyPieces,
    ) -> Result<PutReply, StorageError> {
        let entry = {
            let core = self.shard(request.shard).lock();
            core.check_head(request.epoch).map_err(|r| refused(&core, r, self.map_version()))?.clone()
        };
        // A quick refusal; what counts is decided again under the key's lock.
        let early = self.newest(&request.object, request.shard).await?;
        if !self.is_repeat(&request, &early)
            && !request.preconditions.hold(early.live().map(|record| record.meta.digest))
        {
            self.may_tell(request.shard, request.epoch, &early, request.remaining).await?;
            return Err(StorageError::PreconditionFailed);
        }

        let about = request.followable.then(|| Arriving {
            attributes: request.attributes.clone(),
            class: request.class,
            ttl: request.ttl,
        });
        let mut arrival = self.arrivals().begin(request.object.clone(), about, request.began);
        let peers: Vec<Member> = entry.writers().filter(|m| *m != self.member()).collect();
        let mut charge = admit_body(self.inflight(), request.size, request.size_max)?;
        let opened = peers.iter().map(|peer| self.open_arriving(&request, *peer, &arrival)).collect();
        let end = self.receive(&request, body, &mut arrival, &mut charge).await?;

        self.store_whole(&request, end, charge, arrival, opened).await
    }

    /// Takes the body in: visible to followers and sent ahead to the members as it arrives.
    async fn receive(
        &self,
        request: &PutRequest,
        mut body: BodyPieces,
        arrival: &mut Arrival,
        charge: &mut BodyShare,
    ) -> Result<BodyEnd, StorageError> {
        let mut size = 0;
        let no_room = |_| overloaded(self.inflight());
        while let Some(piece) = charge.unless_refused(|cx| body.poll_next_unpin(cx)).await.map_err(no_room)? {
            match piece {
                BodyPiece::Chunk(bytes) => {
                    size += bytes.len() as u64;
                    if size > request.size_max {
                        return Err(StorageError::TooLarge { limit: request.size_max });
                    }
                    charge.cover(size).await.map_err(no_room)?;
                    arrival.push(bytes);
                }
                BodyPiece::End(end) if end.size == size => {
                    charge.settle(size);
                    return Ok(end);
                }
                BodyPiece::End(_) => return Err(StorageError::DigestMismatch),
            }
        }
        Err(StorageError::BodyCut)
    }

    /// The body is whole: decide and stage, hand over, answer. Until something is staged, a write that runs out of time has
    /// done nothing; from then on its outcome is unknown.
    async fn store_whole(
        self: &Arc<Self>,
        request: &PutRequest,
        end: BodyEnd,
        charge: BodyShare,
        arrival: Arrival,
        mut opened: Vec<Outgoing>,
    ) -> Result<PutReply, StorageError> {
        let deadline = self.clock().monotonic() + request.remaining;
        let decide = self.decide(request, end, charge, &arrival, &mut opened);
        let decided = self.in_time(request.remaining, decide).await?;
        let left = deadline.saturating_sub(self.clock().monotonic());
        match decided {
            Decided::Repeat(newest) => self.answer_repeat(request, newest, left).await,
            Decided::Before(newest) => {
                // Its body is not needed any more. It was never a version, so who follows it is cut.
                drop((arrival, opened));
                self.answer_before(request, end, newest, left).await
            }
            Decided::Refused(newest) => {
                drop((arrival, opened));
                self.may_tell(request.shard, request.epoch, &newest, left).await?;
                Err(StorageError::PreconditionFailed)
            }
            Decided::Staged { staged, created } => {
                self.drive(staged.clone(), opened, Some(arrival));
                self.until_clean(&staged, left).await?;
                self.metrics().puts.inc();
                Ok(PutReply { meta: staged.record.meta.clone(), created })
            }
        }
    }

    /// Under the key's lock. Staging is the last step, with no wait behind it: whoever is cut off before has staged nothing.
    async fn decide(
        &self,
        request: &PutRequest,
        end: BodyEnd,
        charge: BodyShare,
        arrival: &Arrival,
        opened: &mut Vec<Outgoing>,
    ) -> Result<Decided, StorageError> {
        // A member that is known to be out of reach would leave the key unreadable here: wait before staging.
        self.links_up(request.shard, request.epoch).await?;
        let _lock = self.key_lock(&request.object).lock().await;
        let newest = self.newest(&request.object, request.shard).await?;
        if self.is_repeat(request, &newest) {
            return Ok(Decided::Repeat(newest));
        }
        if !request.preconditions.hold(newest.live().map(|record| record.meta.digest)) {
            return Ok(Decided::Refused(newest));
        }
        if self.began_before(request, arrival, &newest) {
            return Ok(Decided::Before(newest));
        }
        let record = self.new_record(request, end, arrival, &newest);
        if !self.tier().fits(request.object.namespace, record.cost()) {
            let bytes = end.size;
            return Err(StorageError::Overloaded(format!(
                "{bytes} bytes do not fit the hot capacity of the namespace"
            )));
        }
        self.check_members(request, record.cost(), opened)?;
        let created = newest.live().is_none();
        let staged = self.stage(request.shard, request.epoch, record, Some(charge))?;
        self.note_beginning(request, arrival, staged.record.meta.version);
        Ok(Decided::Staged { staged, created })
    }

    /// Refuses what a member has said that it cannot hold: once it is staged, it could only be acknowledged without it.
    fn check_members(
        &self,
        request: &PutRequest,
        cost: u64,
        opened: &mut Vec<Outgoing>,
    ) -> Result<(), StorageError> {
        let (namespace, now) = (request.object.namespace, self.clock().monotonic());
        let mut refused = None;
        opened.retain_mut(|outgoing| match outgoing.refusal() {
            Some(error @ StorageError::Overloaded(_)) => {
                self.no_room().note(outgoing.member, namespace, cost, now);
                refused = Some(error);
                false
            }
            // The version is sent on another call.
            Some(_) => false,
            None => true,
        });
        if let Some(error) = refused {
            return Err(error);
        }
        let members = self.shard(request.shard).lock().missing(&[]);
        match members.into_iter().find(|member| self.no_room().is_known(*member, namespace, cost, now)) {
            None => Ok(()),
            Some(member) => Err(StorageError::Overloaded(format!(
                "{member} has no room for {cost} bytes of the namespace"
            ))),
        }
    }

    /// Bounds what comes before staging: out of time means that nothing was done.
    pub(crate) async fn in_time<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let out_of_time = || StorageError::Unavailable("a member of the shard is out of reach".into());
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(out_of_time()))
    }

    /// Gives a record its version and stages it. From here on it can only become clean.
    pub(crate) fn stage(
        &self,
        shard: ShardId,
        epoch: Epoch,
        mut record: Record,
        charge: Option<BodyShare>,
    ) -> Result<Arc<Staged>, StorageError> {
        let mut core = self.shard(shard).lock();
        let version = core.next_version(epoch).map_err(|r| refused(&core, r, self.map_version()))?;
        Arc::make_mut(&mut record.meta).version = version;
        let staged = Staged::charged(Arc::new(record), charge);
        core.stage(staged.clone());
        Ok(staged)
    }

    /// The record of a whole body; its version comes when it is staged.
    fn new_record(&self, request: &PutRequest, end: BodyEnd, arrival: &Arrival, newest: &Newest) -> Record {
        let now = self.clock().unix_millis();
        Record {
            object: request.object.clone(),
            shard: request.shard,
            meta: Arc::new(Self::new_meta(request, end, now)),
            body: Chunks::compact(arrival.body().pieces()),
            tombstone: false,
            request_ids: newest.request_ids(request.request_id),
        }
    }

    /// What is known of a whole body without its version.
    pub(crate) fn new_meta(request: &PutRequest, end: BodyEnd, now: UnixMillis) -> ObjectMeta {
        ObjectMeta {
            version: Version::default(),
            digest: end.digest,
            size: end.size,
            class: request.class,
            attributes: request.attributes.clone(),
            stored_at: now,
            expires_at: now.plus(request.ttl.as_duration()),
        }
    }

    /// Whether the newest versions of the key came from this very request: its first attempt got further than its
    /// caller knows.
    fn is_repeat(&self, request: &PutRequest, newest: &Newest) -> bool {
        newest.record().is_some_and(|record| record.request_ids.contains(&request.request_id))
    }

    /// Answers a repeated request with the outcome of its first attempt. That the key was new then is told from the
    /// remembered ids: a key that was deleted before counts as replaced.
    async fn answer_repeat(
        &self,
        request: &PutRequest,
        newest: Newest,
        left: Duration,
    ) -> Result<PutReply, StorageError> {
        let PutRequest { shard, epoch, ref object, request_id, .. } = *request;
        let done = self.first_attempt(shard, epoch, object, request_id, newest, left).await?;
        let Some(record) = done else {
            return Err(StorageError::Unavailable("the first attempt is not known any more".into()));
        };
        let ids = &record.request_ids;
        let created = ids.last() == Some(&request_id) && ids.len() < REQUEST_IDS_PER_RECORD;
        Ok(PutReply { meta: record.meta.clone(), created })
    }

    /// What a request that is repeated made, once that is clean; or else the newest version that it led to, once that
    /// is: nothing may be told of what is not acknowledged.
    pub(crate) async fn first_attempt(
        &self,
        shard: ShardId,
        epoch: Epoch,
        object: &ObjectId,
        request: RequestId,
        newest: Newest,
        left: Duration,
    ) -> Result<Option<Arc<Record>>, StorageError> {
        let own = self.shard(shard).lock().staged_by(object, request).cloned();
        let staged = match (own, newest) {
            (Some(own), _) => own,
            (None, Newest::Staged(newest)) => newest,
            (None, newest) => {
                self.may_tell(shard, epoch, &newest, left).await?;
                return Ok(newest.record().cloned());
            }
        };
        self.until_clean(&staged, left).await?;
        Ok(Some(staged.record.clone()))
    }

    /// The newest version of a key, staged ones included. Under the key's lock it stays the newest.
    pub(crate) async fn newest(&self, object: &ObjectId, shard: ShardId) -> Result<Newest, StorageError> {
        // In this order: what is taken off the staged ones is in the store by then.
        let staged = self.shard(shard).lock().newest_staged(object).cloned();
        let stored = self.tier().get(object).await.map_err(|e| StorageError::Unavailable(e.to_string()))?;
        Ok(match (staged, stored) {
            (Some(staged), Some(stored)) if stored.meta.version > staged.record.meta.version => {
                Newest::Stored(stored)
            }
            (Some(staged), _) => Newest::Staged(staged),
            (None, Some(stored)) => Newest::Stored(stored),
            (None, None) => Newest::None,
        })
    }

    fn open_arriving(&self, request: &PutRequest, to: Member, arrival: &Arrival) -> Outgoing {
        let begin = ReplicateBegin {
            shard: request.shard,
            epoch: request.epoch,
            from: self.member(),
            to,
            object: request.object.clone(),
            request_id: request.request_id,
            class: request.class,
            attributes: request.attributes.clone(),
            ttl: request.ttl,
            followable: request.followable,
            remaining: request.remaining.max(Duration::from_secs(1)),
            size: request.size,
            staged: false,
            began: request.began,
        };
        Outgoing::open(self.peer(to), begin, arrival.body().reader())
    }
}
