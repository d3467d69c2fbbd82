//! One request from its head to its answer: what it names, who asks, which handler answers, and what every answer has.

use axum::body::Body;
use headwater_telemetry::{REQUEST_TARGET, trace_context};
use headwater_types::{ErrorCode, MediaClass, ObjectKey, RequestId, UnixMillis};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version, header, request};
use std::{sync::Arc, time::Duration};
use tracing::Instrument;

use crate::{
    access_log::{Completion, Logged, RequestLine},
    answer::{self, Findings},
    authorize::{Action, Grant, Refusal, authorize},
    cors,
    credentials::{self, challenge, check::Checker},
    delete,
    frontend::Frontend,
    get, list,
    metrics::RequestLabels,
    net::ConnInfo,
    policy::Policy,
    problem::Problem,
    put,
    query::Query,
    rates::Metered,
    request_body::RequestBody,
    response_body::ResponseBody,
    target::{self, Resource},
};

/// A request as it came.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    frontend: &'a Arc<Frontend>,
    connection: &'a ConnInfo,
    parts: &'a request::Parts,
    id: RequestId,
    /// When it came, by the monotonic clock.
    started: Duration,
    /// The same by the wall clock.
    now: UnixMillis,
}

/// A request that has been allowed, as its handler sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed<'a> {
    pub frontend: &'a Arc<Frontend>,
    pub parts: &'a request::Parts,
    pub query: Query<'a>,
    pub id: RequestId,
    /// When the request came, by the monotonic clock.
    pub started: Duration,
    /// The same by the wall clock.
    pub now: UnixMillis,
    pub policy: &'a Arc<Policy>,
}

/// What is known of a request while it is answered.
#[derive(Default)]
struct Known {
    policy: Option<Arc<Policy>>,
    key: Option<ObjectKey>,
    grant: Option<Grant>,
    verb: Verb,
    /// Where the bytes that are sent are counted, if they are limited.
    metered: Metered,
    findings: Findings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Verb {
    Get,
    Head,
    Put,
    Delete,
    List,
    Options,
    #[default]
    Other,
}

impl Verb {
    /// The label. POST is a PUT.
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Options => "options",
            Self::Other => "other",
        }
    }
}

/// Answers a request; with `refused`, if the protocol's own rules refuse it, with that error.
pub(crate) async fn handle(
    frontend: &Arc<Frontend>,
    connection: &ConnInfo,
    request: Request<Body>,
    refused: Option<ErrorCode>,
) -> Response<ResponseBody> {
    let started = frontend.clock.monotonic();
    let now = frontend.clock.coarse_unix_millis();
    let id = RequestId::at(now, &*frontend.rng);
    let (parts, body) = request.into_parts();
    let span =
        tracing::info_span!(target: REQUEST_TARGET, "request", request_id = %id, method = %parts.method);
    trace_context::set_parent_from_headers(&span, &parts.headers);
    let mut body = RequestBody::new(body);
    let mut known = Known::default();

    let asked = Asked { frontend, connection, parts: &parts, id, started, now };
    let answered = match refused {
        Some(code) => Err(Problem::new(code, code.title())),
        None => dispatch(asked, &mut body, &mut known).instrument(span).await,
    };
    let mut response = answered.unwrap_or_else(|problem| {
        known.findings.code = Some(problem.code);
        problem.into_response(id)
    });

    if parts.method == Method::HEAD {
        without_body(&mut response);
    }

    let metered = known.metered.settle(response.body(), started);
    let first_byte = frontend.clock.monotonic().saturating_sub(started);
    let headers = response.headers_mut();
    answer::add_request_id(headers, id);
    answer::add_server_timing(headers, first_byte);
    frontend.policies.cors(known.policy.as_deref()).apply(&parts.headers, headers, known.findings.has_meta);
    if !body.is_ended() && parts.version < Version::HTTP_2 {
        // What is left of the body would be taken for the next request.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let line = frontend.access_log.is_enabled().then(|| {
        Box::new(Logged {
            request: RequestLine::of(&parts, connection),
            key: known.key.take(),
            grant: known.grant.take(),
        })
    });
    let completion = Completion {
        id,
        labels: RequestLabels {
            namespace: known.policy.map_or_else(|| "".into(), |policy| policy.label.clone()),
            class: known.findings.class.map_or("", |class| class.as_str()),
            verb: known.verb.as_str(),
            status: response.status().as_u16(),
            tier: known.findings.tier.map_or("", |tier| tier.as_str()),
        },
        started,
        first_byte,
        bytes_in: body.received(),
        code: known.findings.code,
        metered,
        cut: false,
        line,
        frontend: frontend.clone(),
    };
    response.map(|body| body.with_completion(completion))
}

/// HEAD has the headers of GET, the body's length among them, and no body (RFC 9110 section 9.3.2), also of an error,
/// whatever the protocol below would do. Of every other answer the protocol below says the length.
pub(crate) fn without_body(response: &mut Response<ResponseBody>) {
    if let Some(size) = http_body::Body::size_hint(response.body()).exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, size.into());
    }
    *response.body_mut() = ResponseBody::nothing();
}

