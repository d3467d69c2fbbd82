//! `/v1/namespaces`.

use axum::{
    Json,
    extract::State as Shared,
    response::{IntoResponse, Response},
};
use headwater_meta::{Command, NamespaceRecord, Outcome, State};
use headwater_types::{
    ErrorCode, NamespaceName, NamespaceSettings,
    api::{Namespace, NewNamespace, Page, Purge, Usage},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use std::{ops::Bound, sync::Arc};
use utoipa::IntoParams;

use super::{
    AdminApi,
    auth::Caller,
    convert,
    error::{ApiError, ApiResult},
    input::{Body, NoQuery, Params, Segments, decode, if_match},
    listing::Listing,
    metadata::{self, Change, unexpected},
    paging, settings,
};

/// Attempts of a change without `If-Match` against others that change the namespace at the same time.
const ATTEMPTS: usize = 5;
/// Most objects that a page of a listing may be asked for to tell how many a namespace has.
const COUNTED_MAX: usize = 1_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only names that begin so.
    prefix: Option<String>,
    /// At most so many items: 1 to 1000, by default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `cursor` of the page before.
    cursor: Option<String>,
    /// Answer from this process's copy of the metadata, also without a quorum.
    #[serde(default)]
    stale: bool,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShowQuery {
    /// Answer from this process's copy of the metadata, also without a quorum.
    #[serde(default)]
    stale: bool,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemoveQuery {
    /// Also delete a namespace that has objects, with them.
    #[serde(default)]
    force: bool,
}

/// Lists namespaces in the order of their names.
#[utoipa::path(get, path = "/v1/namespaces", tag = "namespaces", operation_id = "list_namespaces",
    params(ListQuery), responses((status = 200, description = "A page", body = Page<Namespace>)))]
pub async fn list(
    Shared(api): Shared<Arc<AdminApi>>,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<Page<Namespace>>> {
    let limit = paging::limit(query.limit)?;
    let after = paging::from_cursor(query.cursor.as_deref())?.unwrap_or_default();
    let prefix = query.prefix.unwrap_or_default();
    let state = api.read(query.stale).await?;
    // Names are not empty: what comes after "" is everything.
    let begin =
        if after < prefix { Bound::Included(prefix.as_str()) } else { Bound::Excluded(after.as_str()) };
    let names = state.names.range::<(Bound<&str>, Bound<&str>), str>((begin, Bound::Unbounded));
    let usage = api.usage().await;
    let items = names
        .take_while(|(name, _)| name.as_str().starts_with(&prefix))
        .filter_map(|(name, id)| Some((name.to_string(), state.namespaces.get(id)?)));
    let shown = items.map(|(name, record)| (name, convert::namespace(record, usage.of(record.id))));
    Ok(Json(paging::page(shown, limit)))
}

/// Makes a namespace.
#[utoipa::path(post, path = "/v1/namespaces", tag = "namespaces", operation_id = "create_namespace",
    request_body = NewNamespace,
    responses(
        (status = 201, description = "Made; `Location` and `ETag` are given", body = Namespace),
        (status = 409, description = "`exists`, `too_many` or `capacity`")))]
pub async fn create(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Params(NoQuery {}): Params<NoQuery>,
    Body(mut body): Body,
) -> ApiResult {
    let name = match body.as_object_mut().map(|fields| fields.remove("name")) {
        Some(Some(name)) => decode::<String>("", &name).map_err(|e| ApiError::invalid("name", e.detail))?,
        Some(None) => return Err(ApiError::invalid("name", "is missing")),
        None => return Err(ApiError::invalid("the body", "must be a JSON object")),
    };
    let name = NamespaceName::parse(&name).map_err(|e| ApiError::invalid("name", e))?;
    let settings = settings::parse(&body)?;
    let change = Change {
        action: "namespace.create",
        target: name.to_string(),
        before: None,
        after: convert::audited(&settings),
    };
    let applied = api.change(&caller, change, Command::CreateNamespace { name, settings }).await?;
    let Outcome::Namespace { id, .. } = applied.outcome else { return Err(unexpected(&applied.outcome)) };
    let state = api.shown(applied.version).await?;
    let record = state.namespaces.get(&id).ok_or_else(|| ApiError::absent("such namespace any more"))?;
    let location = format!("/v1/namespaces/{}", record.name);
    let location = [(header::LOCATION, location)];
    Ok((StatusCode::CREATED, location, tagged(record, None)).into_response())
}

/// A namespace.
#[utoipa::path(get, path = "/v1/namespaces/{ns}", tag = "namespaces", operation_id = "get_namespace",
    params(("ns" = String, Path, description = "Its name"), ShowQuery),
    responses((status = 200, description = "The namespace; `ETag` carries its version", body = Namespace)))]
pub async fn show(
    Shared(api): Shared<Arc<AdminApi>>,
    Segments(name): Segments<String>,
    Params(query): Params<ShowQuery>,
) -> ApiResult {
    let state = api.read(query.stale).await?;
    let record = metadata::namespace(&state, &name)?;
    Ok(tagged(record, api.usage().await.of(record.id)))
}

/// Changes settings: a merge patch (RFC 7396), in which `null` sets a member back to its default.
#[utoipa::path(patch, path = "/v1/namespaces/{ns}", tag = "namespaces", operation_id = "update_namespace",
    params(("ns" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the change was made from")),
    request_body(content = NamespaceSettings, content_type = "application/merge-patch+json",
        description = "The settings to be changed; `application/json` is understood, too"),
    responses(
        (status = 200, description = "Changed; `ETag` carries the new version", body = Namespace),
        (status = 409, description = "`capacity`, or `conflict` where others change it all the time"),
        (status = 412, description = "`precondition_failed`: it has another version than `If-Match` says")))]
