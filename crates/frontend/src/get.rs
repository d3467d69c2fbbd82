//! GET and HEAD of an object.

use futures_util::StreamExt;
use headwater_media::PlaylistFacts;
use headwater_proto::{Arriving, Follow, GetReply, GetRequest, HeadReply, HeadRequest, ObjectBody};
use headwater_types::{ByteRange, ErrorCode, MediaClass, ObjectId, ObjectKey, ObjectMeta};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};
use std::{ops::Range, sync::Arc};

use crate::{
    answer::{self, Findings, Tier},
    cache_control::cache_control,
    conditions::{self, IfRange, Tags},
    encoding::{self, Negotiation, Outcome, Recoding},
    handle::Allowed,
    problem::Problem,
    read::{read, unavailable},
    response_body::ResponseBody,
};

/// How often a playlist is read whose body breaks off before its answer has begun.
const PLAYLIST_READS_MAX: u32 = 3;

/// Attempts to answer a request: another follows if a version turns out to be sent only as it is stored.
const ANSWERS_MAX: u32 = 3;

type Answer = Result<Response<ResponseBody>, Problem>;

/// Answers a GET.
pub(crate) async fn get(request: Allowed<'_>, key: ObjectKey, findings: &mut Findings) -> Answer {
    let mut negotiation = Negotiation::new(&request.parts.headers);
    for _ in 0..ANSWERS_MAX {
        match get_as(request, key.clone(), findings, negotiation).await? {
            Outcome::Answered(response) => return Ok(response),
            Outcome::Again(next) => negotiation = next,
        }
    }
    Err(unavailable())
}

async fn get_as<'a>(
    request: Allowed<'_>,
    key: ObjectKey,
    findings: &mut Findings,
    negotiation: Negotiation<'a>,
) -> Result<Outcome<'a>, Problem> {
    let headers = &request.parts.headers;
    let if_none_match = Tags::read(headers, header::IF_NONE_MATCH, true);
    let (range, if_range) = match conditions::if_range(headers) {
        // Whoever has anything is told that there is something, whatever part is asked for.
        _ if if_none_match.any => (None, None),
        IfRange::Absent => (conditions::range(headers), None),
        IfRange::Digest(digest) => (conditions::range(headers), Some(digest)),
        IfRange::Never => (None, None),
    };
    let class = findings.class.unwrap_or(MediaClass::Other);
    let object = ObjectId { namespace: request.policy.id(), key };
    let near_cache = &request.frontend.near;
    let near = if range.is_none() { near_cache.get(&object) } else { None };
    let may_be_recoded = class != MediaClass::Media;
    let recoded = may_be_recoded.then(|| negotiation.kept(&request.frontend.recodings, &object)).flatten();
    let get = GetRequest {
        shard: headwater_ring::shard(request.policy.id(), &object.key),
        // Each attempt puts in its own.
        epoch: Default::default(),
        object,
        request_id: request.id,
        range,
        if_range,
        if_none_match: if_none_match
            .digests
            .iter()
            .copied()
            .chain(near.iter().map(|near| near.digest))
            .chain(recoded)
            .collect(),
        follow: follow(request, class, range),
        remaining: Default::default(),
    };
    let key = &get.object.key;
    let mut reads = 0;
    let mut started = request.started;
    let (reply, facts) = loop {
        let reply = read(request.frontend, started, get.shard, |storage, epoch, remaining| {
            storage.get(GetRequest { epoch, remaining, ..get.clone() })
        });
        let reply = match reply.await? {
            GetReply::Found { meta, range: None, body } => {
                let body = near_cache.fill(&get.object, &meta, body);
                GetReply::Found { meta, range: None, body }
            }
            GetReply::NotModified(meta) if !if_none_match.has(meta.digest) => {
                // It is what is here that is the newest.
                let is_recoded = recoded == Some(meta.digest);
                match near.as_ref().filter(|near| near.digest == meta.digest) {
                    _ if is_recoded && negotiation.wanted(&meta).is_some() => GetReply::NotModified(meta),
                    Some(near) => {
                        findings.tier = Some(Tier::Near);
                        GetReply::Found { meta, range: None, body: ObjectBody::Memory(near.body.clone()) }
                    }
                    // The same bytes were stored again, with another coding: they are asked for without what is kept.
                    None if is_recoded => return Ok(Outcome::Again(negotiation.as_stored(meta.digest))),
                    None => return Err(unavailable()),
                }
            }
            reply => reply,
        };
        match reply {
            GetReply::Found { meta, range: None, body } if needs_facts(&meta) => {
                match request.frontend.playlists.read(key, &meta, body).await {
                    Ok((facts, body)) => {
                        break (GetReply::Found { meta, range: None, body }, Some(facts));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the body of a playlist broke off");
                        reads += 1;
                        if reads == PLAYLIST_READS_MAX {
                            return Err(unavailable());
                        }
                    }
                }
            }
            GetReply::Arriving { body, .. } if waits(request) => {
                until_over(body).await;
                started = request.frontend.clock.monotonic();
            }
            GetReply::Arriving { arriving, range: Some(range), body } => {
                // Boxed: it is rare, and would make every read larger.
                match Box::pin(begun(request, body)).await? {
                    Some(body) => break (GetReply::Arriving { arriving, range: Some(range), body }, None),
                    // The upload ended before the range began. Another read finds out what is stored now.
                    None => started = request.frontend.clock.monotonic(),
                }
            }
            reply => break (reply, None),
        }
    };
    findings.tier.get_or_insert(Tier::Hot);
    let response = match reply {
        GetReply::Found { meta, range, body } => {
            findings.found(&meta);
            if negotiation.wanted(&meta).is_some() {
                // Boxed: it is rare, and would make every read larger.
                let whole = range.is_none().then_some(body);
                return Box::pin(encoding::recoded(request, key, negotiation, meta, whole)).await;
            }
            check_preconditions(headers, &meta)?;
            let facts = facts_of(request, key, &meta, facts).await?;
            match if_none_match.any || not_modified_since(headers, if_none_match.present, &meta) {
                true => not_modified(request, key, &meta, facts),
                false => found(request, key, &meta, facts, range, body),
            }
        }
        GetReply::NotModified(meta) | GetReply::RangeNotSatisfiable(meta)
            if negotiation.wanted(&meta).is_some() =>
        {
            findings.found(&meta);
            return Box::pin(encoding::recoded(request, key, negotiation, meta, None)).await;
        }
        GetReply::NotModified(meta) => {
            findings.found(&meta);
            check_preconditions(headers, &meta)?;
            let facts = facts_of(request, key, &meta, facts).await?;
            not_modified(request, key, &meta, facts)
        }
        GetReply::RangeNotSatisfiable(meta) => {
            check_preconditions(headers, &meta)?;
            return Err(unsatisfiable(&meta));
        }
        GetReply::Arriving { arriving, range, body } => {
            findings.tier = Some(Tier::Arriving);
            findings.arriving(&arriving);
            let size = range.as_ref().map(|range| range.end - range.start);
            let mut response = following(request, key, &arriving, ResponseBody::object(body, size));
            if let Some(range) = range {
                partial(&mut response, &range, None);
            }
            response
        }
    };
    Ok(Outcome::Answered(response))
}