/// Finds out what a request wants and whether it may, in an order that reads nothing of its body.
async fn dispatch(
    asked: Asked<'_>,
    body: &mut RequestBody,
    known: &mut Known,
) -> Result<Response<ResponseBody>, Problem> {
    let Asked { frontend, connection, parts, id, started, now } = asked;
    let (name, raw_key) = target::split(parts.uri.path())?;
    known.policy = policy(frontend, connection, name);
    if !cors::is_known(&parts.method) {
        return Err(Problem::new(ErrorCode::MethodNotAllowed, ErrorCode::MethodNotAllowed.title()));
    }
    if parts.method == Method::OPTIONS {
        known.verb = Verb::Options;
        // A preflight carries no credentials.
        return Ok(frontend.policies.cors(known.policy.as_deref()).options(&parts.headers));
    }

    let query = Query::of(&parts.uri);
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let resource = target::resource(raw_key, query, reads)?;
    known.verb = match &resource {
        Resource::Listing => Verb::List,
        Resource::Object(_) => match parts.method {
            Method::GET => Verb::Get,
            Method::HEAD => Verb::Head,
            Method::DELETE => Verb::Delete,
            _ => Verb::Put,
        },
    };
    let listing = matches!(resource, Resource::Listing).then(|| list::Listing::parse(query)).transpose()?;
    let action = action(&parts.method, &resource, listing.as_ref());
    let grant = known.grant.insert(admit(asked, query, known.policy.as_deref(), action)?);
    let Some(policy) = &known.policy else { return Err(forbidden()) };
    refuse_blocked(policy, action)?;
    known.metered = frontend.rates.admit(grant, policy, action, body, started)?;

    let request = Allowed { frontend, parts, query, id, started, now, policy };
    match (resource, listing) {
        // Boxed: the future of a GET, which is most requests, must not be as large as that of a PUT.
        (Resource::Listing, Some(listing)) => Box::pin(list::list(request, listing)).await,
        (Resource::Listing, None) => {
            Err(Problem::new(ErrorCode::InvalidList, ErrorCode::InvalidList.title()))
        }
        (Resource::Object(key), _) => {
            known.findings.class = Some(class(&key, known.verb, &parts.headers));
            known.key = Some(key.clone());
            match known.verb {
                Verb::Get => get::get(request, key, &mut known.findings).await,
                Verb::Head => get::head(request, key, &mut known.findings).await,
                Verb::Delete => Box::pin(delete::delete(request, key, body)).await,
                _ => Box::pin(put::put(request, key, body)).await,
            }
        }
    }
}

/// The policy of the namespace of this name, if there is one.
fn policy(frontend: &Frontend, connection: &ConnInfo, name: &str) -> Option<Arc<Policy>> {
    // Before anything is looked up: what is remembered must not be older than its version.
    let version = frontend.cache.version();
    connection.policy.recall(name, version).or_else(|| {
        let policy = frontend.policies.of(frontend.cache.namespace(name)?);
        connection.policy.remember(version, policy.clone());
        Some(policy)
    })
}

/// The class of an object as far as the request tells. A read finds out the stored one.
fn class(key: &ObjectKey, verb: Verb, headers: &HeaderMap) -> MediaClass {
    let sent = headers.get(header::CONTENT_TYPE).filter(|_| verb == Verb::Put);
    headwater_media::classify(key, sent.and_then(|value| value.to_str().ok()))
}

/// What the credentials have to grant.
fn action<'a>(method: &Method, resource: &'a Resource, listing: Option<&'a list::Listing>) -> Action<'a> {
    let Resource::Object(key) = resource else {
        return Action::List(listing.map_or("", |listing| &listing.prefix));
    };
    let key = key.as_str();
    match *method {
        Method::GET => Action::Get(key),
        Method::HEAD => Action::Head(key),
        Method::DELETE => Action::Delete(key),
        Method::POST => Action::Post(key),
        _ => Action::Put(key),
    }
}

/// Lets in what any of the credentials grants; which one did.
fn admit(
    asked: Asked<'_>,
    query: Query<'_>,
    policy: Option<&Policy>,
    action: Action<'_>,
) -> Result<Grant, Problem> {
    let Asked { frontend, connection, parts, now, .. } = asked;
    let cache = &*frontend.cache;
    if frontend.is_cut_off() && credentials::presented(&parts.headers, query).next().is_some() {
        let detail = "no credential can be checked: this frontend is cut off from the metadata for too long";
        return Err(Problem::new(ErrorCode::MetadataStale, detail));
    }
    let trusted_proxies = &frontend.config.trusted_proxies;
    match authorize(Checker { cache, connection, policy, parts, now, trusted_proxies }, query, action) {
        Ok(grant) => {
            if let Grant::Key(record) = &grant {
                frontend.key_uses.note(&record.id, now);
            }
            Ok(grant)
        }
        Err(Refusal::Forbidden) => Err(forbidden()),
        Err(Refusal::Unauthorized { stale }) => {
            let detail = "present an API key as Authorization or as ?token=";
            let problem = Problem::new(ErrorCode::Unauthorized, detail);
            let challenges = challenge::digest(cache, policy, now, stale).into_iter();
            Err(challenges.fold(problem, |p, challenge| p.with_header(header::WWW_AUTHENTICATE, challenge)))
        }
    }
}

fn forbidden() -> Problem {
    Problem::new(ErrorCode::Forbidden, "no valid credential of the request grants this action on this name")
}

/// What was purged to be refused is refused to everyone, at once and also while the purge still runs. It may still be
/// deleted, which encoders do as their window moves.
fn refuse_blocked(policy: &Policy, action: Action<'_>) -> Result<(), Problem> {
    let (Action::Get(name) | Action::Head(name) | Action::Put(name) | Action::Post(name)) = action else {
        return Ok(());
    };
    if policy.record.blocked.iter().any(|prefix| name.starts_with(prefix.as_str())) {
        return Err(Problem::new(
            ErrorCode::Blocked,
            "the operator has blocked the names that begin like this",
        ));
    }
    Ok(())
}
