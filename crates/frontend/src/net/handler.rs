//! Who answers the requests of a listener.

use axum::{Router, body::Body, response::IntoResponse};
use bytes::Bytes;
use headwater_types::ErrorCode;
use http::{Request, Response, StatusCode};
use std::{convert::Infallible, error::Error, fmt, future::Future, sync::Arc};
use tower::Service as _;

use super::info::ConnInfo;

/// Answers requests. A router is one; a data plane that looks at its paths itself needs none.
pub trait Handler: Clone + fmt::Debug + Send + Sync + 'static {
    /// The bodies of its answers.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Unpin
        + Send
        + 'static;

    /// Answers one request of a connection. Errors are answers, too.
    fn handle(
        &self,
        connection: &Arc<ConnInfo>,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Answers one request that the protocol's own rules refuse, with the error `code`. Nothing of the request is done.
    fn refuse(
        &self,
        connection: &Arc<ConnInfo>,
        request: Request<Body>,
        code: ErrorCode,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Its requests carry the [`ConnInfo`] as an extension, in an `Arc`.
impl Handler for Router {
    type Body = Body;

    async fn handle(&self, connection: &Arc<ConnInfo>, mut request: Request<Body>) -> Response<Body> {
        request.extensions_mut().insert(connection.clone());
        let answered: Result<_, Infallible> = self.clone().call(request).await;
        match answered {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// The status alone: what an error looks like is for the data plane to say.
    async fn refuse(&self, _: &Arc<ConnInfo>, _: Request<Body>, code: ErrorCode) -> Response<Body> {
        StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST).into_response()
    }
}
