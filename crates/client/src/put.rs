//! Writing an object.

use reqwest::{
    Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH},
};
use std::{fmt, sync::Arc};

use crate::{
    body::{Body, Progress},
    client::Client,
    error::Error,
    transport::Call,
};

/// A PUT that has not been sent.
#[must_use = "nothing is written before `send`"]
pub struct Put<'a> {
    client: &'a Client,
    key: String,
    body: Body,
    ttl_seconds: Option<u64>,
    headers: Vec<(HeaderName, String)>,
    conditional: bool,
    progress: Option<Progress>,
}

/// What a PUT did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOutcome {
    /// There was no such object before.
    pub created: bool,
    /// The entity tag of what is stored; `None` for an empty probe, which stores nothing.
    pub etag: Option<String>,
}

impl<'a> Put<'a> {
    pub(crate) fn new(client: &'a Client, key: &str, body: Body) -> Self {
        Self {
            client,
            key: key.to_owned(),
            body,
            ttl_seconds: None,
            headers: Vec::new(),
            conditional: false,
            progress: None,
        }
    }

    /// How long the object lives; else the namespace decides.
    pub fn ttl_seconds(mut self, seconds: u64) -> Self {
        self.ttl_seconds = Some(seconds);
        self
    }

    /// Content-Type; else it is chosen by the extension.
    pub fn content_type(self, value: &str) -> Self {
        self.header(CONTENT_TYPE, value)
    }

    /// Cache-Control, as readers get it; else it is chosen by the class of the object.
    pub fn cache_control(self, value: &str) -> Self {
        self.header(CACHE_CONTROL, value)
    }

    /// Only if there is no such object. If its outcome is unknown it is not sent again: the second call could be refused by
    /// what the first one stored.
    pub fn if_absent(mut self) -> Self {
        self.conditional = true;
        self.header(IF_NONE_MATCH, "*")
    }

    /// Only if the stored object has this entity tag. If its outcome is unknown it is not sent again.
    pub fn if_match(mut self, etag: &str) -> Self {
        self.conditional = true;
        self.header(IF_MATCH, etag)
    }

    /// Is told how many bytes have been handed to the connection; starts again from 0 when the PUT is sent again.
    pub fn on_progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sends it. `Ok` means that the object is on both nodes.
    pub async fn send(self) -> Result<PutOutcome, Error> {
        let mut url = self.client.url(&self.key)?;
        if let Some(seconds) = self.ttl_seconds {
            url.query_pairs_mut().append_pair("ttl_seconds", &seconds.to_string());
        }
        let mut call = Call::new(Method::PUT, url).body(self.body, self.progress);
        for (name, value) in self.headers {
            call = call.header(name, &value)?;
        }
        if self.conditional {
            call = call.not_repeatable();
        }
        let response = self.client.transport().call(call).await?;
        let created = response.status() == StatusCode::CREATED;
        Ok(PutOutcome { created, etag: etag(response.headers()) })
    }
}

impl fmt::Debug for Put<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Put({} to {:?}, {:?})", self.key, self.client, self.body)
    }
}

fn etag(headers: &HeaderMap) -> Option<String> {
    headers.get(ETAG)?.to_str().ok().map(str::to_owned)
}
