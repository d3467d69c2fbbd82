//! `/healthz` and `/readyz` on the data port: balancers and CDNs probe the port that carries their traffic.

use axum::body::Body;
use headwater_telemetry::probe::{self, Probe, Reply};
use headwater_types::{ErrorCode, RequestId};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;

use crate::{
    answer, frontend::Frontend, handle::without_body, problem::Problem, response_body::ResponseBody,
};

const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// Answers a probe; `None` if the request is none. Probes need no credential. They are neither counted nor logged, so
/// that requests per second and the access log show clients alone.
pub(crate) fn answer(frontend: &Frontend, request: &Request<Body>) -> Option<Response<ResponseBody>> {
    let probe = Probe::at(request.uri().path())?;
    let id = RequestId::at(frontend.clock.coarse_unix_millis(), &*frontend.rng);
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => replied(probe::reply(probe, &frontend.readiness)),
        _ => {
            let problem = Problem::new(ErrorCode::MethodNotAllowed, "a probe is a GET or a HEAD");
            problem.with_header(header::ALLOW, ALLOW).into_response(id)
        }
    };
    if request.method() == Method::HEAD {
        without_body(&mut response);
    }
    let headers = response.headers_mut();
    answer::add_request_id(headers, id);
    if !request.body().is_end_stream() && request.version() < http::Version::HTTP_2 {
        // The body is not read: what follows it on the connection cannot be told from it.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Some(response)
}

fn replied(reply: Reply) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(reply.body.into()));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
