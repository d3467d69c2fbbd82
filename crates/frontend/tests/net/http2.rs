//! HTTP/2 by prior knowledge on the same port.

use super::support::{PATIENCE, Server, config};
use bytes::Bytes;
use headwater_frontend::net::{Http2Config, NetConfig, Protocol};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

struct Http2Client {
    requests: SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Http2Client {
    async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (requests, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        Self { requests, connection: tokio::spawn(connection) }
    }

    async fn call(&mut self, method: Method, path: &str, headers: usize, body: Bytes) -> (u16, Bytes) {
        let mut request = Request::builder().method(method).uri(format!("http://a{path}"));
        for _ in 0..headers {
            request = request.header("x", "y");
        }
        self.requests.ready().await.unwrap();
        let answer = self.requests.send_request(request.body(Full::new(body)).unwrap());
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    }

    async fn get(&mut self, path: &str) -> (u16, Bytes) {
        self.call(Method::GET, path, 0, Bytes::new()).await
    }
}

#[tokio::test]
async fn requests_and_large_bodies_are_served() {
    let server = Server::start(config()).await;
    let mut client = Http2Client::connect(&server).await;
    assert_eq!(client.get("/ok").await, (200, Bytes::from("ok")));
    let body = Bytes::from(vec![1; 10 * 1024 * 1024]);
    assert_eq!(client.call(Method::PUT, "/store", 0, body.clone()).await, (201, Bytes::from("10485760")));
    // An answer before the body's end leaves the connection whole.
    assert_eq!(client.call(Method::PUT, "/refuse", 0, body).await.0, 401);
    assert_eq!(client.call(Method::TRACE, "/ok", 0, Bytes::new()).await.0, 405);
    assert!(client.get("/who").await.1.ends_with(b"http2"));
    assert_eq!(server.metrics.spoke(Protocol::Http2), 1);
}

#[tokio::test]
async fn the_header_limits_hold_here_too() {
    let server = Server::start(NetConfig { header_count_max: 10, ..config() }).await;
    let mut client = Http2Client::connect(&server).await;
    assert_eq!(client.call(Method::GET, "/ok", 10, Bytes::new()).await.0, 200);
    assert_eq!(client.call(Method::GET, "/ok", 11, Bytes::new()).await.0, 431);
    assert_eq!(client.get("/ok").await.0, 200);
}

#[tokio::test]
async fn header_bytes_are_served_at_the_limit_and_431_one_past() {
    let server = Server::start(config()).await;
    let mut client = Http2Client::connect(&server).await;
    // Each field counts 32 bytes more (RFC 9113 section 6.5.2).
    let fixed: usize =
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/ok"), ("x", "")]
            .iter()
            .map(|(name, value)| name.len() + value.len() + 32)
            .sum();
    for (bytes, status) in [(32 * 1024, 200), (32 * 1024 + 1, 431)] {
        let request = Request::get("http://a/ok").header("x", "y".repeat(bytes - fixed));
        client.requests.ready().await.unwrap();
        let answer = client.requests.send_request(request.body(Full::default()).unwrap());
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), status, "{bytes} bytes");
    }
    assert_eq!(client.get("/ok").await.0, 200);
}

#[tokio::test]
async fn an_idle_connection_ends_though_pings_go_on() {
    let http2 = Http2Config { ping_interval: Duration::from_millis(20), ..Http2Config::default() };
    let idle = Duration::from_millis(200);
    let server = Server::start(NetConfig { keep_alive_idle: idle, http2, ..config() }).await;
    let mut client = Http2Client::connect(&server).await;
    assert_eq!(client.get("/ok").await.0, 200);
    let ended = timeout(PATIENCE, &mut client.connection).await.unwrap().unwrap();
    assert!(ended.is_ok(), "{ended:?}");
    server.until_open(0).await;
}

#[tokio::test]
async fn the_shutdown_lets_a_stream_finish() {
    let server = Server::start(config()).await;
    let mut client = Http2Client::connect(&server).await;
    let slow = tokio::spawn(async move { client.get("/slow").await });
    server.routes.slow_begun.notified().await;
    server.shutdown.cancel();
    server.routes.slow_go.notify_one();
    assert_eq!(slow.await.unwrap(), (200, Bytes::from("slow")));
    assert_eq!(timeout(PATIENCE, server.task).await.unwrap().unwrap().cut, 0);
}
