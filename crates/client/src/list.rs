//! Listing objects.

use futures_util::{Stream, TryStreamExt, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::{
    client::Client,
    error::{Error, stuck},
    transport::{Call, read_bounded},
};

/// Bytes of a page: 1,000 objects with the longest keys are far fewer.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// A page of a listing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listing {
    /// In byte order of names.
    pub objects: Vec<ListedObject>,
    /// Folded prefixes, where a delimiter was asked for.
    pub prefixes: Vec<String>,
    /// Where the next page begins; `None` on the last one.
    pub cursor: Option<String>,
}

/// One object of a listing.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// Everything below a prefix, over all pages. For very many objects use [`Self::list_stream`].
    pub async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        self.collect(prefix, false).await
    }

    /// As [`Self::list`], with what lies behind the next `/` folded into prefixes, like a directory.
    pub async fn list_folder(&self, prefix: &str) -> Result<Listing, Error> {
        self.collect(prefix, true).await
    }

    /// Every object below a prefix, page by page as it is asked for.
    ///
    /// ```no_run
    /// # async fn example(client: headwater_client::Client) -> Result<(), headwater_client::Error> {
    /// use futures_util::{TryStreamExt, pin_mut};
    /// let objects = client.list_stream("channel/");
    /// pin_mut!(objects);
    /// while let Some(object) = objects.try_next().await? {
    ///     println!("{} {}", object.size, object.name);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn list_stream(&self, prefix: &str) -> impl Stream<Item = Result<ListedObject, Error>> + Send + '_ {
        let prefix = prefix.to_owned();
        let pages = stream::try_unfold(Some(None), move |from: Option<Option<String>>| {
            let prefix = prefix.clone();
            async move {
                let Some(cursor) = from else { return Ok(None) };
                let page = self.list_page(&prefix, cursor.as_deref()).await?;
                let objects = stream::iter(page.objects.into_iter().map(Ok));
                Ok::<_, Error>(Some((objects, page.cursor.map(Some))))
            }
        });
        pages.try_flatten()
    }

    /// One page: at most 1,000 objects, from a cursor on.
    pub async fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<Listing, Error> {
        self.page(prefix, false, cursor).await
    }

    async fn collect(&self, prefix: &str, folded: bool) -> Result<Listing, Error> {
        let mut all = self.page(prefix, folded, None).await?;
        while let Some(cursor) = all.cursor.take() {
            let mut page = self.page(prefix, folded, Some(&cursor)).await?;
            all.objects.append(&mut page.objects);
            all.prefixes.append(&mut page.prefixes);
            all.cursor = page.cursor;
        }
        Ok(all)
    }

    async fn page(&self, prefix: &str, folded: bool, cursor: Option<&str>) -> Result<Listing, Error> {
        let mut url = self.base();
        // Not `query_pairs_mut`: it writes a space as `+`, which is a plus to the origin.
        let mut query = format!("list&prefix={}", utf8_percent_encode(prefix, NON_ALPHANUMERIC));
        if folded {
            query.push_str("&delimiter=/");
        }
        if let Some(cursor) = cursor {
            query.push_str(&format!("&cursor={}", utf8_percent_encode(cursor, NON_ALPHANUMERIC)));
        }
        url.set_query(Some(&query));
        let response = self.transport().call(Call::new(Method::GET, url)).await?;
        let body = read_bounded(response, PAGE_BYTES_MAX, self.transport().idle_timeout).await?;
        let malformed = |e| Error::Answer(format!("the listing is malformed: {e}"));
        let page: Listing = serde_json::from_slice(&body).map_err(malformed)?;
        if page.cursor.is_some() && page.cursor.as_deref() == cursor {
            return Err(stuck());
        }
        Ok(page)
    }
}
