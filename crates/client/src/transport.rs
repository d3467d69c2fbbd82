//! One call: sending it, waiting for the answer, and doing it again where that makes sense.

use bytes::Bytes;
use headwater_types::Rng;
use reqwest::{
    Method, Request, Response, Url,
    header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue},
};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};

use crate::{
    body::{Body, Progress},
    error::{Error, check},
    retry::{RetryPolicy, Tried},
    secret::Secret,
};

/// Connections, a credential, and how long to wait for what. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    pub http: reqwest::Client,
    pub secret: Secret,
    pub retry: RetryPolicy,
    pub idle_timeout: Duration,
    pub rng: Arc<dyn Rng>,
}

/// What is to be sent.
pub(crate) struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Body>,
    progress: Option<Progress>,
    repeatable: bool,
    patience: Duration,
}

impl Call {
    /// Without a body. Everything but POST and PATCH can be repeated without harm.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        let repeatable = !matches!(method, Method::POST | Method::PATCH);
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            progress: None,
            repeatable,
            patience: Duration::ZERO,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Result<Self, Error> {
        let checked = HeaderValue::from_str(value);
        let checked =
            checked.map_err(|_| Error::Url(format!("{value:?} cannot be sent as the header {name}")))?;
        self.headers.insert(name, checked);
        Ok(self)
    }

    pub(crate) fn body(mut self, body: Body, progress: Option<Progress>) -> Self {
        (self.body, self.progress) = (Some(body), progress);
        self
    }

    /// Doing it twice would be seen.
    pub(crate) fn not_repeatable(mut self) -> Self {
        self.repeatable = false;
        self
    }

    /// The answer may take so long to begin, if that is longer than the idle timeout.
    pub(crate) fn patient(mut self, wait: Duration) -> Self {
        self.patience = wait;
        self
    }

    /// The request of the next try; `None` if the body is used up.
    fn request(&mut self, secret: &Secret, sent: &Arc<AtomicU64>) -> Result<Option<Request>, Error> {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        *request.headers_mut() = self.headers.clone();
        let bearer = HeaderValue::try_from(format!("Bearer {}", secret.reveal()));
        let mut bearer = bearer.map_err(|_| Error::Url("the key has characters that no key has".into()))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        if let Some(body) = &mut self.body {
            let Some((body, length)) = body.take(sent, self.progress.as_ref()) else { return Ok(None) };
            if let Some(length) = length {
                request.headers_mut().insert(CONTENT_LENGTH, length.into());
            }
            *request.body_mut() = Some(body);
        }
        Ok(Some(request))
    }
}

impl Transport {
    /// Makes the call until it succeeds, is refused for good, or the policy gives up.
    pub(crate) async fn call(&self, mut call: Call) -> Result<Response, Error> {
        let replayable = call.body.as_ref().is_none_or(Body::is_replayable);
        let mut tried = Tried { calls: 0, waited: Duration::ZERO, repeatable: call.repeatable };
        let sent = Arc::new(AtomicU64::new(0));
        let idle = self.idle_timeout.max(call.patience);
        loop {
            let Some(request) = call.request(&self.secret, &sent)? else {
                return Err(Error::Url("the body was sent already".into()));
            };
            tried.calls += 1;
            let failure = match self.exchange(request, &sent, idle).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let wait = self.retry.wait(&failure, tried, self.rng.next_u64()).filter(|_| replayable);
            let Some(wait) = wait else { return Err(failure) };
            sleep(wait).await;
            tried.waited += wait;
        }
    }

    /// One try.
    async fn exchange(&self, request: Request, sent: &AtomicU64, idle: Duration) -> Result<Response, Error> {
        let url = without_query(request.url());
        let mut sending = pin!(self.http.execute(request));
        let mut seen = 0;
        loop {
            match timeout(idle, &mut sending).await {
                Ok(answer) => return check(answer?, self.idle_timeout).await,
                // An upload that moves may take its time.
                Err(_) if sent.load(Ordering::Relaxed) != seen => seen = sent.load(Ordering::Relaxed),
                Err(_) => {
                    return Err(Error::Timeout { url, what: "waiting for the answer", after: idle });
                }
            }
        }
    }
}

/// The query may carry a token.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// The next piece of an answer's body, within `idle`.
pub(crate) async fn chunk(response: &mut Response, idle: Duration) -> Result<Option<Bytes>, Error> {
    match timeout(idle, response.chunk()).await {
        Ok(piece) => Ok(piece?),
        Err(_) => {
            let url = without_query(response.url());
            Err(Error::Timeout { url, what: "reading the answer", after: idle })
        }
    }
}

/// A whole body of at most `max` bytes.
pub(crate) async fn read_bounded(
    mut response: Response,
    max: usize,
    idle: Duration,
) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(piece) = chunk(&mut response, idle).await? {
        if body.len() + piece.len() > max {
            return Err(Error::Answer(format!("the answer is larger than {max} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
