use super::*;
use bytes::Bytes;
use futures_util::StreamExt;
use headwater_proto::{ReplicationPieces, StopReads};
use headwater_types::{
    Attributes, Digest, Incarnation, MediaClass, NamespaceId, NodeId, ObjectId, ObjectKey, RequestId,
    ShardId, UnixMillis,
};

/// A member that takes one piece at each pause, and after so many of them nothing any more.
#[derive(Debug)]
struct Slow {
    pause: Duration,
    pieces: usize,
}

#[async_trait::async_trait]
impl Replication for Slow {
    async fn replicate(
        &self,
        _: ReplicateBegin,
        mut pieces: ReplicationPieces,
    ) -> Result<Version, StorageError> {
        for _ in 0..self.pieces {
            tokio::time::sleep(self.pause).await;
            if let Some(Replicate::Commit(commit)) = pieces.next().await {
                return Ok(commit.version);
            }
        }
        std::future::pending().await
    }
    async fn beacon(&self, _: Member, _: u64) -> Result<(Member, u64), StorageError> {
        unreachable!()
    }
    async fn stop_reads(&self, _: StopReads) -> Result<Vec<ShardId>, StorageError> {
        unreachable!()
    }
}

/// Sends ten pieces and the commit.
async fn send(to: Slow) -> Result<Version, StorageError> {
    let member = Member { node: NodeId(1), incarnation: Incarnation(1) };
    let version = Version { epoch: Epoch(1), seq: 1 };
    let begin = ReplicateBegin {
        shard: ShardId::new(0).unwrap(),
        epoch: Epoch(1),
        from: member,
        to: member,
        object: ObjectId { namespace: NamespaceId(1), key: ObjectKey::parse("a").unwrap() },
        request_id: RequestId(1),
        class: MediaClass::Media,
        attributes: Attributes::default(),
        ttl: Ttl::from_secs(1).unwrap(),
        followable: false,
        remaining: STALLED_AFTER,
        size: None,
        staged: true,
        began: None,
    };
    let commit = ReplicateCommit {
        version,
        tombstone: false,
        digest: Digest::of(b"0123456789"),
        size: 10,
        stored_at: UnixMillis(0),
        expires_at: UnixMillis(1),
        request_ids: Vec::new(),
        clean_seq: 0,
    };
    let body = BodyWriter::new();
    for digit in b"0123456789".chunks(1) {
        body.push(Bytes::from_static(digit));
    }
    body.complete();
    Outgoing::open(Arc::new(to), begin, body.reader()).commit(commit).await
}

#[tokio::test(start_paused = true)]
async fn a_body_takes_as_long_as_it_gets_on() {
    let pause = STALLED_AFTER - Duration::from_millis(1);
    let outcome = send(Slow { pause, pieces: 11 }).await;
    assert_eq!(outcome.map(|version| version.seq), Ok(1), "ten times as long as one stall may last");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_moves_nothing_is_given_up() {
    let pause = Duration::from_millis(1);
    for pieces in [0, 5] {
        let outcome = tokio::time::timeout(STALLED_AFTER * 2, send(Slow { pause, pieces })).await;
        assert!(matches!(outcome, Ok(Err(StorageError::OutcomeUnknown(_)))), "{outcome:?}");
    }
}
