//! The admin plane: namespaces, keys, the cluster.
//!
//! Every method is one route of the admin API; what it answers with is described in [`crate::api`].

mod cluster;
mod keys;
mod namespaces;
mod objects;
mod paged;

pub use keys::Scope;
pub use namespaces::Deleted;
pub use paged::Paged;

use reqwest::{
    Method, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderName, IF_MATCH},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, time::Duration};

use crate::{
    body::Body,
    builder::Builder,
    client::segments,
    error::Error,
    transport::{Call, Transport, read_bounded},
};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The admin plane, as one admin token sees it. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Admin {
    transport: Transport,
    base: Url,
    stale: bool,
}

/// A call that is being put together.
struct AdminCall<'a> {
    admin: &'a Admin,
    call: Result<Call, Error>,
}

impl Admin {
    /// The admin plane at `url` (`http://host:port`) with an admin token and the default timeouts and retries.
    pub fn new(url: &str, token: &str) -> Result<Self, Error> {
        Self::builder().admin(url, token)
    }

    /// Other timeouts and retries.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn with(base: Url, transport: Transport) -> Self {
        Self { transport, base, stale: false }
    }

    /// Whether reads are answered from the server's own copy of the metadata, also without a quorum, instead of as of
    /// now. Not [`Self::meta`] and [`Self::audit`], which need no quorum, nor anything that changes.
    ///
    /// ```no_run
    /// # async fn example(admin: headwater_client::Admin) -> Result<(), headwater_client::Error> {
    /// let last_known = admin.clone().stale(true).namespace("live-origin").await?;
    /// # Ok(()) }
    /// ```
    pub fn stale(mut self, stale: bool) -> Self {
        self.stale = stale;
        self
    }

    /// The URL of `/v1` and these segments below it.
    fn url(&self, path: &[&str]) -> Result<Url, Error> {
        // Such segments vanish from a URL: deleting `..` must not become deleting what is above.
        if let Some(wrong) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            return Err(Error::Url(format!("{wrong:?} is no name")));
        }
        let mut url = self.base.clone();
        segments(&mut url, std::iter::once("v1").chain(path.iter().copied()))?;
        Ok(url)
    }

    fn call(&self, method: Method, path: &[&str]) -> AdminCall<'_> {
        AdminCall { admin: self, call: self.url(path).map(|url| Call::new(method, url)) }
    }

    /// A read of one document, which may be stale.
    fn look(&self, path: &[&str]) -> AdminCall<'_> {
        let stale = [("stale", self.stale.to_string())];
        self.call_with(Method::GET, path, &stale[..usize::from(self.stale)])
    }

    /// A call with query parameters, which are plain words and numbers.
    fn call_with(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> AdminCall<'_> {
        let url = self.url(path).map(|mut url| {
            for (name, value) in query {
                url.query_pairs_mut().append_pair(name, value);
            }
            url
        });
        AdminCall { admin: self, call: url.map(|url| Call::new(method, url)) }
    }

    fn paged<'a, T>(&'a self, path: &[&str], query: &[(&str, &str)]) -> Paged<'a, T>
    where
        T: DeserializeOwned + Send + 'a,
    {
        let mut query = query.to_vec();
        if self.stale {
            query.push(("stale", "true"));
        }
        Paged::new(self, self.url(path), &query)
    }
}

impl AdminCall<'_> {
    fn json(self, document: &impl Serialize) -> Self {
        self.body("application/json", document)
    }

    fn merge_patch(self, document: &impl Serialize) -> Self {
        self.body("application/merge-patch+json", document)
    }

    fn body(self, content_type: &str, document: &impl Serialize) -> Self {
        let json = serde_json::to_vec(document).map_err(|e| Error::Url(e.to_string()));
        let call = self.call.and_then(|call| {
            let call = call.header(CONTENT_TYPE, content_type)?;
            Ok(call.body(Body::from(json?), None))
        });
        Self { call, ..self }
    }

    fn header(self, name: HeaderName, value: &str) -> Self {
        let call = self.call.and_then(|call| call.header(name, value));
        Self { call, ..self }
    }

    /// It may take so long without a sign of life.
    fn patient(self, wait: Duration) -> Self {
        Self { call: self.call.map(|call| call.patient(wait)), ..self }
    }

    /// Doing it twice would do harm: after an unknown outcome it is left to the caller.
    fn not_repeatable(self) -> Self {
        Self { call: self.call.map(Call::not_repeatable), ..self }
    }

    /// Only if the document still has this version.
    fn if_version(self, version: Option<u64>) -> Self {
        match version {
            Some(version) => {
                // After an unknown outcome the second call would be refused by what the first one did.
                self.header(IF_MATCH, &format!("\"{version}\"")).not_repeatable()
            }
            None => self,
        }
    }

    async fn answer(self) -> Result<Response, Error> {
        self.admin.transport.call(self.call?).await
    }

    async fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        let admin = self.admin;
        admin.decode(self.answer().await?).await
    }

    /// The document of the answer; `None` if it has none.
    async fn read_if_any<T: DeserializeOwned>(self) -> Result<Option<T>, Error> {
        let admin = self.admin;
        let response = self.answer().await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        admin.decode(response).await.map(Some)
    }

    async fn done(self) -> Result<(), Error> {
        self.answer().await.map(drop)
    }
}

impl Admin {
    async fn decode<T: DeserializeOwned>(&self, response: Response) -> Result<T, Error> {
        let path = response.url().path().to_owned();
        let body = read_bounded(response, ANSWER_BYTES_MAX, self.transport.idle_timeout).await?;
        serde_json::from_slice(&body).map_err(|e| {
            Error::Answer(format!("{path} did not answer as the admin plane of a Headwater does: {e}"))
        })
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Admin({}, token redacted)", self.base)
    }
}
