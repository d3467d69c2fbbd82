//! [`Replication`] over gRPC: the client.

use headwater_types::{Member, ShardId, Version, limits::GRPC_MESSAGE_BYTES_MAX};
use tokio::time::timeout;
use tonic::{Request, transport::Channel};

use super::{
    limits::{BEACON_DEADLINE, STOP_READS_DEADLINE},
    outgoing::Outgoing,
    pool::Pool,
    transport::AddressError,
    upload::upload,
};
use crate::{
    convert::{replication::shards_from_wire, status::read_error},
    error::StorageError,
    replication::{ReplicateBegin, Replication, ReplicationPieces, StopReads},
    trace,
    v1::{self, replicate_message::Message, replication_client::ReplicationClient as Generated},
};

/// Another member of a shard, somewhere else.
#[derive(Debug)]
pub struct ReplicationClient {
    pool: Pool,
}

impl ReplicationClient {
    /// Of the node at `host:port`. Connects when it is first used. Must be called within a runtime.
    pub fn new(address: &str) -> Result<Self, AddressError> {
        Ok(Self { pool: Pool::new(address)? })
    }
}

fn generated(channel: Channel) -> Generated<Channel> {
    Generated::new(channel)
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX)
}

#[async_trait::async_trait]
impl Replication for ReplicationClient {
    async fn replicate(
        &self,
        begin: ReplicateBegin,
        pieces: ReplicationPieces,
    ) -> Result<Version, StorageError> {
        let remaining = begin.remaining;
        let first = v1::ReplicateMessage { message: Some(Message::Begin(begin.into())) };
        let (messages, progress) = Outgoing::new(first, pieces);
        let mut request = Request::new(messages);
        trace::inject(request.metadata_mut());
        let mut client = generated(self.pool.bulk());
        let ack = upload(client.replicate(request), progress, remaining).await?;
        let unnamed = || StorageError::OutcomeUnknown("the acknowledgement names no version".into());
        ack.version.map(Into::into).ok_or_else(unnamed)
    }

    async fn beacon(&self, from: Member, map_version: u64) -> Result<(Member, u64), StorageError> {
        let mut request = Request::new(v1::BeaconRequest { from: Some(from.into()), map_version });
        request.set_timeout(BEACON_DEADLINE);
        let mut client = generated(self.pool.small());
        let reply = match timeout(BEACON_DEADLINE, client.beacon(request)).await {
            Ok(reply) => reply.map_err(|status| read_error(&status))?.into_inner(),
            Err(_) => return Err(StorageError::Unavailable("no reply to a beacon".into())),
        };
        let peer =
            reply.from.ok_or_else(|| StorageError::Invalid("a beacon's reply names no member".into()))?;
        Ok((peer.into(), reply.map_version))
    }

    async fn stop_reads(&self, request: StopReads) -> Result<Vec<ShardId>, StorageError> {
        let mut request = Request::new(v1::StopReadsRequest::from(request));
        request.set_timeout(STOP_READS_DEADLINE);
        let mut client = generated(self.pool.small());
        match timeout(STOP_READS_DEADLINE, client.stop_reads(request)).await {
            Ok(reply) => {
                Ok(shards_from_wire(reply.map_err(|status| read_error(&status))?.into_inner().shards)?)
            }
            Err(_) => Err(StorageError::Unavailable("no reply about reads".into())),
        }
    }
}
