//! `/v1/audit`.

use axum::{Json, extract::State as Shared};
use headwater_types::api::{AuditEntry, Page};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use super::{AdminApi, error::ApiResult, input::Params, paging};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// At most so many items: 1 to 1000, by default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `cursor` of the page before.
    cursor: Option<String>,
}

/// The last changes that were made through this process, newest first: at most 1,000, none from before its start. The
/// audit file has them all. A change whose outcome is not known has `.unknown` at the end of its action.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", operation_id = "list_audit", params(AuditQuery),
    responses((status = 200, description = "A page", body = Page<AuditEntry>)))]
pub async fn list(
    Shared(api): Shared<Arc<AdminApi>>,
    Params(query): Params<AuditQuery>,
) -> ApiResult<Json<Page<AuditEntry>>> {
    let limit = paging::limit(query.limit)?;
    let entries = api.audit.before(paging::number_cursor(query.cursor.as_deref())?);
    Ok(Json(paging::page(entries.map(|(number, entry)| (number.to_string(), entry)), limit)))
}
