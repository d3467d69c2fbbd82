//! Cross-origin answers (Fetch standard, CORS protocol).

use bytes::Bytes;
use headwater_meta::CorsPolicy;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::{answer, problem, put_request::USER_META_PREFIX, response_body::ResponseBody};

/// Lets pages see how long an answer took (Resource Timing, section 3.5.2).
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
/// In a list of exposed headers: whatever an answer has that begins so.
const EXPOSE_META: &str = "x-headwater-meta-*";

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
    /// So are the stored `x-headwater-meta-*` of an answer, by name.
    exposes_meta: bool,
    max_age: HeaderValue,
    /// Pages of the listed origins may send credentials. Never with `any_origin`.
    allows_credentials: bool,
}

impl Cors {
    pub fn new(policy: &CorsPolicy) -> Self {
        // What is not a header value cannot have been meant: it allows nothing.
        let list = |items: &[String]| {
            HeaderValue::try_from(items.join(", ")).unwrap_or(HeaderValue::from_static(""))
        };
        let mut exposed = policy.exposed_headers.clone();
        exposed.retain(|header| !header.eq_ignore_ascii_case(EXPOSE_META));
        let any_origin = policy.allowed_origins.iter().any(|origin| origin == "*");
        Self {
            any_origin,
            allows_credentials: policy.allow_credentials && !any_origin,
            origins: policy.allowed_origins.clone(),
            methods: list(&policy.allowed_methods),
            any_header: policy.allowed_headers.iter().any(|header| header == "*"),
            headers: list(&policy.allowed_headers),
            exposes_meta: exposed.len() < policy.exposed_headers.len(),
            exposed: list(&exposed),
            max_age: policy.max_age_s.into(),
        }
    }

    /// Adds what every answer carries, errors included. `has_meta`: it may have stored metadata. Where every origin is
    /// allowed, a request without an Origin gets the headers too: a cache may give the answer to a browser later.
    pub fn apply(&self, request: &HeaderMap, response: &mut HeaderMap, has_meta: bool) {
        if !self.any_origin {
            answer::add_vary(response, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = self.allowed_origin(request) else { return };
        response.insert(TIMING_ALLOW_ORIGIN, origin.clone());
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.allows_credentials {
            response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        let exposed = match (has_meta && self.exposes_meta).then(|| self.with_meta(response)).flatten() {
            Some(exposed) => exposed,
            None => self.exposed.clone(),
        };
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }

    /// `*` where every origin is allowed, else the request's own if it is listed.
    fn allowed_origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        if self.any_origin {
            return Some(HeaderValue::from_static("*"));
        }
        let origin = request.get(header::ORIGIN)?;
        let is_listed = self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
        is_listed.then(|| origin.clone())
    }

    /// What is exposed of an answer that has stored metadata: browsers know no patterns, so each name is told.
    fn with_meta(&self, response: &HeaderMap) -> Option<HeaderValue> {
        let mut meta = response.keys().filter(|name| name.as_str().starts_with(USER_META_PREFIX)).peekable();
        meta.peek()?;
        let mut exposed = self.exposed.as_bytes().to_vec();
        for name in meta {
            if !exposed.is_empty() {
                exposed.extend_from_slice(b", ");
            }
            exposed.extend_from_slice(name.as_str().as_bytes());
        }
        HeaderValue::from_maybe_shared(Bytes::from(exposed)).ok()
    }

    /// The answer to OPTIONS, without what [`Self::apply`] adds. The names of requested headers are echoed where every one
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
            answer::add_vary(headers, HeaderValue::from_static("Access-Control-Request-Headers"));
            if let Some(requested) = requested_headers(request) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested);
            }
        } else {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        }
        response
    }
}

/// The requested names that are tokens, which every header's name is (RFC 9110 sections 5.1 and 5.6.2); `None` if there
/// are none.
fn requested_headers(request: &HeaderMap) -> Option<HeaderValue> {
    let lines = request.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let names: Vec<&str> = names.map(str::trim).filter(|name| is_token(name)).collect();
    HeaderValue::try_from(names.join(", ")).ok().filter(|value| !value.is_empty())
}

