//! The client of the data plane, and reading with it.

use headwater_types::{NamespaceName, ObjectKey};
use reqwest::{
    Method, StatusCode, Url,
    header::{HeaderMap, IF_NONE_MATCH, RANGE},
};
use std::{
    fmt,
    ops::{Bound, RangeBounds},
};

use crate::{
    body::Body,
    builder::{Builder, parse_base},
    error::Error,
    object::Object,
    put::Put,
    transport::{Call, Transport},
};

/// A namespace of an origin, as one API key sees it. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    base: Url,
}

/// The URL of a namespace.
pub(crate) fn base(origin: &str, namespace: &str) -> Result<Url, Error> {
    let namespace = NamespaceName::parse(namespace).map_err(|e| Error::Url(e.to_string()))?;
    let mut url = parse_base(origin)?;
    segments(&mut url, ["cache", namespace.as_str()])?;
    Ok(url)
}

/// The URL of an object.
pub(crate) fn object_url(base: &Url, key: &str) -> Result<Url, Error> {
    let key = ObjectKey::parse(key).map_err(|e| Error::Url(e.to_string()))?;
    let mut url = base.clone();
    segments(&mut url, key.as_str().split('/'))?;
    Ok(url)
}

/// Appends segments to a path, each percent-encoded.
pub(crate) fn segments<'a>(url: &mut Url, path: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    let base = url.path_segments_mut();
    let mut base = base.map_err(|()| Error::Url("the origin's URL cannot carry a path".into()))?;
    base.pop_if_empty().extend(path);
    Ok(())
}

impl Client {
    /// A client of `namespace` at `origin` (`http://host:port`) with an API key and the default timeouts and retries.
    pub fn new(origin: &str, namespace: &str, api_key: &str) -> Result<Self, Error> {
        Self::builder().client(origin, namespace, api_key)
    }

    /// Other timeouts and retries.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn with(base: Url, transport: Transport) -> Self {
        Self { transport, base }
    }

    /// Begins a PUT; [`Put::send`] sends it.
    pub fn put(&self, key: &str, body: impl Into<Body>) -> Put<'_> {
        Put::new(self, key, body.into())
    }

    /// Reads an object; its body is streamed.
    pub async fn get(&self, key: &str) -> Result<Object, Error> {
        self.read(Call::new(Method::GET, self.url(key)?)).await
    }

    /// Reads bytes `range` of an object, counted from 0. What lies wholly outside is refused with 416.
    ///
    /// ```no_run
    /// # async fn example(client: headwater_client::Client) -> Result<(), headwater_client::Error> {
    /// let first_packet = client.get_range("channel/segment_00001.ts", ..188).await?.bytes().await?;
    /// # Ok(()) }
    /// ```
    pub async fn get_range(&self, key: &str, range: impl RangeBounds<u64>) -> Result<Object, Error> {
        let empty = || Error::Url("the range is empty".into());
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.checked_add(1).ok_or_else(empty)?,
            Bound::Unbounded => 0,
        };
        let last = match range.end_bound() {
            Bound::Included(last) => Some(*last),
            Bound::Excluded(end) => Some(end.checked_sub(1).ok_or_else(empty)?),
            Bound::Unbounded => None,
        };
        if last.is_some_and(|last| last < first) {
            return Err(empty());
        }
        let bytes = format!("bytes={first}-{}", last.map(|last| last.to_string()).unwrap_or_default());
        self.read(Call::new(Method::GET, self.url(key)?).header(RANGE, &bytes)?).await
    }

    /// Reads the last `count` bytes of an object, or all of a shorter one.
    pub async fn get_suffix(&self, key: &str, count: u64) -> Result<Object, Error> {
        self.read(Call::new(Method::GET, self.url(key)?).header(RANGE, &format!("bytes=-{count}"))?).await
    }

    /// Reads an object unless it still has this entity tag; `None` if it has.
    pub async fn get_if_changed(&self, key: &str, etag: &str) -> Result<Option<Object>, Error> {
        let call = Call::new(Method::GET, self.url(key)?).header(IF_NONE_MATCH, etag)?;
        let response = self.transport.call(call).await?;
        let unchanged = response.status() == StatusCode::NOT_MODIFIED;
        Ok((!unchanged).then(|| Object::new(response, self.transport.idle_timeout)))
    }

    async fn read(&self, call: Call) -> Result<Object, Error> {
        Ok(Object::new(self.transport.call(call).await?, self.transport.idle_timeout))
    }

    /// Reads an object's headers; `None` if there is no such object.
    pub async fn head(&self, key: &str) -> Result<Option<HeaderMap>, Error> {
        match self.transport.call(Call::new(Method::HEAD, self.url(key)?)).await {
            Ok(response) => Ok(Some(response.headers().clone())),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object; deleting what is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.transport.call(Call::new(Method::DELETE, self.url(key)?)).await.map(drop)
    }

    /// The URL of an object.
    pub fn url(&self, key: &str) -> Result<Url, Error> {
        object_url(&self.base, key)
    }

    pub(crate) fn base(&self) -> Url {
        self.base.clone()
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}, key redacted)", self.base)
    }
}
