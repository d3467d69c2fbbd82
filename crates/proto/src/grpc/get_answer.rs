//! A GET over gRPC, the client's side: the request, and the answer as it comes in.

use bytes::BytesMut;
use futures_core::Stream;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONTENT_TYPE, TE},
};
use http_body::Body as _;
use http_body_util::Full;
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::{
    Code, Status,
    body::Body,
    codegen::Service,
    metadata::{GRPC_CONTENT_TYPE, MetadataMap},
    transport::Channel,
};

use super::{framing::put_message, get_parser::GetParser, storage_service::GET_PATH};
use crate::{
    convert::status::read_error,
    error::StorageError,
    v1::{GetRequest, get_message::Message},
};

/// The messages of an answer; those of chunks in as many parts as they came in. Ends cleanly only where the node said
/// that all is well.
pub(super) struct GetAnswer {
    body: Body,
    parser: GetParser,
    /// Of HTTP: it stands in where the node says nothing of its own.
    status: StatusCode,
    /// The node said in its headers already that all is well.
    is_ok: bool,
    has_ended: bool,
}

impl GetAnswer {
    /// Sends the request and waits for the answer to begin. The deadline is in the metadata; waiting no longer than
    /// that is up to the caller.
    pub(super) async fn open(
        mut channel: Channel,
        metadata: MetadataMap,
        get: &GetRequest,
    ) -> Result<Self, Status> {
        let failed = |error: tonic::transport::Error| Status::from_error(error.into());
        poll_fn(|cx| channel.poll_ready(cx)).await.map_err(failed)?;
        Self::new(channel.call(request(metadata, get)).await.map_err(failed)?)
    }

    fn new(response: Response<Body>) -> Result<Self, Status> {
        let (parts, body) = response.into_parts();
        let said = Status::from_header_map(&parts.headers);
        let is_ok = match said {
            Some(status) if status.code() != Code::Ok => return Err(status),
            Some(_) => true,
            None => false,
        };
        Ok(Self { body, parser: GetParser::new(), status: parts.status, is_ok, has_ended: false })
    }

    /// What the end of the answer means.
    fn outcome(&self, trailers: Option<&HeaderMap>) -> Result<(), StorageError> {
        let status = trailers.and_then(Status::from_header_map);
        if status.is_none() && !self.is_ok {
            return Err(read_error(&without_status(self.status)));
        }
        if let Some(status) = status.filter(|status| status.code() != Code::Ok) {
            return Err(read_error(&status));
        }
        if !self.parser.is_between_messages() {
            return Err(StorageError::Unavailable("the answer ended within a message".into()));
        }
        Ok(())
    }
}

impl Stream for GetAnswer {
    type Item = Result<Message, StorageError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        let outcome = loop {
            match this.parser.next_part() {
                Ok(Some(part)) => return Poll::Ready(Some(Ok(part))),
                Ok(None) => {}
                Err(malformed) => break Err(malformed),
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => this.parser.push(bytes),
                    Err(frame) => break this.outcome(frame.trailers_ref()),
                },
                Some(Err(status)) => break Err(read_error(&status)),
                None => break this.outcome(None),
            }
        };
        this.has_ended = true;
        Poll::Ready(outcome.err().map(Err))
    }
}

fn request(metadata: MetadataMap, get: &GetRequest) -> Request<Body> {
    let mut message = BytesMut::new();
    put_message(&mut message, get);
    let mut request = Request::new(Body::new(Full::new(message.freeze())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(GET_PATH);
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = metadata.into_headers();
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    request.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    request
}

/// Stands for the status that an answer lacks: whoever gave it is no node, or was cut off.
fn without_status(http: StatusCode) -> Status {
    let text = format!("an answer without a status, HTTP {}", http.as_u16());
    match http {
        StatusCode::NOT_FOUND => Status::unimplemented(text),
        _ => Status::unknown(text),
    }
}

#[cfg(test)]
mod tests;