fn is_token(text: &str) -> bool {
    let is_token_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_token_byte)
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
        cors.apply(&HeaderMap::new(), &mut answer, true);
        assert_eq!(answer[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(answer[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("ETag"));
        assert!(!answer.contains_key(header::VARY));
    }

    #[test]
    fn stored_metadata_is_exposed_by_name_where_the_policy_says_so() {
        let answer = || request(&[(header::HeaderName::from_static("x-headwater-meta-take"), "7")]);
        let exposed = |headers: &[&str], mut answer: HeaderMap| {
            let exposed_headers = headers.iter().map(ToString::to_string).collect();
            let cors = Cors::new(&CorsPolicy { exposed_headers, ..CorsPolicy::default() });
            cors.apply(&HeaderMap::new(), &mut answer, true);
            answer[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().to_owned()
        };
        assert_eq!(exposed(&["ETag", EXPOSE_META], answer()), "ETag, x-headwater-meta-take");
        assert_eq!(exposed(&[EXPOSE_META], answer()), "x-headwater-meta-take");
        assert_eq!(exposed(&["ETag", EXPOSE_META], HeaderMap::new()), "ETag");
        assert_eq!(exposed(&["ETag"], answer()), "ETag");

        let mut headers = answer();
        Cors::new(&CorsPolicy::default()).apply(&HeaderMap::new(), &mut headers, true);
        let exposed = headers[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        for name in ["Retry-After", "WWW-Authenticate", "Allow", "x-headwater-meta-take"] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{name} in {exposed}");
        }
        assert!(!exposed.contains('*'), "{exposed}");
    }

    #[test]
    fn a_list_of_origins_is_kept_to() {
        for allow_credentials in [false, true] {
            let allowed_origins = vec!["https://a.example".into()];
            let policy = CorsPolicy { allowed_origins, allow_credentials, ..CorsPolicy::default() };
            let cors = Cors::new(&policy);
            for (origin, allowed) in [("https://a.example", true), ("https://b.example", false)] {
                let mut answer = HeaderMap::new();
                cors.apply(&request(&[(header::ORIGIN, origin)]), &mut answer, false);
                for name in [header::ACCESS_CONTROL_ALLOW_ORIGIN, TIMING_ALLOW_ORIGIN] {
                    let want = allowed.then_some(origin.as_bytes());
                    assert_eq!(answer.get(&name).map(HeaderValue::as_bytes), want, "{name}");
                }
                let credentials = answer.get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
                assert_eq!(credentials.is_some_and(|v| v == "true"), allowed && allow_credentials);
                assert_eq!(answer[header::VARY], "Origin");
            }
            let mut answer = HeaderMap::new();
            cors.apply(&HeaderMap::new(), &mut answer, false);
            assert_eq!((answer.len(), &answer[header::VARY]), (1, &HeaderValue::from_static("Origin")));
        }
    }

    #[test]
    fn every_origin_never_has_credentials_whatever_was_stored() {
        for allowed_origins in [vec!["*".to_owned()], vec!["https://a.example".to_owned(), "*".to_owned()]] {
            let policy = CorsPolicy { allowed_origins, allow_credentials: true, ..CorsPolicy::default() };
            let mut answer = HeaderMap::new();
            let origin = request(&[(header::ORIGIN, "https://a.example")]);
            Cors::new(&policy).apply(&origin, &mut answer, false);
            assert_eq!(answer[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            assert_eq!(answer[TIMING_ALLOW_ORIGIN], "*");
            assert!(!answer.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        }
    }

    #[test]
    fn a_preflight_echoes_tokens_and_nothing_else() {
        let echoed = |lines: &[&str]| {
            let mut preflight = request(&[(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")]);
            for line in lines {
                preflight.append(header::ACCESS_CONTROL_REQUEST_HEADERS, line.parse().unwrap());
            }
            let answer = Cors::new(&CorsPolicy::default()).options(&preflight);
            let allowed = answer.headers().get(header::ACCESS_CONTROL_ALLOW_HEADERS).cloned();
            allowed.map(|value| value.to_str().unwrap().to_owned())
        };
        let all = "!#$%&'*+-.^_`|~09AZaz";
        for (lines, want) in [
            (&["authorization,range"][..], Some("authorization, range")),
            (&["range", " x-a ,x-b"], Some("range, x-a, x-b")),
            (&[all], Some(all)),
            (&["a b"], None),
            (&["a b, range"], Some("range")),
            (&["a\tb", "a:b", "a(b)", "a\"b", "a;b", "<script>", "a/b"], None),
            (&["", ", ,"], None),
            (&[], None),
        ] {
            assert_eq!(echoed(lines).as_deref(), want, "{lines:?}");
        }
    }
}
