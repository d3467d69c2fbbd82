//! Who answers the requests of a listener.

use axum::{Router, body::Body};
use http::{Request, Response};
use std::{convert::Infallible, fmt, future::Future};
use tower::Service as _;

/// Answers requests. A router is one; a data plane that looks at its paths itself needs none.
pub trait Handler: Clone + fmt::Debug + Send + Sync + 'static {
    /// Answers one. Errors are answers, too.
    fn handle(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

impl Handler for Router {
    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let answered: Result<_, Infallible> = self.clone().call(request).await;
        match answered {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
