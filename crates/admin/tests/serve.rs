//! The listener ends when it is told to, and in time even while a request does not end; and what peers can hold on to.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use axum::{Router, routing::get};
use headwater_admin::{
    serve,
    serve::{DRAIN_TIMEOUT, Limits},
};
use std::{future::pending, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

#[tokio::test]
async fn serves_until_it_is_told_to_stop() {
    let (begun, mut begins) = mpsc::channel(1);
    let hang = move || async move {
        begun.send(()).await.unwrap();
        pending::<()>().await;
    };
    let router = Router::new().route("/", get(|| async { "ok" })).route("/hang", get(hang));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { stopped.await.unwrap() };
    let server = tokio::spawn(serve(listener, router, Limits::default(), stopped));

    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut status = [0; 15];
    idle.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    let mut hanging = TcpStream::connect(address).await.unwrap();
    hanging.write_all(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    begins.recv().await.unwrap();

    stop.send(()).unwrap();
    let bound = DRAIN_TIMEOUT + Duration::from_secs(5);
    timeout(bound, server).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

/// For what must happen.
const BOUND: Duration = Duration::from_secs(10);

async fn bounded(limits: Limits) -> (SocketAddr, JoinHandle<()>) {
    let router = Router::new().route("/", get(|| async { "ok" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(serve(listener, router, limits, pending())))
}

/// A connection over which a request was answered, and which stays open.
async fn served(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok") {
        let read = timeout(BOUND, stream.read_buf(&mut answer)).await.unwrap().unwrap();
        assert!(read > 0, "closed after {answer:?}");
    }
    stream
}

/// Waits until the other side has closed.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A connection that is closed with unread input is reset.
    let _ = timeout(BOUND, stream.read_to_end(&mut rest)).await.expect("it is closed");
    assert!(!rest.windows(2).any(|window| window == b"ok"), "{rest:?}");
}

#[tokio::test]
async fn a_peer_that_sends_no_whole_head_in_time_is_closed() {
    let limits = Limits { header_timeout: Duration::from_millis(200), ..Limits::default() };
    let (address, server) = bounded(limits).await;
    for begun in [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n", b"PRI * HT"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        closed(stream).await;
    }
    server.abort();
}

#[tokio::test]
async fn a_peer_that_asks_nothing_more_is_closed() {
    let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
    let (address, server) = bounded(limits).await;
    closed(served(address).await).await;
    server.abort();
}

#[tokio::test]
async fn as_many_connections_as_there_may_be_and_no_more() {
    let (address, server) = bounded(Limits { connections_max: 2, ..Limits::default() }).await;
    let (first, _second) = (served(address).await, served(address).await);
    closed(TcpStream::connect(address).await.unwrap()).await;
    drop(first);
    // Its place is free as soon as the server has seen it go.
    let again = async {
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.is_ok()
                && matches!(stream.read_u8().await, Ok(b'H'))
            {
                break;
            }
        }
    };
    timeout(BOUND, again).await.expect("a free place");
    server.abort();
}