pub(crate) fn unsatisfiable(meta: &ObjectMeta) -> Problem {
    let problem = Problem::new(ErrorCode::RangeNotSatisfiable, format!("the object has {} bytes", meta.size));
    match HeaderValue::try_from(format!("bytes */{}", meta.size)) {
        Ok(value) => problem.with_header(header::CONTENT_RANGE, value),
        Err(_) => problem,
    }
}

/// Answers a HEAD.
pub(crate) async fn head(request: Allowed<'_>, key: ObjectKey, findings: &mut Findings) -> Answer {
    let mut negotiation = Negotiation::new(&request.parts.headers);
    for _ in 0..ANSWERS_MAX {
        match head_as(request, key.clone(), findings, negotiation).await? {
            Outcome::Answered(response) => return Ok(response),
            Outcome::Again(next) => negotiation = next,
        }
    }
    Err(unavailable())
}

async fn head_as<'a>(
    request: Allowed<'_>,
    key: ObjectKey,
    findings: &mut Findings,
    negotiation: Negotiation<'a>,
) -> Result<Outcome<'a>, Problem> {
    let headers = &request.parts.headers;
    let class = findings.class.unwrap_or(MediaClass::Other);
    let head = HeadRequest {
        shard: headwater_ring::shard(request.policy.id(), &key),
        epoch: Default::default(),
        object: ObjectId { namespace: request.policy.id(), key },
        request_id: request.id,
        follow: follow(request, class, None),
        remaining: Default::default(),
    };
    let reply = read(request.frontend, request.started, head.shard, |storage, epoch, remaining| {
        storage.head(HeadRequest { epoch, remaining, ..head.clone() })
    });
    let key = &head.object.key;
    let meta = match reply.await? {
        HeadReply::Found(meta) => meta,
        HeadReply::Arriving(arriving) => {
            findings.tier = Some(Tier::Arriving);
            findings.arriving(&arriving);
            let response = following(request, key, &arriving, ResponseBody::nothing());
            return Ok(Outcome::Answered(response));
        }
    };
    findings.tier = Some(Tier::Hot);
    findings.found(&meta);
    if negotiation.wanted(&meta).is_some() {
        return Box::pin(encoding::recoded(request, key, negotiation, meta, None)).await;
    }
    check_preconditions(headers, &meta)?;
    let facts = facts_of(request, key, &meta, None).await?;
    let tags = Tags::read(headers, header::IF_NONE_MATCH, true);
    if tags.has(meta.digest) || not_modified_since(headers, tags.present, &meta) {
        return Ok(Outcome::Answered(not_modified(request, key, &meta, facts)));
    }
    let mut response = stored(request, key, &meta, facts, ResponseBody::nothing());
    response.headers_mut().insert(header::CONTENT_LENGTH, meta.size.into());
    Ok(Outcome::Answered(response))
}

