//! PUT and POST: admission, the body on its way to the head while it arrives, and the answer.

use bytes::Bytes;
use headwater_proto::{Began, Follow, HeadReply, HeadRequest, Preconditions, PutReply, PutRequest};
use headwater_types::{ErrorCode, MediaClass, ObjectId, ObjectKey, ShardId, limits::BODY_AHEAD_BYTES};
use http::{Response, StatusCode, header};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::{
    answer,
    config::UPLOAD_OVERHEAD_BYTES,
    frontend::Frontend,
    handle::Allowed,
    ingest::{
        collect::{BodyLimits, Collector, no_memory, too_large, unreadable},
        upload::Upload,
    },
    net::Place,
    problem::Problem,
    put_request::PutPlan,
    read::read,
    request_body::RequestBody,
    response_body::ResponseBody,
    write::{WriteDeadline, precondition_failed, write},
};

/// How long `100 Continue` waits for the look at a precondition: clients wait about a second before they send anyway.
const EARLY_CHECK_MAX: Duration = Duration::from_millis(500);

/// Stores an object.
pub(crate) async fn put(
    request: Allowed<'_>,
    key: ObjectKey,
    body: &mut RequestBody,
) -> Result<Response<ResponseBody>, Problem> {
    let Allowed { frontend, policy, .. } = request;
    let settings = policy.settings();
    let plan = PutPlan::of(request.parts, request.query, settings, &key)?;
    let class = headwater_media::classify(&key, Some(&plan.attributes.content_type));
    let probes = headwater_media::is_probed(class);
    if plan.size == Some(0) && probes {
        return Ok(stored_nothing());
    }
    if frontend.quotas.is_over(policy.id(), request.started) {
        let detail =
            "the namespace is past its quota until objects expire or are deleted, or the quota is raised";
        return Err(Problem::new(ErrorCode::QuotaExceeded, detail));
    }
    if expects_continue(request) && plan.preconditions != Preconditions::default() {
        Box::pin(check_early(request, &key, &plan.preconditions)).await?;
    }
    let upload = admit(request, plan.size).await?;

    // The body is first read here: an `Expect: 100-continue` is answered by it.
    body.limit_idle(frontend.config.body_idle);
    let first = body.next().await.map_err(unreadable)?;
    if first.is_none() && probes {
        return Ok(stored_nothing());
    }
    let limits = BodyLimits { declared: plan.size, max: settings.max_object_bytes };
    let collector = Collector::new(upload.clone(), limits, plan.checks);
    let put = PutRequest {
        shard: headwater_ring::shard(policy.id(), &key),
        // Each attempt puts in its own.
        epoch: Default::default(),
        object: ObjectId { namespace: policy.id(), key: key.clone() },
        request_id: request.id,
        class,
        attributes: plan.attributes,
        ttl: plan.ttl,
        preconditions: plan.preconditions,
        followable: settings.read_while_write && headwater_media::is_followable(class),
        size: plan.size,
        size_max: settings.max_object_bytes,
        remaining: Duration::ZERO,
        began: began(request),
    };
    let limit = Duration::from_millis(settings.write_deadline_ms);
    // On a task of its own: encoders close the connection once the body is sent, which drops this future, and a body
    // that arrived whole is stored all the same.
    let writing = tokio::spawn(store(frontend.clone(), put, upload, limit).in_current_span());
    let reply = collect_and_wait(request, collector, first, body, writing).await?;
    if class == MediaClass::Media && !reply.created {
        frontend.overwrites.note(&policy.label, &key, frontend.clock.monotonic());
    }
    let mut response = Response::new(ResponseBody::nothing());
    if reply.created {
        *response.status_mut() = StatusCode::CREATED;
        *response.body_mut() = ResponseBody::whole(Bytes::new());
    } else {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response.headers_mut().insert(header::ETAG, answer::etag(reply.meta.digest));
    Ok(response)
}

/// When the request began. It stays so for every attempt at the write.
fn began(request: Allowed<'_>) -> Option<Began> {
    let place: &Place = request.parts.extensions.get()?;
    Some(Began { frontend: request.frontend.nonce, order: place.0 })
}

fn expects_continue(request: Allowed<'_>) -> bool {
    let expect = request.parts.headers.get(header::EXPECT);
    expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Looks at the preconditions before `100 Continue` is sent, so that the refusal takes its place. The head of the shard
/// decides all the same, as the object may change meanwhile; so where no member answers soon, it alone decides.
async fn check_early(
    request: Allowed<'_>,
    key: &ObjectKey,
    preconditions: &Preconditions,
) -> Result<(), Problem> {
    let Allowed { frontend, policy, .. } = request;
    let head = HeadRequest {
        shard: headwater_ring::shard(policy.id(), key),
        epoch: Default::default(),
        object: ObjectId { namespace: policy.id(), key: key.clone() },
        request_id: request.id,
        follow: Follow::No,
        remaining: Default::default(),
    };
    let reply = read(frontend, request.started, head.shard, |storage, epoch, remaining| {
        storage.head(HeadRequest { epoch, remaining, ..head.clone() })
    });
    let current = match tokio::time::timeout(EARLY_CHECK_MAX, reply).await {
        Ok(Ok(HeadReply::Found(meta))) => Some(meta.digest),
        Ok(Err(problem)) if problem.code == ErrorCode::NotFound => None,
        _ => return Ok(()),
    };
    match preconditions.hold(current) {
        true => Ok(()),
        false => Err(precondition_failed()),
    }
}

/// Reserves memory for an upload: its overhead, and its Content-Length if it has one. If the length is unknown, it only
/// checks that [`BODY_AHEAD_BYTES`] more are free; the body is counted as it arrives. Near the end of the budget the request
/// waits up to `ingest_wait`.
async fn admit(request: Allowed<'_>, size: Option<u64>) -> Result<Arc<Upload>, Problem> {
    let Allowed { frontend, policy, .. } = request;
    let (bytes, ahead) = match size {
        Some(size) => (size, 0),
        None => (0, BODY_AHEAD_BYTES.min(policy.settings().max_object_bytes)),
    };
    let admission = frontend.budget.admit(UPLOAD_OVERHEAD_BYTES + bytes, ahead);
    match tokio::time::timeout(frontend.config.ingest_wait, admission).await {
        Ok(Ok(share)) => Ok(Upload::new(share)),
        Ok(Err(_)) | Err(_) => {
            frontend.metrics.ingest_refused.inc();
            Err(no_memory())
        }
    }
}

/// An encoder's probe: success, and no effect.
fn stored_nothing() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::nothing());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Reads the body while it is written. A refusal by the head is answered without reading the rest.
async fn collect_and_wait(
    request: Allowed<'_>,
    collector: Collector,
    first: Option<Bytes>,
    body: &mut RequestBody,
    mut writing: JoinHandle<Result<PutReply, Problem>>,
) -> Result<PutReply, Problem> {
    let clock = &request.frontend.clock;
    let collecting = collector.collect(first, body, || clock.monotonic());
    tokio::pin!(collecting);
    tokio::select! {
        collected = &mut collecting => {
            if let Err(problem) = collected {
                if problem.code == ErrorCode::Overloaded {
                    request.frontend.metrics.ingest_refused.inc();
                }
                writing.abort();
                return Err(problem);
            }
        }
        refused = &mut writing => return finished(refused),
    }
    finished(writing.await)
}

fn finished(outcome: Result<Result<PutReply, Problem>, tokio::task::JoinError>) -> Result<PutReply, Problem> {
    outcome.unwrap_or_else(|error| {
        tracing::error!(%error, "the task of a write failed");
        Err(Problem::new(ErrorCode::OutcomeUnknown, ErrorCode::OutcomeUnknown.title()))
    })
}

/// Writes a body that is still arriving. It and its share of the budget are kept until this ends.
async fn store(
    frontend: Arc<Frontend>,
    put: PutRequest,
    upload: Arc<Upload>,
    limit: Duration,
) -> Result<PutReply, Problem> {
    let shard: ShardId = put.shard;
    let deadline = WriteDeadline { body: upload.progress(), limit };
    let size_max = put.size_max;
    let reply = write(&frontend, shard, deadline, |storage, epoch, remaining| {
        storage.put(PutRequest { epoch, remaining, ..put.clone() }, upload.pieces())
    });
    reply.await.map_err(|problem| match problem.code {
        ErrorCode::TooLarge => too_large(size_max),
        _ => problem,
    })
}
