//! A node that cannot be reached: every call is answered with `Unavailable`, and nothing is done.

use headwater_types::{Member, ShardId, Version};

use crate::{
    error::StorageError,
    replication::{ReplicateBegin, Replication, ReplicationPieces, StopReads},
    storage::{
        BodyPieces, DeleteReply, DeleteRequest, GetReply, GetRequest, HeadReply, HeadRequest, ListReply,
        ListRequest, PutReply, PutRequest, Storage,
    },
};

#[derive(Debug)]
pub(super) struct Unreachable {
    why: String,
}

impl Unreachable {
    pub(super) fn new(why: impl ToString) -> Self {
        Self { why: why.to_string() }
    }

    fn error<T>(&self) -> Result<T, StorageError> {
        Err(StorageError::Unavailable(self.why.clone()))
    }
}

#[async_trait::async_trait]
impl Storage for Unreachable {
    async fn put(&self, _: PutRequest, _: BodyPieces) -> Result<PutReply, StorageError> {
        self.error()
    }

    async fn get(&self, _: GetRequest) -> Result<GetReply, StorageError> {
        self.error()
    }

    async fn head(&self, _: HeadRequest) -> Result<HeadReply, StorageError> {
        self.error()
    }

    async fn delete(&self, _: DeleteRequest) -> Result<DeleteReply, StorageError> {
        self.error()
    }

    async fn list(&self, _: ListRequest) -> Result<ListReply, StorageError> {
        self.error()
    }
}

#[async_trait::async_trait]
impl Replication for Unreachable {
    async fn replicate(&self, _: ReplicateBegin, _: ReplicationPieces) -> Result<Version, StorageError> {
        self.error()
    }

    async fn beacon(&self, _: Member, _: u64) -> Result<(Member, u64), StorageError> {
        self.error()
    }

    async fn stop_reads(&self, _: StopReads) -> Result<Vec<ShardId>, StorageError> {
        self.error()
    }
}
