//! PUT and POST: admission, the body on its way to the head while it arrives, and the answer.

use bytes::Bytes;
use headwater_proto::{PutReply, PutRequest};
use headwater_types::{ErrorCode, ObjectId, ObjectKey, ShardId};
use http::{Response, StatusCode, header};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::{
    answer,
    frontend::Frontend,
    handle::Allowed,
    ingest::{
        collect::{BodyLimits, Collector, too_large, unreadable},
        upload::Upload,
    },
    problem::Problem,
    put_request::PutPlan,
    request_body::RequestBody,
    response_body::ResponseBody,
    write::{WriteDeadline, write},
};

/// The least that a PUT reserves: it bounds how many small ones are held at once.
const RESERVED_BYTES_MIN: u64 = 4 * 1024;

/// Stores an object.
pub(crate) async fn put(
    request: Allowed<'_>,
    key: ObjectKey,
    body: &mut RequestBody,
) -> Result<Response<ResponseBody>, Problem> {
    let Allowed { frontend, policy, .. } = request;
    let settings = policy.settings();
    let plan = PutPlan::of(request.parts, request.query, settings, &key)?;
    let probes = headwater_media::is_probe_name(&key);
    if plan.size == Some(0) && probes {
        return Ok(stored_nothing());
    }
    if frontend.quotas.is_over(policy.id(), request.started) {
        let detail =
            "the namespace is past its quota until objects expire or are deleted, or the quota is raised";
        return Err(Problem::new(ErrorCode::QuotaExceeded, detail));
    }
    let upload = admit(request, &key, plan.size).await?;

    // The body is first read here: an `Expect: 100-continue` is answered by it.
    body.limit_idle(frontend.config.body_idle);
    let first = body.next().await.map_err(unreadable)?;
    if first.is_none() && probes {
        return Ok(stored_nothing());
    }
    let limits = BodyLimits { declared: plan.size, max: settings.max_object_bytes };
    let collector = Collector::new(upload.clone(), limits, plan.checks);
    let class = headwater_media::classify(&key);
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
    };
    let limit = Duration::from_millis(settings.write_deadline_ms);
    // On a task of its own: encoders close the connection once the body is sent, which drops this future, and a body
    // that arrived whole is stored all the same.
    let writing = tokio::spawn(store(frontend.clone(), put, upload, limit).in_current_span());
    let reply = collect_and_wait(request, collector, first, body, writing).await?;
    frontend.sizes.record(policy.id(), &key, reply.meta.size);
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

/// Reserves memory for a body: its length, or what its group lets expect, or the namespace's limit.
async fn admit(request: Allowed<'_>, key: &ObjectKey, size: Option<u64>) -> Result<Arc<Upload>, Problem> {
    let Allowed { frontend, policy, .. } = request;
    let expected = size
        .or_else(|| frontend.sizes.largest(policy.id(), key))
        .unwrap_or(policy.settings().max_object_bytes)
        .max(RESERVED_BYTES_MIN);
    match frontend.budget.reserve(expected, frontend.config.ingest_wait).await {
        Ok(reservation) => Ok(Upload::new(reservation)),
        Err(_) => {
            frontend.metrics.ingest_refused.inc();
            Err(Problem::new(ErrorCode::Overloaded, "no memory for another body; nothing was stored"))
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
