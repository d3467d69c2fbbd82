//! Settings of a client before it is made.

use headwater_types::{Rng, SystemRng};
use reqwest::{Url, redirect};
use std::{sync::Arc, time::Duration};

use crate::{
    admin::Admin, client::Client, error::Error, retry::RetryPolicy, secret::Secret, transport::Transport,
};

/// Timeouts and retries of a [`Client`] or an [`Admin`].
///
/// ```
/// use headwater_client::{Client, RetryPolicy};
/// use std::time::Duration;
///
/// let client = Client::builder()
///     .retry(RetryPolicy { attempts_max: 3, ..RetryPolicy::default() })
///     .connect_timeout(Duration::from_secs(2))
///     .client("http://127.0.0.1:8080", "live-origin", "hw_id_secret")?;
/// # Ok::<(), headwater_client::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    retry: RetryPolicy,
    connect_timeout: Duration,
    idle_timeout: Duration,
    rng: Arc<dyn Rng>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            rng: Arc::new(SystemRng),
        }
    }
}

impl Builder {
    /// The defaults: connect within 5 s, nothing may stand still for 30 s, [`RetryPolicy::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// How often and how long calls are made again.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// How long connecting may take; 5 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long nothing may move: no byte of the body sent and none of the answer received; 30 s by default. A transfer as
    /// a whole has no limit.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Where the jitter of backoffs comes from; the machine's randomness by default.
    pub fn rng(mut self, rng: Arc<dyn Rng>) -> Self {
        self.rng = rng;
        self
    }

    /// A client of `namespace` at `origin` (`http://host:port`) with an API key.
    pub fn client(self, origin: &str, namespace: &str, api_key: &str) -> Result<Client, Error> {
        Ok(Client::with(crate::client::base(origin, namespace)?, self.transport(api_key)?))
    }

    /// A client of the admin plane at `url` (`http://host:port`) with an admin token.
    pub fn admin(self, url: &str, token: &str) -> Result<Admin, Error> {
        Ok(Admin::with(parse_base(url)?, self.transport(token)?))
    }

    fn transport(self, secret: &str) -> Result<Transport, Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            // The origin never redirects; whoever does must not get the credential.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let Self { retry, idle_timeout, rng, .. } = self;
        Ok(Transport { http, secret: Secret::new(secret), retry, idle_timeout, rng })
    }
}

/// An `http://` or `https://` URL with a host.
pub(crate) fn parse_base(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|e| Error::Url(format!("{text:?} is no URL: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Error::Url(format!("{text:?} is no URL of an origin: http://host:port is")));
    }
    Ok(url)
}
