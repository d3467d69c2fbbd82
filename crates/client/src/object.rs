//! An object that is being read.

use bytes::Bytes;
use futures_util::{Stream, stream};
use reqwest::{
    Response,
    header::{ETAG, HeaderMap},
};
use std::time::Duration;

use crate::{error::Error, transport::chunk};

/// An object that is being read.
#[derive(Debug)]
pub struct Object {
    response: Response,
    idle: Duration,
}

impl Object {
    pub(crate) fn new(response: Response, idle: Duration) -> Self {
        Self { response, idle }
    }

    /// The answer's headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Bytes that will come; `None` while the object is still arriving at the origin itself.
    pub fn content_length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The entity tag, with its quotes; `None` while the object is still arriving at the origin itself.
    pub fn etag(&self) -> Option<&str> {
        self.headers().get(ETAG)?.to_str().ok()
    }

    /// The next bytes; `None` at the end. An error means that the body was cut: what came before is not the object.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        chunk(&mut self.response, self.idle).await
    }

    /// The whole body. An error means that it was cut: what came before is not the object.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut all = [first, second].concat();
        while let Some(piece) = self.chunk().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    /// The body as it arrives. It ends after the first error.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        stream::unfold(Some(self), |object| async move {
            let mut object = object?;
            match object.chunk().await {
                Ok(piece) => Some((Ok(piece?), Some(object))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}
