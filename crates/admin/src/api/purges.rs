//! `/v1/namespaces/{ns}/purge` and `/v1/purges`.

use axum::{Json, extract::State as Shared, response::IntoResponse};
use headwater_meta::{Command, Outcome};
use headwater_types::api::{Namespace, NewPurge, Page, Purge};
use http::{StatusCode, header};
use serde::Deserialize;
use std::{ops::Bound, sync::Arc};
use utoipa::IntoParams;

use super::{
    AdminApi,
    auth::Caller,
    convert,
    error::{ApiError, ApiResult},
    input::{Body, NoQuery, Params, Segments, decode},
    metadata::{self, Change, unexpected},
    namespaces::tagged,
    objects::checked_prefix,
    paging::{self, Paging, StaleQuery},
};

/// Which block to lift.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BlockedQuery {
    /// As `blocked` of the namespace shows it.
    prefix: String,
}

/// Begins to remove everything below a prefix. Objects that are stored from now on may stay.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/purge", tag = "purges", operation_id = "start_purge",
    params(("ns" = String, Path, description = "The namespace's name")), request_body = NewPurge,
    responses(
        (status = 202, description = "Begun; `Location` shows how far it is", body = Purge),
        (status = 409, description = "`too_many`: a bound of the metadata is reached")))]
pub async fn start(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(name): Segments<String>,
    Params(NoQuery {}): Params<NoQuery>,
    Body(body): Body,
) -> ApiResult {
    let new: NewPurge = decode("", &body)?;
    let prefix = checked_prefix(Some(new.prefix.clone()))?;
    let state = api.read(false).await?;
    let namespace = metadata::namespace(&state, &name)?.id;
    let change = Change {
        action: "purge.start",
        target: format!("{name}/{prefix}"),
        before: None,
        after: convert::audited(&new),
    };
    let command = Command::StartPurge { namespace, prefix, block: new.block };
    let applied = api.change(&caller, change, command).await?;
    let Outcome::Purge(record) = applied.outcome else { return Err(unexpected(&applied.outcome)) };
    let location = [(header::LOCATION, format!("/v1/purges/{}", record.id))];
    Ok((StatusCode::ACCEPTED, location, Json(convert::purge(&record))).into_response())
}

/// Takes names below a prefix again that was purged to be blocked.
#[utoipa::path(delete, path = "/v1/namespaces/{ns}/blocked", tag = "purges", operation_id = "unblock",
    params(("ns" = String, Path, description = "The namespace's name"), BlockedQuery),
    responses((status = 200, description = "The namespace as it is now", body = Namespace)))]
pub async fn unblock(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(name): Segments<String>,
    Params(BlockedQuery { prefix }): Params<BlockedQuery>,
) -> ApiResult {
    let state = api.read(false).await?;
    let record = metadata::namespace(&state, &name)?;
    if !record.blocked.contains(&prefix) {
        let blocked = record.blocked.join(", ");
        let blocked = if blocked.is_empty() { "nothing is" } else { &blocked };
        return Err(ApiError::absent(format_args!(
            "blocked prefix {prefix:?} in {name}; blocked: {blocked}"
        )));
    }
    let change = Change {
        action: "namespace.unblock",
        target: format!("{name}/{prefix}"),
        before: convert::audited(&record.blocked),
        after: None,
    };
    let command = Command::Unblock { namespace: record.id, prefix };
    let applied = api.change(&caller, change, command).await?;
    let state = api.shown(applied.version).await?;
    Ok(tagged(metadata::namespace(&state, &name)?, None))
}

/// Lists purges in the order of their ids, which is that of their beginning. Those of deleted namespaces are among them.
#[utoipa::path(get, path = "/v1/purges", tag = "purges", operation_id = "list_purges", params(Paging),
    responses((status = 200, description = "A page", body = Page<Purge>)))]
pub async fn list(
    Shared(api): Shared<Arc<AdminApi>>,
    Params(query): Params<Paging>,
) -> ApiResult<Json<Page<Purge>>> {
    let limit = paging::limit(query.limit)?;
    let after = paging::number_cursor(query.cursor.as_deref())?;
    let after = after.map_or(Bound::Unbounded, Bound::Excluded);
    let state = api.read(query.stale).await?;
    let records = state.purges.range((after, Bound::Unbounded));
    Ok(Json(paging::page(records.map(|(id, record)| (id.to_string(), convert::purge(record))), limit)))
}

/// A purge and how far it is.
#[utoipa::path(get, path = "/v1/purges/{id}", tag = "purges", operation_id = "get_purge",
    params(("id" = u64, Path, description = "Its id"), StaleQuery),
    responses((status = 200, description = "The purge", body = Purge)))]
pub async fn show(
    Shared(api): Shared<Arc<AdminApi>>,
    Segments(id): Segments<u64>,
    Params(query): Params<StaleQuery>,
) -> ApiResult<Json<Purge>> {
    let state = api.read(query.stale).await?;
    let record = state.purges.get(&id);
    record
        .map(|record| Json(convert::purge(record)))
        .ok_or_else(|| ApiError::absent(format_args!("purge {id}")))
}
