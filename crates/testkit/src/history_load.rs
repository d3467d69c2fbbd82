//! Writers and readers whose requests make a [`History`]: conditional and other writes of few keys, through two frontends.

use anyhow::{Context, Result, bail, ensure};
use headwater_types::{Digest, Rng, SeededRng};
use reqwest::{Method, StatusCode, header};
use std::sync::Arc;

use crate::history::{Call, History, Outcome};

/// Clients of one key at a time: half of them at each frontend.
const CLIENTS: u64 = 4;
/// Requests of one client for one key, the reads after refusals not counted.
const REQUESTS: u64 = 6;

/// What sends the requests.
#[derive(Debug, Clone)]
pub struct HistoryLoad {
    /// The URLs of the namespace at two frontends, without a slash at their end.
    pub urls: [String; 2],
    /// An API key that may read and write.
    pub api_key: String,
    /// What each client does follows from it.
    pub seed: u64,
    /// Keys, one after another; their shards differ.
    pub keys: u64,
}

impl HistoryLoad {
    /// Sends the requests. A client that is refused reads through the other frontend at once.
    ///
    /// # Errors
    /// A request without an answer, or one that nothing in a history stands for.
    pub async fn run(self) -> Result<History> {
        let history = Arc::new(History::default());
        for round in 0..self.keys {
            // A playlist is visible only once it is whole. The digits before the slash choose the shard.
            let key = format!("history{round}x/live.m3u8");
            let clients = (0..CLIENTS).map(|id| {
                let seed = self.seed.wrapping_mul(1_000_003) + round * CLIENTS + id;
                let client = Client {
                    http: reqwest::Client::new(),
                    load: self.clone(),
                    history: history.clone(),
                    key: key.clone(),
                    rng: SeededRng::new(seed),
                    first: (round * CLIENTS + id) * REQUESTS,
                    near: usize::try_from(id % 2).unwrap_or_default(),
                    known: 0,
                };
                tokio::spawn(client.run())
            });
            for client in clients.collect::<Vec<_>>() {
                client.await.context("a client panicked")??;
            }
        }
        Arc::into_inner(history).context("a client still runs")
    }
}

struct Client {
    http: reqwest::Client,
    load: HistoryLoad,
    history: Arc<History>,
    key: String,
    rng: SeededRng,
    /// The first of its objects.
    first: u64,
    /// Its frontend.
    near: usize,
    /// The object that it saw or wrote last.
    known: u64,
}

impl Client {
    async fn run(mut self) -> Result<()> {
        for at in 0..REQUESTS {
            let object = self.first + at + 1;
            let call = match self.rng.next_u64() % 8 {
                0 | 1 => Call::Put(object),
                2 | 3 => Call::Create(object),
                4 | 5 => Call::Replace { of: self.known, with: object },
                6 => Call::Delete,
                _ => Call::Read,
            };
            if self.send(self.near, call).await? == Outcome::Refused {
                self.send(1 - self.near, Call::Read).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, frontend: usize, call: Call) -> Result<Outcome> {
        let url = format!("{}/{}", self.load.urls[frontend], self.key);
        let method = match call {
            Call::Read => Method::GET,
            Call::Delete => Method::DELETE,
            Call::Put(_) | Call::Create(_) | Call::Replace { .. } => Method::PUT,
        };
        let mut request = self.http.request(method, url).bearer_auth(&self.load.api_key);
        request = match call {
            Call::Read | Call::Delete => request,
            Call::Put(object) => request.body(body(object)),
            Call::Create(object) => request.header(header::IF_NONE_MATCH, "*").body(body(object)),
            Call::Replace { of, with } => request.header(header::IF_MATCH, etag(of)).body(body(with)),
        };
        let begun = self.history.begin(call);
        let answer = request.send().await?;
        let outcome = match (answer.status(), call) {
            (StatusCode::OK, Call::Read) => Outcome::Saw(Some(answer.text().await?.trim().parse()?)),
            (StatusCode::NOT_FOUND, Call::Read) => Outcome::Saw(None),
            (StatusCode::CREATED | StatusCode::NO_CONTENT, _) if call != Call::Read => Outcome::Done,
            (StatusCode::PRECONDITION_FAILED, Call::Create(_) | Call::Replace { .. }) => Outcome::Refused,
            (StatusCode::SERVICE_UNAVAILABLE, _) => {
                let text = answer.text().await?;
                ensure!(text.contains("unavailable") || text.contains("outcome_unknown"), "{call:?}: {text}");
                if text.contains("outcome_unknown") { Outcome::Unknown } else { Outcome::Nothing }
            }
            (status, _) => bail!("{call:?}: {status}"),
        };
        self.history.end(&self.key, begun, outcome);
        match (call, outcome) {
            (_, Outcome::Saw(Some(object)))
            | (
                Call::Put(object) | Call::Create(object) | Call::Replace { with: object, .. },
                Outcome::Done,
            ) => self.known = object,
            _ => {}
        }
        Ok(outcome)
    }
}

/// What an object has as its body.
fn body(object: u64) -> String {
    format!("{object}\n")
}

fn etag(object: u64) -> String {
    format!("\"{}\"", Digest::of(body(object).as_bytes()))
}
