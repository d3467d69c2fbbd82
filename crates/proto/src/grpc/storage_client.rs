//! [`Storage`] over gRPC: the client.

use futures_util::StreamExt;
use headwater_types::{ByteRange, limits::CHUNK_BYTES, limits::GRPC_MESSAGE_BYTES_MAX};
use std::{future::Future, time::Duration};
use tokio::time::timeout;
use tonic::{Request, Response, Status, transport::Channel};

use super::{
    get_answer::GetAnswer, outgoing::Outgoing, pool::Pool, reply_body, transport::AddressError,
    upload::upload,
};
use crate::{
    convert::{
        REMAINING_MAX,
        read::GetHeader,
        status::{read_error, write_error},
    },
    error::{ConvertError, StorageError},
    storage::{
        BodyPieces, DeleteReply, DeleteRequest, GetReply, GetRequest, HeadReply, HeadRequest, ListReply,
        ListRequest, PutReply, PutRequest, Storage,
    },
    trace,
    v1::{self, get_message::Message, storage_client::StorageClient as Generated},
};

/// A storage node somewhere else.
#[derive(Debug)]
pub struct StorageClient {
    pool: Pool,
}

impl StorageClient {
    /// Of the node at `host:port`. Connects when it is first used. Must be called within a runtime.
    pub fn new(address: &str) -> Result<Self, AddressError> {
        Ok(Self { pool: Pool::new(address)? })
    }

    fn small(&self) -> Generated<Channel> {
        generated(self.pool.small())
    }

    fn bulk(&self) -> Generated<Channel> {
        generated(self.pool.bulk())
    }
}

fn generated(channel: Channel) -> Generated<Channel> {
    Generated::new(channel)
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX)
}

/// A request with its deadline and its trace.
fn request<T>(message: T, remaining: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(remaining);
    trace::inject(request.metadata_mut());
    request
}

/// Bounds a call, the wait for a connection included, which the transport's own timeout leaves out.
async fn within<T>(remaining: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded("no reply within the deadline"));
    timeout(remaining, call).await.unwrap_or_else(late)
}

/// A reply that cannot be read does not say what became of the write.
fn unreadable(malformed: ConvertError) -> StorageError {
    StorageError::OutcomeUnknown(format!("the reply is malformed: {malformed}"))
}

#[async_trait::async_trait]
impl Storage for StorageClient {
    async fn put(&self, put: PutRequest, body: BodyPieces) -> Result<PutReply, StorageError> {
        let remaining = put.remaining;
        let header = v1::PutMessage { message: Some(v1::put_message::Message::Header(put.into())) };
        let (messages, progress) = Outgoing::new(header, body);
        let mut request = Request::new(messages);
        trace::inject(request.metadata_mut());
        let mut client = self.bulk();
        let reply = upload(client.put(request), progress, remaining).await?;
        reply.try_into().map_err(unreadable)
    }

    async fn get(&self, get: GetRequest) -> Result<GetReply, StorageError> {
        let remaining = get.remaining.min(REMAINING_MAX);
        let channel = if is_small(&get) { self.pool.small() } else { self.pool.bulk() };
        let begin = async move {
            let (metadata, _, get) = request(v1::GetRequest::from(get), remaining).into_parts();
            let mut answer = GetAnswer::open(channel, metadata, &get).await?;
            let header = header(&mut answer).await?;
            Ok((header, answer))
        };
        let (header, answer) = within(remaining, begin).await.map_err(|status| read_error(&status))?;
        Ok(match header {
            GetHeader::Found { meta, range } => {
                let len = range.as_ref().map_or(meta.size, |range| range.end - range.start);
                GetReply::Found { meta, range, body: reply_body::committed(answer, len) }
            }
            GetHeader::Arriving { arriving, range } => {
                GetReply::Arriving { arriving, range, body: reply_body::arriving(answer) }
            }
            GetHeader::NotModified(meta) => GetReply::NotModified(meta),
            GetHeader::RangeNotSatisfiable(meta) => GetReply::RangeNotSatisfiable(meta),
        })
    }

    async fn head(&self, head: HeadRequest) -> Result<HeadReply, StorageError> {
        let remaining = head.remaining.min(REMAINING_MAX);
        let mut client = self.small();
        let reply = within(remaining, client.head(request(head.into(), remaining))).await;
        let reply = reply.map(Response::into_inner).map_err(|status| read_error(&status))?;
        Ok(reply.try_into()?)
    }

    async fn delete(&self, delete: DeleteRequest) -> Result<DeleteReply, StorageError> {
        let remaining = delete.remaining.min(REMAINING_MAX);
        let mut client = self.small();
        let reply = within(remaining, client.delete(request(delete.into(), remaining))).await;
        let reply = reply.map(Response::into_inner).map_err(|status| write_error(&status, true))?;
        reply.try_into().map_err(unreadable)
    }

    async fn list(&self, list: ListRequest) -> Result<ListReply, StorageError> {
        let remaining = list.remaining.min(REMAINING_MAX);
        let mut client = self.small();
        let reply = within(remaining, client.list(request(list.into(), remaining))).await;
        let reply = reply.map(Response::into_inner).map_err(|status| read_error(&status))?;
        Ok(reply.try_into()?)
    }
}

/// Whether the answer is expected to be small: a reader that has the object mostly gets no body, playlists aside.
fn is_small(get: &GetRequest) -> bool {
    let chunk = CHUNK_BYTES as u64;
    let is_short = match get.range {
        Some(ByteRange::FromTo(first, last)) => last.saturating_sub(first) < chunk,
        Some(ByteRange::Last(count)) => count <= chunk,
        Some(ByteRange::From(_)) | None => false,
    };
    is_short || !get.if_none_match.is_empty()
}

/// How the answer begins. Answers without a body are read to their end, so that their stream closes without a reset.
async fn header(answer: &mut GetAnswer) -> Result<GetHeader, StorageError> {
    let Some(Message::Header(header)) = answer.next().await.transpose()? else {
        return Err(StorageError::Invalid("the answer does not begin with its header".into()));
    };
    let header = GetHeader::try_from(header)?;
    if matches!(header, GetHeader::NotModified(_) | GetHeader::RangeNotSatisfiable(_)) {
        answer.next().await.transpose()?;
    }
    Ok(header)
}
