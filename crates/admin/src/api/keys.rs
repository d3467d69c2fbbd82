//! `/v1/namespaces/{ns}/keys`, and `/v1/keys` for those of the admin plane.

use axum::{Json, extract::State as Shared, response::IntoResponse};
use headwater_meta::{Command, KeyRecord, NamespaceRecord, Outcome, State, secret};
use headwater_types::{
    ApiKey, KeyId, NamespaceId,
    api::{CreatedKey, Key, NewKey, Page, Revoked},
};
use http::{StatusCode, header};
use serde_json::Value;
use std::{ops::Bound, sync::Arc};

use super::{
    AdminApi,
    auth::Caller,
    confirm::RevokeQuery,
    convert,
    error::{ApiError, ApiResult},
    input::{Body, NoQuery, Params, Segments, decode},
    metadata::{self, Change, unexpected},
    new_key,
    paging::{self, Paging, StaleQuery},
    settings,
};

/// Lists the keys of a namespace in the order of their ids.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/keys", tag = "keys", operation_id = "list_keys",
    params(("ns" = String, Path, description = "The namespace's name"), Paging),
    responses((status = 200, description = "A page", body = Page<Key>)))]
pub async fn list(
    Shared(api): Shared<Arc<AdminApi>>,
    Segments(name): Segments<String>,
    Params(query): Params<Paging>,
) -> ApiResult<Json<Page<Key>>> {
    let state = api.read(query.stale).await?;
    let namespace = metadata::namespace(&state, &name)?;
    page(&api, &state, Some(namespace), &query).await
}

/// Makes a key. The answer is the only one that has its secret.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/keys", tag = "keys", operation_id = "create_key",
    params(("ns" = String, Path, description = "The namespace's name")), request_body = NewKey,
    responses(
        (status = 201, description = "Made; to be saved as the file that `Content-Disposition` names", body = CreatedKey),
        (status = 409, description = "`too_many`: a bound of the metadata is reached")))]
pub async fn create(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(name): Segments<String>,
    Params(NoQuery {}): Params<NoQuery>,
    Body(body): Body,
) -> ApiResult {
    let state = api.read(false).await?;
    make(&api, &caller, Some(metadata::namespace(&state, &name)?), &body).await
}

/// A key, without its secret.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/keys/{id}", tag = "keys", operation_id = "get_key",
    params(("ns" = String, Path, description = "The namespace's name"), ("id" = String, Path, description = "The key's id"),
        StaleQuery),
    responses((status = 200, description = "The key", body = Key)))]
pub async fn show(
    Shared(api): Shared<Arc<AdminApi>>,
    Segments((name, id)): Segments<(String, String)>,
    Params(query): Params<StaleQuery>,
) -> ApiResult<Json<Key>> {
    let state = api.read(query.stale).await?;
    let namespace = metadata::namespace(&state, &name)?.id;
    one(&api, &state, Some(namespace), &id).await
}

/// Revokes a key, and waits until all frontends that are known have confirmed it. Repeating it is safe.
#[utoipa::path(delete, path = "/v1/namespaces/{ns}/keys/{id}", tag = "keys", operation_id = "revoke_key",
    params(("ns" = String, Path, description = "The namespace's name"), ("id" = String, Path, description = "The key's id"),
        RevokeQuery),
    responses((status = 200, description = "Revoked, and which frontends refuse it already", body = Revoked)))]
pub async fn revoke(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments((name, id)): Segments<(String, String)>,
    Params(query): Params<RevokeQuery>,
) -> ApiResult {
    let state = api.read(false).await?;
    let namespace = metadata::namespace(&state, &name)?.id;
    take_away(&api, &caller, &state, Some(namespace), id, &query).await
}

/// Lists the keys of the admin plane in the order of their ids.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", operation_id = "list_admin_keys", params(Paging),
    responses((status = 200, description = "A page", body = Page<Key>)))]
pub async fn list_admin(
    Shared(api): Shared<Arc<AdminApi>>,
    Params(query): Params<Paging>,
) -> ApiResult<Json<Page<Key>>> {
    let state = api.read(query.stale).await?;
    page(&api, &state, None, &query).await
}

/// Makes a key of the admin plane; its permission is `admin`. The answer is the only one that has its secret.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", operation_id = "create_admin_key", request_body = NewKey,
    responses(
        (status = 201, description = "Made; to be saved as the file that `Content-Disposition` names", body = CreatedKey),
        (status = 409, description = "`too_many`: a bound of the metadata is reached")))]
pub async fn create_admin(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Params(NoQuery {}): Params<NoQuery>,
    Body(body): Body,
) -> ApiResult {
    make(&api, &caller, None, &body).await
}

/// A key of the admin plane, without its secret.
#[utoipa::path(get, path = "/v1/keys/{id}", tag = "keys", operation_id = "get_admin_key",
    params(("id" = String, Path, description = "The key's id"), StaleQuery),
    responses((status = 200, description = "The key", body = Key)))]
pub async fn show_admin(
    Shared(api): Shared<Arc<AdminApi>>,
    Segments(id): Segments<String>,
    Params(query): Params<StaleQuery>,
) -> ApiResult<Json<Key>> {
    let state = api.read(query.stale).await?;
    one(&api, &state, None, &id).await
}

