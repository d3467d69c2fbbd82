//! Listings that come in pages.

use futures_util::{Stream, TryStreamExt, stream};
use headwater_types::api::Page;
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

use super::Admin;
use crate::{
    error::{Error, stuck},
    transport::Call,
};

/// A listing that has not been asked for: take all of it, a stream of it, or a page.
///
/// ```no_run
/// # async fn example(admin: headwater_client::Admin) -> Result<(), headwater_client::Error> {
/// for namespace in admin.namespaces("live").all().await? {
///     println!("{}", namespace.name);
/// }
/// # Ok(()) }
/// ```
#[must_use = "nothing is asked for before `all`, `stream` or `page`"]
pub struct Paged<'a, T> {
    admin: &'a Admin,
    url: Result<Url, String>,
    limit: Option<usize>,
    items: PhantomData<fn() -> T>,
}

impl<'a, T: DeserializeOwned + Send + 'a> Paged<'a, T> {
    pub(super) fn new(admin: &'a Admin, url: Result<Url, Error>, query: &[(&str, &str)]) -> Self {
        let url = url.map_err(|e| e.to_string()).map(|mut url| {
            let given = query.iter().filter(|(_, value)| !value.is_empty());
            for (name, value) in given {
                url.query_pairs_mut().append_pair(name, value);
            }
            url
        });
        Self { admin, url, limit: None, items: PhantomData }
    }

    /// Items of a page; the server's default otherwise.
    pub fn limit(mut self, items: usize) -> Self {
        self.limit = Some(items);
        self
    }

    /// One page, from a cursor on.
    pub async fn page(&self, cursor: Option<&str>) -> Result<Page<T>, Error> {
        let mut url = self.url.clone().map_err(Error::Url)?;
        if let Some(limit) = self.limit {
            url.query_pairs_mut().append_pair("limit", &limit.to_string());
        }
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let response = self.admin.transport.call(Call::new(Method::GET, url)).await?;
        let page: Page<T> = self.admin.decode(response).await?;
        if page.cursor.is_some() && page.cursor.as_deref() == cursor {
            return Err(stuck());
        }
        Ok(page)
    }

    /// Every item, page by page as it is asked for.
    pub fn stream(self) -> impl Stream<Item = Result<T, Error>> + Send + 'a {
        let first = Some((self, None::<String>));
        let pages = stream::try_unfold(first, |state| async move {
            let Some((paged, cursor)) = state else { return Ok(None) };
            let page = paged.page(cursor.as_deref()).await?;
            let items = stream::iter(page.items.into_iter().map(Ok));
            Ok::<_, Error>(Some((items, page.cursor.map(|cursor| (paged, Some(cursor))))))
        });
        pages.try_flatten()
    }

    /// Every item.
    pub async fn all(self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let mut page = self.page(cursor.as_deref()).await?;
            all.append(&mut page.items);
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }
}
