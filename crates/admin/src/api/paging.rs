//! Pages of listings: a limit and an opaque cursor, the name after which the next page goes on.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use headwater_types::api::Page;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::{ApiError, ApiResult};

/// Most items of a page.
pub const PAGE_MAX: usize = 1000;
/// Items of a page where the request does not say.
pub const PAGE_DEFAULT: usize = 100;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// At most so many items: 1 to 1000, by default 100.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// `cursor` of the page before.
    pub cursor: Option<String>,
    /// Answer from this process's copy of the metadata, also without a quorum.
    #[serde(default)]
    pub stale: bool,
}

/// How one document is read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StaleQuery {
    /// Answer from this process's copy of the metadata, also without a quorum.
    #[serde(default)]
    pub stale: bool,
}

/// The limit of a page.
pub fn limit(given: Option<usize>) -> ApiResult<usize> {
    match given {
        None => Ok(PAGE_DEFAULT),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(ApiError::invalid("limit", format_args!("{limit} is not within 1 to {PAGE_MAX}"))),
    }
}

/// The cursor that goes on after `name`.
pub fn to_cursor(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// The name after which a cursor goes on.
pub fn from_cursor(cursor: Option<&str>) -> ApiResult<Option<String>> {
    let decode = |cursor: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
        bytes.and_then(|bytes| String::from_utf8(bytes).ok())
    };
    cursor
        .map(|cursor| {
            decode(cursor).ok_or_else(|| ApiError::invalid("cursor", "is not one that a page gave"))
        })
        .transpose()
}

/// The number after which a cursor goes on.
pub fn number_cursor(cursor: Option<&str>) -> ApiResult<Option<u64>> {
    let name = from_cursor(cursor)?;
    name.map(|name| name.parse().map_err(|_| ApiError::invalid("cursor", "is not one that a page gave")))
        .transpose()
}

/// One page of items that begin after the cursor.
pub fn page<T>(items: impl Iterator<Item = (String, T)>, limit: usize) -> Page<T> {
    let mut items = items.peekable();
    let mut page = Page { items: Vec::new(), cursor: None };
    let mut last = None;
    while page.items.len() < limit
        && let Some((name, item)) = items.next()
    {
        page.items.push(item);
        last = Some(name);
    }
    if items.peek().is_some() {
        page.cursor = last.as_deref().map(to_cursor);
    }
    page
}