/// What to do about an object that is still arriving. A range is streamed by itself if it ends within what an object of
/// the namespace may have; else the whole is.
fn follow(request: Allowed<'_>, class: MediaClass, range: Option<ByteRange>) -> Follow {
    let settings = request.policy.settings();
    if !settings.read_while_write || !headwater_media::is_followable(class) {
        return Follow::No;
    }
    match range {
        Some(ByteRange::FromTo(_, last)) if last < settings.max_object_bytes && !waits(request) => {
            Follow::Range
        }
        _ => Follow::Body,
    }
}

/// A client of HTTP/1.0 cannot tell a cut body from a whole one without its length, so it waits.
fn waits(request: Allowed<'_>) -> bool {
    request.parts.version < Version::HTTP_11
}

/// Waits as long as an object arrives. However that ends, what there is then is told by another read: the clean end
/// comes after the commit.
async fn until_over(body: ObjectBody) {
    if let ObjectBody::Stream(mut pieces) = body {
        while let Some(Ok(_)) = pieces.next().await {}
    }
}

/// Waits for the first bytes of a range that is arriving; `None` if it ends without any. Its answer must not begin
/// before: until then the object may turn out to be shorter. The request has the idle time of a body in all: over HTTP/1 a
/// reader that has hung up is noticed only once it is answered.
async fn begun(request: Allowed<'_>, body: ObjectBody) -> Result<Option<ObjectBody>, Problem> {
    let ObjectBody::Stream(mut pieces) = body else { return Ok(Some(body)) };
    let frontend = request.frontend;
    let waited = frontend.clock.monotonic().saturating_sub(request.started);
    let left = frontend.config.body_idle.saturating_sub(waited);
    let Ok(first) = tokio::time::timeout(left, pieces.next()).await else {
        let detail = "the range has not begun to arrive in time; try again";
        return Err(Problem::new(ErrorCode::Unavailable, detail));
    };
    let Some(Ok(first)) = first else { return Ok(None) };
    let first = futures_util::stream::iter([Ok(first)]);
    Ok(Some(ObjectBody::Stream(first.chain(pieces).boxed())))
}

/// The facts of a playlist, unless they are `known`: remembered, or read now, also where the answer itself has no body or
/// a part of it. So every frontend says the same of it, whichever has read it before.
pub(crate) async fn facts_of(
    request: Allowed<'_>,
    key: &ObjectKey,
    meta: &ObjectMeta,
    known: Option<PlaylistFacts>,
) -> Result<PlaylistFacts, Problem> {
    if !needs_facts(meta) {
        return Ok(PlaylistFacts::default());
    }
    match known.or_else(|| request.frontend.playlists.get(key, meta)) {
        Some(facts) => Ok(facts),
        // Boxed: it is rare, and would make every read larger.
        None => Box::pin(read_facts(request, key)).await,
    }
}

async fn read_facts(request: Allowed<'_>, key: &ObjectKey) -> Result<PlaylistFacts, Problem> {
    // It may be a newer version by now, whose facts are as good: a stream's target duration does not change.
    let (meta, body) = read_whole(request, key).await?;
    if !needs_facts(&meta) {
        return Ok(PlaylistFacts::default());
    }
    let read = request.frontend.playlists.read(key, &meta, body).await;
    read.map(|(facts, _)| facts).map_err(|_| unavailable())
}

/// Reads the newest version with its whole body.
pub(crate) async fn read_whole(
    request: Allowed<'_>,
    key: &ObjectKey,
) -> Result<(Arc<ObjectMeta>, ObjectBody), Problem> {
    let get = GetRequest {
        shard: headwater_ring::shard(request.policy.id(), key),
        epoch: Default::default(),
        object: ObjectId { namespace: request.policy.id(), key: key.clone() },
        request_id: request.id,
        range: None,
        if_range: None,
        if_none_match: Vec::new(),
        follow: Follow::No,
        remaining: Default::default(),
    };
    let reply = read(request.frontend, request.started, get.shard, |storage, epoch, remaining| {
        storage.get(GetRequest { epoch, remaining, ..get.clone() })
    });
    match reply.await? {
        GetReply::Found { meta, body, .. } => Ok((meta, body)),
        // No answer to what was asked.
        _ => Err(unavailable()),
    }
}

