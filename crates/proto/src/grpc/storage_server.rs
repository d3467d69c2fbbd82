//! [`Storage`] over gRPC: the calls that the generated server takes apart.

use futures_util::stream::Empty;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, info_span};

use super::checked::{Fault, checked, first_message};
use crate::{
    error::StorageError,
    storage::{DeleteRequest, HeadRequest, ListRequest, PutRequest, Storage},
    trace::{REQUEST_TARGET, continued},
    v1::{self, put_message::Message as PutPart, storage_server::Storage as Generated},
};

/// Answers all calls but GET.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) storage: Arc<dyn Storage>,
}

#[async_trait::async_trait]
impl Generated for Calls {
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
            info_span!(target: REQUEST_TARGET, "storage.put", otel.kind = "server", request_id = %put.request_id),
            &metadata,
        );
        let fault = Fault::default();
        let body = checked(messages, fault.clone());
        let outcome = self.storage.put(put, body).instrument(span).await;
        Ok(Response::new(fault.explain(outcome)?.into()))
    }

    type GetStream = Empty<Result<v1::GetMessage, Status>>;

    /// Is never called: [`super::StorageService`] answers a GET before it comes here.
    async fn get(&self, _request: Request<v1::GetRequest>) -> Result<Response<Self::GetStream>, Status> {
        Err(Status::unimplemented("a GET is answered by its own route"))
    }

    async fn head(&self, request: Request<v1::HeadRequest>) -> Result<Response<v1::HeadReply>, Status> {
        let (metadata, _, message) = request.into_parts();
        let head = HeadRequest::try_from(message)?;
        let span = continued(
            info_span!(target: REQUEST_TARGET, "storage.head", otel.kind = "server", request_id = %head.request_id),
            &metadata,
        );
        Ok(Response::new(self.storage.head(head).instrument(span).await?.into()))
    }

    async fn delete(&self, request: Request<v1::DeleteRequest>) -> Result<Response<v1::DeleteReply>, Status> {
        let (metadata, _, message) = request.into_parts();
        let delete = DeleteRequest::try_from(message)?;
        let span = continued(
            info_span!(target: REQUEST_TARGET, "storage.delete", otel.kind = "server", request_id = %delete.request_id),
            &metadata,
        );
        Ok(Response::new(self.storage.delete(delete).instrument(span).await?.into()))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Result<Response<v1::ListReply>, Status> {
        let (metadata, _, message) = request.into_parts();
        let list = ListRequest::try_from(message)?;
        let span = continued(
            info_span!(target: REQUEST_TARGET, "storage.list", otel.kind = "server", request_id = %list.request_id),
            &metadata,
        );
        Ok(Response::new(self.storage.list(list).instrument(span).await?.into()))
    }
}
