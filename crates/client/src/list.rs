//! Listing objects.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::Deserialize;

use crate::{
    client::Client,
    error::{Error, check},
};

/// A page of a listing.
#[derive(Debug, Clone, Deserialize)]
pub struct Listing {
    /// In byte order of names.
    pub objects: Vec<ListedObject>,
    /// Folded prefixes, where a delimiter was asked for.
    pub prefixes: Vec<String>,
    /// Where the next page begins; `None` on the last one.
    pub cursor: Option<String>,
}

/// One object of a listing.
#[derive(Debug, Clone, Deserialize)]
pub struct ListedObject {
    /// Its key.
    pub name: String,
    /// Stored bytes.
    pub size: u64,
    /// Entity tag, with its quotes.
    pub etag: String,
    /// Content-Type.
    pub content_type: String,
    /// When it was stored, RFC 3339 in UTC.
    pub last_modified: String,
    /// When its TTL ends, RFC 3339 in UTC.
    pub expires_at: String,
    /// Where its bytes are: `hot`, `disk` or `s3`.
    pub tier: String,
}

impl Client {
    /// Everything below a prefix, over all pages.
    pub async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        let mut all = self.list_page(prefix, None).await?;
        while let Some(cursor) = all.cursor.take() {
            let mut page = self.list_page(prefix, Some(&cursor)).await?;
            all.objects.append(&mut page.objects);
            all.prefixes.append(&mut page.prefixes);
            all.cursor = page.cursor;
        }
        Ok(all)
    }

    /// One page: at most 1,000 objects, from a cursor on.
    pub async fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<Listing, Error> {
        let mut url = self.base();
        // Not `query_pairs_mut`: it writes a space as `+`, which is a plus to the origin.
        let mut query = format!("list&prefix={}", utf8_percent_encode(prefix, NON_ALPHANUMERIC));
        if let Some(cursor) = cursor {
            query.push_str(&format!("&cursor={}", utf8_percent_encode(cursor, NON_ALPHANUMERIC)));
        }
        url.set_query(Some(&query));
        let response = check(self.request(Method::GET, url).send().await?).await?;
        Ok(response.json().await?)
    }
}
