//! `/v1/shards`.

use axum::{Json, extract::State as Shared};
use headwater_types::{
    ShardId,
    api::{Page, Shard},
};
use serde::Deserialize;
use std::{ops::Bound, sync::Arc};
use utoipa::{IntoParams, ToSchema};

use super::{
    AdminApi, convert,
    error::{ApiError, ApiResult},
    input::Params,
    paging,
};

/// Which shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateFilter {
    /// With at least two members in sync.
    Healthy,
    /// With fewer.
    Degraded,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShardsQuery {
    /// Only shards of this state.
    #[param(inline)]
    state: Option<StateFilter>,
    /// At most so many items: 1 to 1000, by default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `cursor` of the page before.
    cursor: Option<String>,
    /// Answer from this process's copy of the metadata, also without a quorum.
    #[serde(default)]
    stale: bool,
}

/// Lists shards in the order of their ids; none before there is a map.
#[utoipa::path(get, path = "/v1/shards", tag = "cluster", operation_id = "list_shards", params(ShardsQuery),
    responses((status = 200, description = "A page", body = Page<Shard>)))]
pub async fn list(
    Shared(api): Shared<Arc<AdminApi>>,
    Params(query): Params<ShardsQuery>,
) -> ApiResult<Json<Page<Shard>>> {
    let limit = paging::limit(query.limit)?;
    let shard = |id| u16::try_from(id).ok().and_then(ShardId::new);
    let after = match paging::number_cursor(query.cursor.as_deref())?.map(shard) {
        None => Bound::Unbounded,
        Some(Some(id)) => Bound::Excluded(id),
        Some(None) => return Err(ApiError::invalid("cursor", "is not one that a page gave")),
    };
    let state = api.read(query.stale).await?;
    let wanted =
        |degraded: bool| query.state.is_none_or(|state| (state == StateFilter::Degraded) == degraded);
    let entries = state.shards.range((after, Bound::Unbounded));
    let items = entries
        .filter(|(_, entry)| wanted(convert::is_degraded(entry)))
        .map(|(id, entry)| (id.to_string(), convert::shard(*id, entry)));
    Ok(Json(paging::page(items, limit)))
}