pub async fn update(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(name): Segments<String>,
    headers: HeaderMap,
    Params(NoQuery {}): Params<NoQuery>,
    Body(patch): Body,
) -> ApiResult {
    change_settings(&api, &caller, &name, &headers, |current| settings::patched(current, &patch)).await
}

/// Replaces all settings; what is left out has its default.
#[utoipa::path(put, path = "/v1/namespaces/{ns}", tag = "namespaces", operation_id = "replace_namespace",
    params(("ns" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the change was made from")),
    request_body = NamespaceSettings,
    responses(
        (status = 200, description = "Changed; `ETag` carries the new version", body = Namespace),
        (status = 409, description = "`capacity`, or `conflict` where others change it all the time"),
        (status = 412, description = "`precondition_failed`: it has another version than `If-Match` says")))]
pub async fn replace(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(name): Segments<String>,
    headers: HeaderMap,
    Params(NoQuery {}): Params<NoQuery>,
    Body(body): Body,
) -> ApiResult {
    change_settings(&api, &caller, &name, &headers, |_| settings::parse(&body)).await
}

/// Deletes a namespace with its keys. Its objects are purged behind that.
#[utoipa::path(delete, path = "/v1/namespaces/{ns}", tag = "namespaces", operation_id = "delete_namespace",
    params(("ns" = String, Path, description = "Its name"), RemoveQuery,
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the decision was made from")),
    responses(
        (status = 202, description = "Deleted; its objects are being purged", body = Purge),
        (status = 204, description = "Deleted"),
        (status = 409, description = "`not_empty`: it has objects, and `force` is not set"),
        (status = 412, description = "`precondition_failed`: it has another version than `If-Match` says")))]
pub async fn remove(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(name): Segments<String>,
    headers: HeaderMap,
    Params(query): Params<RemoveQuery>,
) -> ApiResult {
    let state = api.read(false).await?;
    let record = metadata::namespace(&state, &name)?;
    let condition = if_match(&headers)?;
    check_version(record, condition.as_deref())?;
    if !query.force {
        check_empty(&api, record).await?;
    }
    let id = record.id;
    let change = Change {
        action: "namespace.delete",
        target: name,
        before: convert::audited(&record.settings),
        after: None,
    };
    let expect_version = condition.map(|_| record.version);
    let applied = api.change(&caller, change, Command::DeleteNamespace { id, expect_version }).await?;
    let state = api.shown(applied.version).await?;
    let purge = state.purges.values().rev().find(|purge| purge.namespace == id);
    Ok(match purge {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(purge) => {
            let location = [(header::LOCATION, format!("/v1/purges/{}", purge.id))];
            (StatusCode::ACCEPTED, location, Json(convert::purge(purge))).into_response()
        }
    })
}

/// Reads, changes and writes; again where another change came between, unless the caller has a condition.
async fn change_settings(
    api: &AdminApi,
    caller: &Caller,
    name: &str,
    headers: &HeaderMap,
    new: impl Fn(&NamespaceSettings) -> ApiResult<NamespaceSettings>,
) -> ApiResult {
    let condition = if_match(headers)?;
    for _ in 0..ATTEMPTS {
        let state: Arc<State> = api.read(false).await?;
        let record = metadata::namespace(&state, name)?;
        check_version(record, condition.as_deref())?;
        let settings = new(&record.settings)?;
        let change = Change {
            action: "namespace.update",
            target: name.to_owned(),
            before: convert::audited(&record.settings),
            after: convert::audited(&settings),
        };
        let (id, expect_version) = (record.id, Some(record.version));
        let command = Command::UpdateNamespace { id, expect_version, settings };
        match api.change(caller, change, command).await {
            Err(error) if error.code == ErrorCode::PreconditionFailed && condition.is_none() => {}
            Err(error) => return Err(error),
            Ok(applied) => {
                let state = api.shown(applied.version).await?;
                return Ok(tagged(metadata::namespace(&state, name)?, None));
            }
        }
    }
    Err(ApiError::new(
        ErrorCode::Conflict,
        format!("namespace {name} was changed by others {ATTEMPTS} times meanwhile; nothing was changed"),
    ))
}

fn check_version(record: &NamespaceRecord, condition: Option<&[u64]>) -> ApiResult<()> {
    match condition {
        Some(versions) if !versions.contains(&record.version) => Err(ApiError::new(
            ErrorCode::PreconditionFailed,
            format!("namespace {} has the ETag \"{}\"; nothing was changed", record.name, record.version),
        )),
        _ => Ok(()),
    }
}

async fn check_empty(api: &AdminApi, record: &NamespaceRecord) -> ApiResult<()> {
    let listing = Listing { limit: COUNTED_MAX, ..Listing::default() };
    let page = api.objects(record.id, &listing).await.map_err(|error| ApiError {
        detail: format!(
            "whether namespace {} is empty is not known: {}; force=true deletes it anyway",
            record.name, error.detail
        ),
        ..error
    })?;
    let count = page.entries.len();
    if count == 0 {
        return Ok(());
    }
    let (at_least, plural) = (if page.more { "at least " } else { "" }, if count == 1 { "" } else { "s" });
    Err(ApiError::new(
        ErrorCode::NotEmpty,
        format!(
            "namespace {} has {at_least}{count} object{plural}; force=true deletes it with them",
            record.name
        ),
    ))
}

/// A namespace with its version as entity tag.
pub(super) fn tagged(record: &NamespaceRecord, usage: Option<Usage>) -> Response {
    let document: Namespace = convert::namespace(record, usage);
    let mut response = Json(document).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", record.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
