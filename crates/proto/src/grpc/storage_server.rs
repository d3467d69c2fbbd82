//! [`Storage`] over gRPC: what serves it.

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use headwater_types::limits::GRPC_MESSAGE_BYTES_MAX;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, info_span};

use super::{
    checked::{Fault, checked, first_message},
    piece::split,
};
use crate::{
    convert::read::GetHeader,
    error::StorageError,
    storage::{
        DeleteRequest, GetReply, GetRequest, HeadRequest, ListRequest, ObjectBody, PutRequest, Storage,
    },
    trace::continued,
    v1::{
        self,
        get_message::Message as GetPart,
        put_message::Message as PutPart,
        storage_server::{Storage as Generated, StorageServer},
    },
};

/// Serves a [`Storage`] over gRPC.
#[derive(Debug, Clone)]
pub struct StorageService {
    storage: Arc<dyn Storage>,
}

/// The gRPC service of a storage node, to be added to [`super::server_builder`].
pub fn storage_service(storage: Arc<dyn Storage>) -> StorageServer<StorageService> {
    StorageServer::new(StorageService { storage })
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX)
}

#[async_trait::async_trait]
impl Generated for StorageService {
    async fn put(
        &self,
        request: Request<Streaming<v1::PutMessage>>,
    ) -> Result<Response<v1::PutReply>, Status> {
        let (metadata, _, mut messages) = request.into_parts();
        let Some(PutPart::Header(header)) = first_message(&mut messages).await?.message else {
            return Err(StorageError::Invalid("a PUT does not begin with its header".into()).into());
        };
        let put = PutRequest::try_from(header)?;
        let span = continued(
            info_span!("storage.put", otel.kind = "server", request_id = %put.request_id),
            &metadata,
        );
        let fault = Fault::default();
        let body = checked(messages, fault.clone());
        let outcome = self.storage.put(put, body).instrument(span).await;
        Ok(Response::new(fault.explain(outcome)?.into()))
    }

    type GetStream = BoxStream<'static, Result<v1::GetMessage, Status>>;

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<Self::GetStream>, Status> {
        let (metadata, _, message) = request.into_parts();
        let get = GetRequest::try_from(message)?;
        let span = continued(
            info_span!("storage.get", otel.kind = "server", request_id = %get.request_id),
            &metadata,
        );
        let (header, body) = match self.storage.get(get).instrument(span).await? {
            GetReply::Found { meta, range, body } => (GetHeader::Found { meta, range }, Some(body)),
            GetReply::Arriving { arriving, body } => (GetHeader::Arriving(arriving), Some(body)),
            GetReply::NotModified(meta) => (GetHeader::NotModified(meta), None),
            GetReply::RangeNotSatisfiable(meta) => (GetHeader::RangeNotSatisfiable(meta), None),
        };
        let header = stream::iter([Ok(get_message(GetPart::Header(header.into())))]);
        Ok(Response::new(match body {
            None => header.boxed(),
            Some(ObjectBody::Memory(chunks)) => {
                let pieces = stream::iter(chunks.as_slice().to_vec()).map(Ok);
                header.chain(pieces.flat_map(chunk_messages)).boxed()
            }
            Some(ObjectBody::Stream(pieces)) => header.chain(pieces.flat_map(chunk_messages)).boxed(),
        }))
    }

    async fn head(&self, request: Request<v1::HeadRequest>) -> Result<Response<v1::HeadReply>, Status> {
        let (metadata, _, message) = request.into_parts();
        let head = HeadRequest::try_from(message)?;
        let span = continued(
            info_span!("storage.head", otel.kind = "server", request_id = %head.request_id),
            &metadata,
        );
        Ok(Response::new(self.storage.head(head).instrument(span).await?.into()))
    }

    async fn delete(&self, request: Request<v1::DeleteRequest>) -> Result<Response<v1::DeleteReply>, Status> {
        let (metadata, _, message) = request.into_parts();
        let delete = DeleteRequest::try_from(message)?;
        let span = continued(
            info_span!("storage.delete", otel.kind = "server", request_id = %delete.request_id),
            &metadata,
        );
        Ok(Response::new(self.storage.delete(delete).instrument(span).await?.into()))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Result<Response<v1::ListReply>, Status> {
        let (metadata, _, message) = request.into_parts();
        let list = ListRequest::try_from(message)?;
        let span = continued(
            info_span!("storage.list", otel.kind = "server", request_id = %list.request_id),
            &metadata,
        );
        Ok(Response::new(self.storage.list(list).instrument(span).await?.into()))
    }
}

fn get_message(part: GetPart) -> v1::GetMessage {
    v1::GetMessage { message: Some(part) }
}

/// The messages of one piece of a body; an error closes the stream and cuts the body.
fn chunk_messages(
    piece: Result<Bytes, StorageError>,
) -> stream::Iter<impl Iterator<Item = Result<v1::GetMessage, Status>> + Send> {
    let (bytes, error) = match piece {
        Ok(bytes) => (bytes, None),
        Err(error) => (Bytes::new(), Some(Err(error.into()))),
    };
    stream::iter(split(bytes).map(|chunk| Ok(get_message(GetPart::Chunk(chunk)))).chain(error))
}
