//! Chooses the content coding of an answer, and answers in another coding than the stored one.

use bytes::Bytes;
use headwater_media::PlaylistFacts;
use headwater_proto::ObjectBody;
use headwater_types::{Attributes, ByteRange, Chunks, Digest, ErrorCode, ObjectId, ObjectKey, ObjectMeta};
use http::{HeaderMap, HeaderValue, Method, Response, header};
use std::{ops::Range, sync::Arc};

use super::{
    accept::prefers_gzip,
    recoding::{Recoded, Recoding},
    recodings::{Busy, Recodings},
};
use crate::{
    answer,
    cache_control::collect,
    conditions::{self, IfRange, Tags},
    get,
    handle::Allowed,
    problem::Problem,
    read::unavailable,
    response_body::ResponseBody,
};

/// How often a version is read again that was replaced, or whose body broke off, before it was recoded.
const READS_MAX: u32 = 3;

/// What a request accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Negotiation<'a> {
    headers: &'a HeaderMap,
    /// A version that is sent as it is stored: it cannot be recoded, or not now.
    as_stored: Option<Digest>,
}

impl<'a> Negotiation<'a> {
    /// What these request headers accept.
    pub fn new(headers: &'a HeaderMap) -> Self {
        Self { headers, as_stored: None }
    }

    /// Returns how a version is to be recoded for this client. `None`: it gets the stored form. The headers are looked at
    /// only if the version may be recoded at all.
    pub fn wanted(&self, meta: &ObjectMeta) -> Option<Recoding> {
        Recoding::of(meta).filter(|recoding| self.accepts(meta.digest, *recoding))
    }

    /// Returns the digest of the stored version of an object whose recoded form is kept, if this client would get that
    /// form. It need not be the newest version.
    pub fn kept(&self, recodings: &Recodings, object: &ObjectId) -> Option<Digest> {
        let (digest, recoding) = recodings.kept(object)?;
        self.accepts(digest, recoding).then_some(digest)
    }

    /// Returns the same negotiation, by which this version is sent as it is stored.
    pub fn as_stored(self, digest: Digest) -> Self {
        Self { as_stored: Some(digest), ..self }
    }

    /// Whether this client gets a version in its recoded form.
    fn accepts(&self, digest: Digest, recoding: Recoding) -> bool {
        self.as_stored != Some(digest) && prefers_gzip(self.headers) == (recoding == Recoding::Gzip)
    }
}

/// How a request was answered.
#[expect(clippy::large_enum_variant, reason = "moved once; a box would cost an allocation for each answer")]
pub(crate) enum Outcome<'a> {
    /// The response to send.
    Answered(Response<ResponseBody>),
    /// Not yet: it has to be answered from the stored form, by this negotiation.
    Again(Negotiation<'a>),
}

/// Answers GET and HEAD from a version whose recoded form is [`Negotiation::wanted`]. Conditions and ranges are those of the
/// recoded form (RFC 9110 sections 13 and 14).
///
/// `body` is the whole stored body where it is at hand. It is read if it is needed: not where the recoded form is kept.
pub(crate) async fn recoded<'a>(
    request: Allowed<'_>,
    key: &ObjectKey,
    negotiation: Negotiation<'a>,
    mut meta: Arc<ObjectMeta>,
    mut body: Option<ObjectBody>,
) -> Result<Outcome<'a>, Problem> {
    let recodings = &request.frontend.recodings;
    let object = ObjectId { namespace: request.policy.id(), key: key.clone() };
    let wait = request.frontend.config.read_budget;
    for _ in 0..READS_MAX {
        let Some(recoding) = negotiation.wanted(&meta) else { return Ok(Outcome::Again(negotiation)) };
        let outcome = match (recodings.get(&object, meta.digest, recoding), body.take()) {
            (Some(outcome), _) => Some(Ok(outcome)),
            (None, Some(body)) => match collect(&meta, body).await {
                Ok(stored) => Some(recodings.recode(&object, meta.digest, recoding, stored, wait).await),
                Err(error) => {
                    tracing::warn!(%error, "the body of a playlist broke off");
                    None
                }
            },
            (None, None) => None,
        };
        match outcome {
            Some(Ok(Some(recoded))) => {
                // Of the stored version: its facts are known, those of other bytes never are.
                let facts = get::facts_of(request, key, &meta, None).await?;
                let meta = form(&meta, recoding, &recoded);
                return respond(request, key, &meta, facts, recoded.body).map(Outcome::Answered);
            }
            Some(Err(Busy)) if recoding == Recoding::Gunzip => {
                let detail = "no processor was free in time to decompress the playlist; try again";
                return Err(Problem::new(ErrorCode::Overloaded, detail));
            }
            Some(Ok(None) | Err(Busy)) => return Ok(Outcome::Again(negotiation.as_stored(meta.digest))),
            None => {}
        }
        let (newest, whole) = get::read_whole(request, key).await?;
        (meta, body) = (newest, Some(whole));
    }
    Err(unavailable())
}

/// The recoded form of a version, described like a version.
fn form(meta: &ObjectMeta, recoding: Recoding, recoded: &Recoded) -> ObjectMeta {
    let attributes = Attributes { content_encoding: recoding.content_encoding(), ..meta.attributes.clone() };
    let size = recoded.body.len() as u64;
    ObjectMeta { digest: recoded.digest, size, attributes, ..meta.clone() }
}

/// Answers from a form and all its bytes.
fn respond(
    request: Allowed<'_>,
    key: &ObjectKey,
    form: &ObjectMeta,
    facts: PlaylistFacts,
    body: Bytes,
) -> Result<Response<ResponseBody>, Problem> {
    let headers = &request.parts.headers;
    get::check_preconditions(headers, form)?;
    let mut response = if Tags::read(headers, header::IF_NONE_MATCH, true).has(form.digest) {
        get::not_modified(request, key, form, facts)
    } else {
        let range = match asked_range(request, form) {
            Some(range) => Some(range.resolve(form.size).ok_or_else(|| get::unsatisfiable(form))?),
            None => None,
        };
        let body = part(body, range.as_ref());
        get::found(request, key, form, facts, range, body)
    };
    answer::add_vary(response.headers_mut(), HeaderValue::from_static("Accept-Encoding"));
    Ok(response)
}

/// The range that is asked for and applies to this form. HEAD has none.
fn asked_range(request: Allowed<'_>, form: &ObjectMeta) -> Option<ByteRange> {
    let headers = &request.parts.headers;
    if request.parts.method != Method::GET {
        return None;
    }
    match conditions::if_range(headers) {
        IfRange::Absent => conditions::range(headers),
        IfRange::Digest(digest) if digest == form.digest => conditions::range(headers),
        IfRange::Digest(_) | IfRange::Never => None,
    }
}

fn part(body: Bytes, range: Option<&Range<u64>>) -> ObjectBody {
    let body = match range {
        Some(range) => body.slice(range.start as usize..range.end as usize),
        None => body,
    };
    ObjectBody::Memory(Chunks::new(vec![body]))
}
