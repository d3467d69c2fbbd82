//! The client, and reading with it.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use headwater_types::{NamespaceName, ObjectKey};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header::HeaderMap};
use std::{fmt, time::Duration};

use crate::{
    error::{Error, check},
    put::Put,
};

/// A namespace of an origin, as one API key sees it. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: String,
}

impl Client {
    /// A client of `namespace` at `origin` (`http://host:port`) with an API key.
    pub fn new(origin: &str, namespace: &str, api_key: &str) -> Result<Self, Error> {
        let namespace = NamespaceName::parse(namespace).map_err(|e| Error::Url(e.to_string()))?;
        let base = format!("{}/cache/{namespace}", origin.trim_end_matches('/'));
        let base = Url::parse(&base).map_err(|e| Error::Url(format!("{base:?} is no URL: {e}")))?;
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, base, key: api_key.to_owned() })
    }

    /// Begins a PUT; [`Put::send`] sends it.
    pub fn put(&self, key: &str, body: impl Into<reqwest::Body>) -> Put<'_> {
        Put::new(self, key, body.into())
    }

    /// Reads an object; its body is streamed.
    pub async fn get(&self, key: &str) -> Result<Object, Error> {
        let response = check(self.request(Method::GET, self.url(key)?).send().await?).await?;
        Ok(Object(response))
    }

    /// Reads an object's headers; `None` if there is no such object.
    pub async fn head(&self, key: &str) -> Result<Option<HeaderMap>, Error> {
        let response = self.request(Method::HEAD, self.url(key)?).send().await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(check(response).await?.headers().clone()))
    }

    /// Deletes an object; deleting what is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        check(self.request(Method::DELETE, self.url(key)?).send().await?).await.map(drop)
    }

    /// The URL of an object.
    pub fn url(&self, key: &str) -> Result<Url, Error> {
        let key = ObjectKey::parse(key).map_err(|e| Error::Url(e.to_string()))?;
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Url("the origin cannot carry a path".into()))?
            .extend(key.as_str().split('/'));
        Ok(url)
    }

    pub(crate) fn base(&self) -> Url {
        self.base.clone()
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url).bearer_auth(&self.key)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}, key redacted)", self.base)
    }
}

/// An object that is being read.
#[derive(Debug)]
pub struct Object(Response);

impl Object {
    /// The answer's headers.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The whole body. An error means that it was cut: what came before is not the object.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        Ok(self.0.bytes().await?)
    }

    /// The body as it arrives.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, Error>> {
        self.0.bytes_stream().map_err(Error::from)
    }
}