/// Whether the answer's Cache-Control depends on what is in the body.
fn needs_facts(meta: &ObjectMeta) -> bool {
    meta.class == MediaClass::Playlist && meta.attributes.cache_control.is_none()
}

/// `If-Match`, or where there is none `If-Unmodified-Since` (RFC 9110 section 13.2.2).
pub(crate) fn check_preconditions(headers: &HeaderMap, meta: &ObjectMeta) -> Result<(), Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        return match conditions::modified_since(headers, meta.stored_at) {
            false => Ok(()),
            true => Err(Problem::new(
                ErrorCode::PreconditionFailed,
                "the object was stored later than If-Unmodified-Since allows",
            )),
        };
    }
    let tags = Tags::read(headers, header::IF_MATCH, false);
    if tags.has(meta.digest) {
        return Ok(());
    }
    Err(Problem::new(
        ErrorCode::PreconditionFailed,
        "the object has another entity tag than If-Match asks for",
    ))
}

/// Whether a date says that the reader has it. Of segments only: a playlist may change twice in the second that a date
/// can tell apart. Entity tags, where there are any, are the better witness (RFC 9110 section 13.1.3).
fn not_modified_since(headers: &HeaderMap, has_tags: bool, meta: &ObjectMeta) -> bool {
    !has_tags && meta.class == MediaClass::Media && conditions::not_modified_since(headers, meta.stored_at)
}

/// 200, or 206 with a range, of which `body` has the bytes.
pub(crate) fn found(
    request: Allowed<'_>,
    key: &ObjectKey,
    meta: &ObjectMeta,
    facts: PlaylistFacts,
    range: Option<Range<u64>>,
    body: ObjectBody,
) -> Response<ResponseBody> {
    let size = range.as_ref().map_or(meta.size, |range| range.end - range.start);
    let mut response = stored(request, key, meta, facts, ResponseBody::object(body, Some(size)));
    if let Some(range) = range {
        partial(&mut response, &range, Some(meta.size));
    }
    response
}

/// Makes an answer one of a part; `None`: nobody knows yet how large the whole will be (RFC 9110 section 14.4).
fn partial(response: &mut Response<ResponseBody>, range: &Range<u64>, size: Option<u64>) {
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let (first, last) = (range.start, range.end.saturating_sub(1));
    let size = size.map_or("*".into(), |size| size.to_string());
    if let Ok(value) = HeaderValue::try_from(format!("bytes {first}-{last}/{size}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
}

/// 200 with all headers of a stored version.
fn stored(
    request: Allowed<'_>,
    key: &ObjectKey,
    meta: &ObjectMeta,
    facts: PlaylistFacts,
    body: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    // What nearly all answers have fits without growing.
    let mut headers = HeaderMap::with_capacity(12);
    answer::add_attributes(&mut headers, &meta.attributes);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    add_version(request, key, meta, facts, &mut headers);
    *response.headers_mut() = headers;
    response
}

/// 304: what a cache may have to bring up to date (RFC 9110 section 15.4.5).
pub(crate) fn not_modified(
    request: Allowed<'_>,
    key: &ObjectKey,
    meta: &ObjectMeta,
    facts: PlaylistFacts,
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::nothing());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    add_version(request, key, meta, facts, response.headers_mut());
    response
}

fn add_version(
    request: Allowed<'_>,
    key: &ObjectKey,
    meta: &ObjectMeta,
    facts: PlaylistFacts,
    headers: &mut HeaderMap,
) {
    let remaining_s = meta.expires_at.millis_since(request.now) / 1000;
    let settings = request.policy.settings();
    let value = cache_control(settings, key, &meta.attributes, meta.class, facts, remaining_s);
    headers.insert(header::CACHE_CONTROL, value);
    answer::add_validators(headers, meta, &request.frontend.dates);
    if Recoding::of(meta).is_some() {
        answer::add_vary(headers, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// 200 for what is still arriving: no length, no entity tag, and as long in caches as a segment.
fn following(
    request: Allowed<'_>,
    key: &ObjectKey,
    arriving: &Arriving,
    body: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    answer::add_attributes(headers, &arriving.attributes);
    let settings = request.policy.settings();
    let facts = PlaylistFacts::default();
    let ttl_s = arriving.ttl.as_secs();
    let value = cache_control(settings, key, &arriving.attributes, arriving.class, facts, ttl_s);
    headers.insert(header::CACHE_CONTROL, value);
    response
}
