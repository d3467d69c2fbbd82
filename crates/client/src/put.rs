//! Writing an object.

use reqwest::{
    Body, Method, StatusCode,
    header::{CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH, IF_NONE_MATCH},
};

use crate::{
    client::Client,
    error::{Error, check},
};

/// A PUT that has not been sent.
#[derive(Debug)]
#[must_use = "nothing is written before `send`"]
pub struct Put<'a> {
    client: &'a Client,
    key: String,
    body: Body,
    ttl_seconds: Option<u64>,
    headers: Vec<(&'static str, String)>,
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
        Self { client, key: key.to_owned(), body, ttl_seconds: None, headers: Vec::new() }
    }

    /// How long the object lives; else the namespace decides.
    pub fn ttl_seconds(mut self, seconds: u64) -> Self {
        self.ttl_seconds = Some(seconds);
        self
    }

    /// Content-Type; else it is chosen by the extension.
    pub fn content_type(self, value: &str) -> Self {
        self.header(CONTENT_TYPE.as_str(), value)
    }

    /// Only if there is no such object.
    pub fn if_absent(self) -> Self {
        self.header(IF_NONE_MATCH.as_str(), "*")
    }

    /// Only if the stored object has this entity tag.
    pub fn if_match(self, etag: &str) -> Self {
        self.header(IF_MATCH.as_str(), etag)
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sends it. `Ok` means that the object is on both nodes.
    pub async fn send(self) -> Result<PutOutcome, Error> {
        let mut url = self.client.url(&self.key)?;
        if let Some(seconds) = self.ttl_seconds {
            url.query_pairs_mut().append_pair("ttl_seconds", &seconds.to_string());
        }
        let mut request = self.client.request(Method::PUT, url).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let response = check(request.send().await?).await?;
        let created = response.status() == StatusCode::CREATED;
        Ok(PutOutcome { created, etag: etag(response.headers()) })
    }
}

fn etag(headers: &HeaderMap) -> Option<String> {
    headers.get(ETAG)?.to_str().ok().map(str::to_owned)
}
