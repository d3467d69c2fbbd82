//! A cluster with one namespace, and requests to it at the raw socket.

use headwater_meta::NamespaceSettings;
use headwater_testkit::{InProcess, InProcessConfig, RawConn, RawResponse, in_process::Keys};
use std::cell::Cell;

thread_local! {
    static OVER_GRPC: Cell<bool> = const { Cell::new(false) };
}

/// From now on this test's nodes are called over gRPC.
pub fn over_grpc() {
    OVER_GRPC.set(true);
}

/// A running cluster with the namespace `live`.
pub struct Origin {
    pub cluster: InProcess,
    pub keys: Keys,
}

impl Origin {
    pub async fn start() -> Self {
        Self::with(InProcessConfig::default(), NamespaceSettings::default()).await
    }

    pub async fn with_settings(settings: NamespaceSettings) -> Self {
        Self::with(InProcessConfig::default(), settings).await
    }

    pub async fn with(config: InProcessConfig, settings: NamespaceSettings) -> Self {
        let config = InProcessConfig { grpc: OVER_GRPC.get(), ..config };
        let cluster = InProcess::start(config).await.expect("the cluster starts");
        let keys = cluster.namespace("live", settings).await.expect("the namespace is made");
        Self { cluster, keys }
    }

    /// A connection to the frontend of zone a.
    pub async fn conn(&self) -> RawConn {
        self.conn_at(0).await
    }

    /// A connection to the frontend of zone a (0) or b (1).
    pub async fn conn_at(&self, frontend: usize) -> RawConn {
        RawConn::connect(&self.cluster.addresses[frontend]).await.expect("the frontend accepts")
    }

    /// The Authorization header line of the encoder.
    pub fn encoder(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.keys.encoder)
    }

    /// The Authorization header line of the player.
    pub fn player(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.keys.player)
    }

    /// The bytes of a request with a Content-Length. `headers` are whole lines.
    pub fn bytes(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let length = if body.is_empty() && matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: origin\r\n{length}{headers}\r\n");
        [head.as_bytes(), body].concat()
    }

    /// One request on a connection of its own, at one of the frontends.
    pub async fn request_at(
        &self,
        at: usize,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> RawResponse {
        let mut conn = self.conn_at(at).await;
        let request = Self::bytes(method, target, headers, body);
        if method == "HEAD" {
            conn.send(request).await.unwrap();
            let (status, headers) = conn.head().await.unwrap();
            return RawResponse { status, headers, body: Vec::new() };
        }
        conn.exchange(request).await.unwrap_or_else(|e| panic!("{method} {target}: {e:#}"))
    }

    /// One request at the frontend of zone a.
    pub async fn request(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> RawResponse {
        self.request_at(0, method, target, headers, body).await
    }

    /// PUT as the encoder, with more header lines.
    pub async fn put_with(&self, key: &str, headers: &str, body: &[u8]) -> RawResponse {
        let headers = format!("{}{headers}", self.encoder());
        self.request("PUT", &format!("/cache/live/{key}"), &headers, body).await
    }

    /// PUT as the encoder.
    pub async fn put(&self, key: &str, body: &[u8]) -> RawResponse {
        self.put_with(key, "", body).await
    }

    /// GET as the player, with more header lines.
    pub async fn get_with(&self, key: &str, headers: &str) -> RawResponse {
        let headers = format!("{}{headers}", self.player());
        self.request("GET", &format!("/cache/live/{key}"), &headers, b"").await
    }

    /// GET as the player.
    pub async fn get(&self, key: &str) -> RawResponse {
        self.get_with(key, "").await
    }
}

/// Asserts a status and, for an error, its code and what every error has.
#[track_caller]
pub fn expect(response: &RawResponse, status: u16, code: &str) {
    assert_eq!(response.status, status, "{:?} {}", response.headers, response.text());
    if status >= 400 {
        assert_eq!(response.code(), code, "{}", response.text());
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert!(response.header("x-request-id").is_some());
    }
}
