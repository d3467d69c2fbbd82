//! Between hyper and the handler: what no handler can forget.

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, Version, header};
use hyper::body::{Body as _, Incoming};
use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};

use super::{
    activity::Activity,
    checks,
    handler::Handler,
    info::ConnInfo,
    request_body::{BodyEnded, RequestBody},
    response_body::ResponseBody,
};

/// Serves the requests of one connection.
#[derive(Debug, Clone)]
pub(super) struct ConnService<H> {
    pub(super) handler: H,
    pub(super) info: Arc<ConnInfo>,
    pub(super) activity: Arc<Activity>,
    pub(super) header_count_max: usize,
}

impl<H: Handler> hyper::service::Service<Request<Incoming>> for ConnService<H> {
    type Response = Response<ResponseBody<H::Body>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = self.activity.request_begins();
        let version = request.version();
        let (mut parts, incoming) = request.into_parts();
        if matches!(parts.method, Method::PUT | Method::POST) {
            parts.extensions.insert(in_flight.place());
        }
        let mut ended = None;
        let body = if incoming.is_end_stream() {
            Body::empty()
        } else {
            let ended = ended.insert(BodyEnded::default());
            Body::new(RequestBody::new(incoming, &self.info.body_phase, ended.clone()))
        };
        let refusal = checks::refusal(&parts, self.header_count_max);
        let (handler, info) = (self.handler.clone(), self.info.clone());
        Box::pin(async move {
            let request = Request::from_parts(parts, body);
            let answered = match refusal {
                Some(code) => handler.refuse(&info, request, code).await,
                None => handler.handle(&info, request).await,
            };
            // Input is left over that is not a request: hyper closes, and says so here (RFC 9112 section 9.6).
            let is_cut = version < Version::HTTP_2 && ended.is_some_and(|ended| !ended.get());
            if is_cut {
                in_flight.leave_unread();
            }
            let mut response = answered.map(|body| ResponseBody::new(body, in_flight));
            if is_cut {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}
