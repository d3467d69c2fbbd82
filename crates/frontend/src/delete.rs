//! DELETE of an object.

use headwater_proto::DeleteRequest;
use headwater_types::{ErrorCode, ObjectId, ObjectKey};
use http::{Response, StatusCode, header};
use std::time::Duration;
use tokio::sync::watch;
use tracing::Instrument;

use crate::{
    handle::Allowed,
    ingest::upload::Progress,
    problem::Problem,
    read::unavailable,
    request_body::RequestBody,
    response_body::ResponseBody,
    write::{WriteDeadline, write},
};

/// What is read of a body that means nothing: encoders send an empty chunked one.
const IGNORED_BYTES_MAX: u64 = 64 * 1024;
/// How long it is waited for.
const IGNORED_TIME: Duration = Duration::from_secs(2);

/// Deletes an object; that there is none is success too. Where the namespace ignores deletes nothing is done.
///
/// A condition is refused: it could only be looked at before the delete, and another write could come in between.
pub(crate) async fn delete(
    request: Allowed<'_>,
    key: ObjectKey,
    body: &mut RequestBody,
) -> Result<Response<ResponseBody>, Problem> {
    for name in [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE] {
        if request.parts.headers.contains_key(&name) {
            let detail = format!("a DELETE with {name} is not supported; nothing was deleted");
            return Err(Problem::new(ErrorCode::InvalidHeader, detail));
        }
    }
    body.discard(IGNORED_BYTES_MAX, IGNORED_TIME).await;
    let settings = request.policy.settings();
    if !settings.ignore_deletes {
        let frontend = request.frontend.clone();
        let shard = headwater_ring::shard(request.policy.id(), &key);
        let object = ObjectId { namespace: request.policy.id(), key };
        let request_id = request.id;
        let limit = Duration::from_millis(settings.write_deadline_ms);
        let (_complete, body) = watch::channel(Progress::Complete(frontend.clock.monotonic()));
        // On a task of its own, as a PUT: encoders do not wait for the answer.
        let deleting = async move {
            write(&frontend, shard, WriteDeadline { body, limit }, |storage, epoch, remaining| {
                storage.delete(DeleteRequest { shard, epoch, object: object.clone(), request_id, remaining })
            })
            .await
        };
        tokio::spawn(deleting.in_current_span()).await.map_err(|_| unavailable())??;
    }
    let mut response = Response::new(ResponseBody::nothing());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
