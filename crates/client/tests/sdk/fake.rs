//! A server that answers by a script and remembers what it was asked.

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use headwater_client::RetryPolicy;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub line: String,
    pub headers: http::HeaderMap,
    pub body: Bytes,
    pub at: Instant,
}

type Answer = (u16, Vec<(&'static str, String)>, String);

/// The server.
pub struct Fake {
    pub url: String,
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Inner {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
}

async fn handle(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let at = Instant::now();
    let body = to_bytes(body, 64 << 20).await.unwrap_or_default();
    let line = format!("{} {}", head.method, head.uri);
    inner.asked.lock().unwrap().push(Asked { line, headers: head.headers, body, at });
    let (status, headers, body) = inner.answers.lock().unwrap().pop_front().expect("the script goes on");
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

impl Fake {
    pub async fn start() -> Self {
        let inner = Arc::new(Inner::default());
        let router = Router::new().fallback(handle).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, task }
    }

    /// The next answer.
    pub fn answers(&self, status: u16, headers: &[(&'static str, &str)], body: impl Into<String>) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.inner.answers.lock().unwrap().push_back((status, headers, body.into()));
    }

    /// The next answer is a problem document.
    pub fn refuses(&self, status: u16, code: &str, headers: &[(&'static str, &str)]) {
        let document = format!(r#"{{"code":"{code}","detail":"because","status":{status}}}"#);
        self.answers(status, headers, document);
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.inner.asked.lock().unwrap())
    }

    /// The lines of [`Self::asked`].
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Retries that do not make a test slow.
pub fn quick() -> RetryPolicy {
    RetryPolicy { backoff_min: Duration::from_millis(2), ..RetryPolicy::default() }
}
