//! [`Storage`] over gRPC: what serves it. GETs have a route of their own, whose answers share the bytes of the bodies:
//! the generated server would copy each chunk into its buffer.

use futures_core::future::BoxFuture;
use headwater_types::limits::GRPC_MESSAGE_BYTES_MAX;
use http::{HeaderMap, header::CONTENT_TYPE};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};
use tonic::{
    Status, Streaming,
    body::Body,
    codegen::Service,
    metadata::{GRPC_CONTENT_TYPE, MetadataMap},
    server::NamedService,
};
use tonic_prost::ProstDecoder;
use tracing::{Instrument, info_span};

use super::{get_body::GetBody, storage_server::Calls};
use crate::{
    convert::read::GetHeader,
    storage::{GetReply, GetRequest, Storage},
    trace::{REQUEST_TARGET, continued},
    v1::{self, storage_server::StorageServer},
};

/// Where a GET goes.
pub(super) const GET_PATH: &str = "/headwater.v1.Storage/Get";

/// Serves a [`Storage`] over gRPC.
#[derive(Debug, Clone)]
pub struct StorageService {
    storage: Arc<dyn Storage>,
    others: StorageServer<Calls>,
}

/// The gRPC service of a storage node, to be added to [`super::server_builder`].
pub fn storage_service(storage: Arc<dyn Storage>) -> StorageService {
    let others = StorageServer::new(Calls { storage: storage.clone() })
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX);
    StorageService { storage, others }
}

impl NamedService for StorageService {
    const NAME: &'static str = <StorageServer<Calls> as NamedService>::NAME;
}

impl Service<http::Request<Body>> for StorageService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<http::Request<Body>>::poll_ready(&mut self.others, cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != GET_PATH {
            return self.others.call(request);
        }
        let storage = self.storage.clone();
        Box::pin(async move { Ok(get(storage, request).await.unwrap_or_else(Status::into_http)) })
    }
}

async fn get(
    storage: Arc<dyn Storage>,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Status> {
    let (parts, body) = request.into_parts();
    let get = GetRequest::try_from(get_request(&parts.headers, body).await?)?;
    let span = continued(
        info_span!(target: REQUEST_TARGET, "storage.get", otel.kind = "server", request_id = %get.request_id),
        &MetadataMap::from_headers(parts.headers),
    );
    let (header, body) = match storage.get(get).instrument(span).await? {
        GetReply::Found { meta, range, body } => (GetHeader::Found { meta, range }, Some(body)),
        GetReply::Arriving { arriving, range, body } => (GetHeader::Arriving { arriving, range }, Some(body)),
        GetReply::NotModified(meta) => (GetHeader::NotModified(meta), None),
        GetReply::RangeNotSatisfiable(meta) => (GetHeader::RangeNotSatisfiable(meta), None),
    };
    let mut response = http::Response::new(Body::new(GetBody::new(header, body)));
    response.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    Ok(response)
}

/// Reads the one message of a request, and the request to its end.
async fn get_request(headers: &HeaderMap, body: Body) -> Result<v1::GetRequest, Status> {
    if headers.get("grpc-encoding").is_some_and(|encoding| encoding != "identity") {
        return Err(Status::unimplemented("compressed requests are not supported"));
    }
    let decoder = ProstDecoder::<v1::GetRequest>::default();
    let mut messages = Streaming::new_request(decoder, body, None, Some(GRPC_MESSAGE_BYTES_MAX));
    let message = messages.message().await?;
    messages.trailers().await?;
    message.ok_or_else(|| Status::internal("the request has no message"))
}