/// Revokes a key of the admin plane, and waits until all frontends that are known have confirmed it. Repeating it is safe.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", operation_id = "revoke_admin_key",
    params(("id" = String, Path, description = "The key's id"), RevokeQuery),
    responses((status = 200, description = "Revoked, and which frontends refuse it already", body = Revoked)))]
pub async fn revoke_admin(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(query): Params<RevokeQuery>,
) -> ApiResult {
    let state = api.read(false).await?;
    take_away(&api, &caller, &state, None, id, &query).await
}

async fn page(
    api: &AdminApi,
    state: &State,
    namespace: Option<&Arc<NamespaceRecord>>,
    query: &Paging,
) -> ApiResult<Json<Page<Key>>> {
    let limit = paging::limit(query.limit)?;
    let after = paging::from_cursor(query.cursor.as_deref())?;
    let after = after.map_or(Bound::Unbounded, |id| Bound::Excluded(KeyId(id.into())));
    let name = namespace.map(|record| record.name.to_string());
    let id = namespace.map(|record| record.id);
    let records = state.keys.range((after, Bound::Unbounded)).filter(|(_, record)| record.namespace == id);
    let page = paging::page(records.map(|(id, record)| (id.to_string(), record)), limit);
    let ids: Vec<KeyId> = page.items.iter().map(|record| record.id.clone()).collect();
    let used = api.keys_used(&ids).await;
    let items = page.items.into_iter().map(|record| convert::key(record, name.clone(), &used)).collect();
    Ok(Json(Page { items, cursor: page.cursor }))
}

fn find<'a>(state: &'a State, namespace: Option<NamespaceId>, id: &str) -> Option<&'a Arc<KeyRecord>> {
    state.keys.get(&KeyId(id.into())).filter(|record| record.namespace == namespace)
}

fn absent(id: &str) -> ApiError {
    let id: String = id.chars().take(64).collect();
    ApiError::absent(format_args!("key {id:?} here"))
}

async fn one(
    api: &AdminApi,
    state: &State,
    namespace: Option<NamespaceId>,
    id: &str,
) -> ApiResult<Json<Key>> {
    let record = find(state, namespace, id).ok_or_else(|| absent(id))?;
    let used = api.keys_used(std::slice::from_ref(&record.id)).await;
    Ok(Json(convert::key(record, convert::name_of(state, record), &used)))
}

async fn make(
    api: &AdminApi,
    caller: &Caller,
    namespace: Option<&Arc<NamespaceRecord>>,
    body: &Value,
) -> ApiResult {
    settings::check_rate_limits(body)?;
    let mut new: NewKey = decode("", body)?;
    new_key::check(&new, namespace.map(|record| &**record))?;
    new.prefix = new_key::canonical_prefix(&new)?;
    let key = ApiKey::generate(&*api.rng);
    let name = namespace.map(|record| record.name.to_string());
    let command = Command::CreateKey {
        id: key.id.clone(),
        secret_sha256: secret::hash(&key),
        namespace: namespace.map(|record| record.id),
        permission: new.permission,
        prefix: new.prefix.clone(),
        expires_at: new_key::expires_at(&new, api.clock.unix_millis())?,
        cidrs: new_key::networks(&new.cidrs)?,
        digest: name.as_deref().filter(|_| new.digest).map(|name| new_key::digest_hashes(&key, name)),
        rate_limits: new.rate_limits,
    };
    let place = name.as_deref().unwrap_or("admin").to_owned();
    let change = Change {
        action: "key.create",
        target: format!("{place}/{}", key.id),
        before: None,
        after: convert::audited(&new),
    };
    let applied = api.change(caller, change, command).await?;
    let Outcome::Key(record) = applied.outcome else { return Err(unexpected(&applied.outcome)) };
    let document =
        CreatedKey { api_key: key.reveal(), key: convert::key(&record, name.clone(), &Default::default()) };
    let path = match name {
        Some(name) => format!("/v1/namespaces/{name}/keys/{}", record.id),
        None => format!("/v1/keys/{}", record.id),
    };
    let file = format!("attachment; filename=\"headwater-{place}-{}.json\"", record.id);
    let headers = [
        (header::LOCATION, path),
        (header::CONTENT_DISPOSITION, file),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((StatusCode::CREATED, headers, Json(document)).into_response())
}

async fn take_away(
    api: &AdminApi,
    caller: &Caller,
    state: &State,
    namespace: Option<NamespaceId>,
    id: String,
    query: &RevokeQuery,
) -> ApiResult {
    let wait = query.wait()?;
    let record = find(state, namespace, &id);
    let key = KeyId(id.as_str().into());
    // One that is revoked already is revoked again, so that a request whose answer was lost can be repeated.
    if record.is_none() && !state.revoked.contains(&key) {
        return Err(absent(&id));
    }
    let used = Default::default();
    let before = record.map(|record| convert::key(record, convert::name_of(state, record), &used));
    let place = before.as_ref().and_then(|key| key.namespace.clone()).unwrap_or_else(|| "admin".to_owned());
    let change = Change {
        action: "key.revoke",
        target: format!("{place}/{id}"),
        before: before.as_ref().and_then(convert::audited),
        after: None,
    };
    let applied = api.change(caller, change, Command::RevokeKey { id: key }).await?;
    Ok(api.confirmed(id, applied.version, wait).await)
}
