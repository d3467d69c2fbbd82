//! `/v1/namespaces/{ns}/channels`: the playlists among the objects.

use axum::{Json, extract::State as Shared};
use headwater_proto::ListEntry;
use headwater_types::{
    MediaClass, UnixMillis,
    api::{Channel, Page},
    rfc3339,
};
use std::{sync::Arc, time::Duration};

use super::{
    AdminApi,
    error::ApiResult,
    input::{Params, Segments},
    listing::Listing,
    metadata, paging,
    paging::{PAGE_MAX, Paging},
};

/// Pages of objects that one request looks through.
const PAGES_MAX: usize = 20;
/// When a request looks at no further page: clients wait longer than this and one page.
const LOOK_MAX: Duration = Duration::from_secs(15);

/// Lists the live playlists of a namespace, HLS and DASH, with their age. A page may have fewer
/// items than the limit and still a cursor: a request looks at up to 20,000 objects, and
/// for up to 20 s.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/channels", tag = "objects", operation_id = "list_channels",
    params(("ns" = String, Path, description = "The namespace's name"), Paging),
    responses((status = 200, description = "A page", body = Page<Channel>)))]
pub async fn list(
    Shared(api): Shared<Arc<AdminApi>>,
    Segments(name): Segments<String>,
    Params(query): Params<Paging>,
) -> ApiResult<Json<Page<Channel>>> {
    let limit = paging::limit(query.limit)?;
    let after = paging::from_cursor(query.cursor.as_deref())?;
    let state = api.read(query.stale).await?;
    let record = metadata::namespace(&state, &name)?;
    let (namespace, stale_after) = (record.id, record.settings.stale_after);
    let (now, until) = (api.clock.unix_millis(), api.clock.monotonic() + LOOK_MAX);
    let mut listing = Listing { after, limit: PAGE_MAX, ..Listing::default() };
    let mut channels = Page { items: Vec::new(), cursor: None };
    for _ in 0..PAGES_MAX {
        let page = api.objects(namespace, &listing).await?;
        for entry in &page.entries {
            if let Some(channel) = channel(entry, now, stale_after) {
                if channels.items.len() == limit {
                    channels.cursor = listing.after.as_deref().map(paging::to_cursor);
                    return Ok(Json(channels));
                }
                channels.items.push(channel);
            }
            listing.after = Some(entry.name.clone());
        }
        if !page.more {
            return Ok(Json(channels));
        }
        if api.clock.monotonic() >= until {
            break;
        }
    }
    channels.cursor = listing.after.as_deref().map(paging::to_cursor);
    Ok(Json(channels))
}

fn channel(entry: &ListEntry, now: UnixMillis, stale_after: u32) -> Option<Channel> {
    let meta = entry.meta.as_ref()?;
    let age_ms = now.millis_since(meta.stored_at);
    (meta.class == MediaClass::Playlist).then(|| Channel {
        playlist: entry.name.clone(),
        age_ms,
        size: meta.size,
        updated_at: rfc3339::format(meta.stored_at),
        stale: age_ms > u64::from(stale_after) * 1000,
    })
}
