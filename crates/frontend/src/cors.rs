//! Cross-origin answers (Fetch standard, CORS protocol).

use headwater_meta::CorsPolicy;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::{problem, response_body::ResponseBody};

/// A namespace's policy as header values.
#[derive(Debug)]
pub(crate) struct Cors {
    /// Every origin is allowed.
    any_origin: bool,
    origins: Vec<String>,
    methods: HeaderValue,
    any_header: bool,
    headers: HeaderValue,
    exposed: HeaderValue,
    max_age: HeaderValue,
}

impl Cors {
    pub fn new(policy: &CorsPolicy) -> Self {
        // What is not a header value cannot have been meant: it allows nothing.
        let list = |items: &[String]| {
            HeaderValue::try_from(items.join(", ")).unwrap_or(HeaderValue::from_static(""))
        };
        Self {
            any_origin: policy.allowed_origins.iter().any(|origin| origin == "*"),
            origins: policy.allowed_origins.clone(),
            methods: list(&policy.allowed_methods),
            any_header: policy.allowed_headers.iter().any(|header| header == "*"),
            headers: list(&policy.allowed_headers),
            exposed: list(&policy.exposed_headers),
            max_age: policy.max_age_s.into(),
        }
    }

    /// Adds what every answer carries, errors included. Sent to requests without an Origin too: a cache may give the
    /// answer to a browser later.
    pub fn apply(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if self.any_origin {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            response.append(header::VARY, HeaderValue::from_static("Origin"));
            let Some(origin) = request.get(header::ORIGIN) else { return };
            if !self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
                return;
            }
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
    }

    /// The answer to OPTIONS, without what [`Self::apply`] adds. Requested headers are echoed by name where every one
    /// is allowed, as `*` does not cover Authorization.
    pub fn options(&self, request: &HeaderMap) -> http::Response<ResponseBody> {
        let mut response = http::Response::new(ResponseBody::nothing());
        *response.status_mut() = http::StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ALLOW, problem::ALLOW);
        if !request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return response;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        if self.any_header {
            headers.append(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
            if let Some(requested) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
            }
        } else {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        }
        response
    }
}

/// Whether the data plane knows a method at all.
pub(crate) fn is_known(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE, Method::OPTIONS].contains(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_default_policy_allows_every_origin_and_echoes_headers() {
        let cors = Cors::new(&CorsPolicy::default());
        let preflight = request(&[
            (header::ORIGIN, "https://player.example"),
            (header::ACCESS_CONTROL_REQUEST_METHOD, "GET"),
            (header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization, range"),
        ]);
        let response = cors.options(&preflight);
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization, range");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_MAX_AGE], "86400");
        let mut answer = HeaderMap::new();
        cors.apply(&HeaderMap::new(), &mut answer);
        assert_eq!(answer[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(answer[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("ETag"));
        assert!(!answer.contains_key(header::VARY));
    }

    #[test]
    fn a_list_of_origins_is_kept_to() {
        let policy =
            CorsPolicy { allowed_origins: vec!["https://a.example".into()], ..CorsPolicy::default() };
        let cors = Cors::new(&policy);
        for (origin, allowed) in [("https://a.example", true), ("https://b.example", false)] {
            let mut answer = HeaderMap::new();
            cors.apply(&request(&[(header::ORIGIN, origin)]), &mut answer);
            assert_eq!(answer.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{origin}");
            assert_eq!(answer[header::VARY], "Origin");
        }
    }
}
