//! `/v1/namespaces/{ns}/signing-keys`.

use axum::{Json, extract::State as Shared, response::IntoResponse};
use headwater_meta::{Command, Outcome, SigningKeyRecord, State};
use headwater_types::{
    NamespaceId, Redacted,
    api::{CreatedSigningKey, Page, Revoked, SigningKeyInfo},
    signing::{SigningKey, SigningKeyId},
};
use http::{StatusCode, header};
use std::sync::Arc;

use super::{
    AdminApi,
    auth::Caller,
    confirm::RevokeQuery,
    convert,
    error::{ApiError, ApiResult},
    input::{NoQuery, Params, Segments},
    metadata::{self, Change, unexpected},
    paging::{self, Paging},
};

/// Lists the signing keys of a namespace; there are at most two.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/signing-keys", tag = "signing keys", operation_id = "list_signing_keys",
    params(("ns" = String, Path, description = "The namespace's name"), Paging),
    responses((status = 200, description = "A page", body = Page<SigningKeyInfo>)))]
pub async fn list(
    Shared(api): Shared<Arc<AdminApi>>,
    Segments(name): Segments<String>,
    Params(query): Params<Paging>,
) -> ApiResult<Json<Page<SigningKeyInfo>>> {
    let limit = paging::limit(query.limit)?;
    let after = paging::from_cursor(query.cursor.as_deref())?.unwrap_or_default();
    let state = api.read(query.stale).await?;
    let namespace = metadata::namespace(&state, &name)?;
    let records = of(&state, namespace.id).filter(|record| record.id.0.as_ref() > after.as_str());
    let items = records.map(|record| (record.id.to_string(), convert::signing_key(record, name.clone())));
    Ok(Json(paging::page(items, limit)))
}

/// Makes a signing key, without a body. The answer is the only one that has its secret. A namespace has at most two, so
/// that one can follow the other.
#[utoipa::path(post, path = "/v1/namespaces/{ns}/signing-keys", tag = "signing keys", operation_id = "create_signing_key",
    params(("ns" = String, Path, description = "The namespace's name")),
    responses(
        (status = 201, description = "Made; to be saved as the file that `Content-Disposition` names", body = CreatedSigningKey),
        (status = 409, description = "`too_many`: there are two")))]
pub async fn create(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments(name): Segments<String>,
    Params(NoQuery {}): Params<NoQuery>,
) -> ApiResult {
    let state = api.read(false).await?;
    let namespace = metadata::namespace(&state, &name)?.id;
    let key = SigningKey::generate(&*api.rng);
    let change = Change {
        action: "signing_key.create",
        target: format!("{name}/{}", key.id),
        before: None,
        after: None,
    };
    let command = Command::CreateSigningKey { id: key.id.clone(), namespace, secret: Redacted(key.reveal()) };
    let applied = api.change(&caller, change, command).await?;
    let Outcome::SigningKey(record) = applied.outcome else { return Err(unexpected(&applied.outcome)) };
    let file = format!("attachment; filename=\"headwater-{name}-signing-{}.json\"", record.id);
    let headers = [(header::CONTENT_DISPOSITION, file), (header::CACHE_CONTROL, "no-store".to_owned())];
    let document = CreatedSigningKey { secret: key.reveal(), key: convert::signing_key(&record, name) };
    Ok((StatusCode::CREATED, headers, Json(document)).into_response())
}

/// Revokes a signing key: what it signed is refused. Waits until all frontends that are known have
/// confirmed it; repeating it is safe.
#[utoipa::path(delete, path = "/v1/namespaces/{ns}/signing-keys/{id}", tag = "signing keys", operation_id = "revoke_signing_key",
    params(("ns" = String, Path, description = "The namespace's name"), ("id" = String, Path, description = "The key's id"),
        RevokeQuery),
    responses((status = 200, description = "Revoked, and which frontends refuse it already", body = Revoked)))]
pub async fn revoke(
    Shared(api): Shared<Arc<AdminApi>>,
    caller: Caller,
    Segments((name, id)): Segments<(String, String)>,
    Params(query): Params<RevokeQuery>,
) -> ApiResult {
    let wait = query.wait()?;
    let state = api.read(false).await?;
    let namespace = metadata::namespace(&state, &name)?.id;
    let key = SigningKeyId(id.as_str().into());
    let record = of(&state, namespace).find(|record| record.id == key);
    if record.is_none() && !state.revoked_signing_keys.contains(&key) {
        let id: String = id.chars().take(64).collect();
        return Err(ApiError::absent(format_args!("signing key {id:?} here")));
    }
    let change = Change {
        action: "signing_key.revoke",
        target: format!("{name}/{id}"),
        before: record.and_then(|record| convert::audited(&convert::signing_key(record, name))),
        after: None,
    };
    let applied = api.change(&caller, change, Command::RevokeSigningKey { id: key }).await?;
    Ok(api.confirmed(id, applied.version, wait).await)
}

fn of(state: &State, namespace: NamespaceId) -> impl Iterator<Item = &Arc<SigningKeyRecord>> {
    state.signing_keys.values().filter(move |record| record.namespace == namespace)
}
