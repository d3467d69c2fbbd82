//! A server with a few routes, and a client that writes bytes and reads answers.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Extension,
    http::StatusCode,
    routing::{get, put},
};
use headwater_frontend::net::{ConnInfo, Drained, LingerConfig, NetConfig, NetMetrics, serve};
use headwater_types::SystemClock;
use http_body_util::BodyExt;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, so that what hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Server {
    pub address: SocketAddr,
    pub metrics: NetMetrics,
    pub routes: Routes,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<Drained>,
}

/// What the handlers tell the tests, and wait for.
#[derive(Clone, Default)]
pub struct Routes {
    /// Requests for `/second`.
    pub second: Arc<AtomicUsize>,
    /// Requests for `/slow` that have begun.
    pub slow_begun: Arc<Notify>,
    /// Lets `/slow` answer.
    pub slow_go: Arc<Notify>,
    /// Bodies that `/store` read to their end.
    pub stored: Arc<AtomicUsize>,
    /// Lets `/gated` read its body.
    pub gate: Arc<Notify>,
}

impl Routes {
    fn router(self) -> Router {
        let Self { second, slow_begun, slow_go, stored, gate } = self;
        let count_second = move || async move {
            second.fetch_add(1, Ordering::SeqCst);
            "second"
        };
        let slow = move || async move {
            slow_begun.notify_one();
            slow_go.notified().await;
            "slow"
        };
        let store = move |body: Body| async move {
            match body.collect().await {
                Ok(body) => {
                    stored.fetch_add(1, Ordering::SeqCst);
                    (StatusCode::CREATED, body.to_bytes().len().to_string())
                }
                Err(_) => (StatusCode::BAD_REQUEST, "cut".to_owned()),
            }
        };
        let gated = move |body: Body| async move {
            gate.notified().await;
            body.collect().await.unwrap().to_bytes().len().to_string()
        };
        let who = |Extension(info): Extension<Arc<ConnInfo>>| async move {
            format!("{} {} {}", info.id, info.peer, info.protocol.as_str())
        };
        let refuse = || async { (StatusCode::UNAUTHORIZED, "no such key") };
        Router::new()
            .route("/ok", get(|| async { "ok" }))
            .route("/second", get(count_second.clone()).put(count_second))
            .route("/slow", get(slow))
            .route("/store", put(store))
            .route("/gated", put(gated))
            .route("/who", get(who))
            .route("/big", get(|| async { Bytes::from(vec![b'x'; 16 * 1024 * 1024]) }))
            .route("/refuse", put(refuse))
    }
}

/// Deadlines that no test runs into by accident.
pub fn config() -> NetConfig {
    NetConfig {
        first_byte_timeout: PATIENCE,
        header_read_timeout: PATIENCE,
        linger: LingerConfig { silence: Duration::from_millis(300), ..LingerConfig::default() },
        drain_timeout: PATIENCE,
        ..NetConfig::default()
    }
}

impl Server {
    pub async fn start(config: NetConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (metrics, routes, shutdown) =
            (NetMetrics::default(), Routes::default(), CancellationToken::new());
        let serving = serve(
            listener,
            routes.clone().router(),
            config,
            metrics.clone(),
            Arc::new(SystemClock::new()),
            shutdown.clone(),
        );
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { address, metrics, routes, shutdown, task }
    }

    pub async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    pub fn second(&self) -> usize {
        self.routes.second.load(Ordering::SeqCst)
    }

    /// Waits until this many connections are open.
    pub async fn until_open(&self, count: i64) {
        let wait = async {
            while self.metrics.open() != count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap();
    }
}

pub struct Client {
    pub stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn closes(&self) -> bool {
        self.head.to_ascii_lowercase().contains("connection: close")
    }
}

impl Client {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        self.answer().await
    }

    /// The next answer, interim ones included.
    pub async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read_answer()).await.unwrap().expect("the connection ended before an answer")
    }

    /// The next answer if there is one before the connection ends.
    pub async fn answer_or_end(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer()).await.unwrap()
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                assert!(self.read.is_empty(), "{:?}", String::from_utf8_lossy(&self.read));
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
            .unwrap_or(0);
        while self.read.len() < length {
            assert!(self.fill().await, "the body ended after {} of {length} bytes", self.read.len());
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(Answer { status, head, body })
    }

    /// `false`: the connection ended.
    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.read).await, Ok(1..))
    }

    /// Nothing more comes, and the connection ends.
    pub async fn ends(&mut self) {
        let rest = self.answer_or_end().await;
        assert!(rest.is_none(), "{rest:?}");
    }
}
