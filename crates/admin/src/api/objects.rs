//! `/v1/namespaces/{ns}/objects`.

use axum::{Json, extract::State as Shared};
use headwater_types::{
    ObjectMeta,
    api::{ObjectInfo, ObjectPage},
    limits::KEY_BYTES_MAX,
    rfc3339,
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use super::{
    AdminApi,
    error::{ApiError, ApiResult},
    input::{Params, Segments},
    listing::Listing,
    metadata, paging,
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ObjectsQuery {
    /// Only keys that begin so.
    prefix: Option<String>,
    /// `/` folds what goes on with one behind the prefix into `prefixes`.
    delimiter: Option<String>,
    /// At most so many items: 1 to 1000, by default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `cursor` of the page before.
    cursor: Option<String>,
    /// Find the namespace in this process's copy of the metadata, also without a quorum.
    #[serde(default)]
    stale: bool,
}

/// Lists objects in byte order of their keys, over all shards.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/objects", tag = "objects", operation_id = "list_objects",
    params(("ns" = String, Path, description = "The namespace's name"), ObjectsQuery),
    responses((status = 200, description = "A page", body = ObjectPage)))]
pub async fn list(
    Shared(api): Shared<Arc<AdminApi>>,
    Segments(name): Segments<String>,
    Params(query): Params<ObjectsQuery>,
) -> ApiResult<Json<ObjectPage>> {
    let fold = match query.delimiter.as_deref() {
        None | Some("") => false,
        Some("/") => true,
        Some(_) => return Err(ApiError::invalid("delimiter", "must be `/`")),
    };
    let listing = Listing {
        prefix: checked_prefix(query.prefix)?,
        fold,
        after: paging::from_cursor(query.cursor.as_deref())?,
        limit: paging::limit(query.limit)?,
    };
    let state = api.read(query.stale).await?;
    let page = api.objects(metadata::namespace(&state, &name)?.id, &listing).await?;
    let mut document = ObjectPage { items: Vec::new(), prefixes: Vec::new(), cursor: None };
    if page.more {
        document.cursor = page.entries.last().map(|entry| paging::to_cursor(&entry.name));
    }
    for entry in page.entries {
        match entry.meta {
            None => document.prefixes.push(entry.name),
            Some(meta) => document.items.push(object(entry.name, &meta)),
        }
    }
    Ok(Json(document))
}

/// A prefix of keys that is no longer than any key.
pub fn checked_prefix(given: Option<String>) -> ApiResult<String> {
    let prefix = given.unwrap_or_default();
    if prefix.len() > KEY_BYTES_MAX {
        let why = format!("has {} bytes, at most {KEY_BYTES_MAX} are allowed", prefix.len());
        return Err(ApiError::invalid("prefix", why));
    }
    Ok(prefix)
}

fn object(name: String, meta: &ObjectMeta) -> ObjectInfo {
    ObjectInfo {
        name,
        size: meta.size,
        etag: meta.digest.to_etag(),
        content_type: meta.attributes.content_type.to_string(),
        last_modified: rfc3339::format(meta.stored_at),
        expires_at: rfc3339::format(meta.expires_at),
        // Objects live in memory only, so far.
        tier: "hot".to_owned(),
    }
}
