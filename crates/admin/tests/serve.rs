//! The listener ends when it is told to, and in time even while a request does not end.

use axum::{Router, routing::get};
use headwater_admin::{serve, serve::DRAIN_TIMEOUT};
use std::{future::pending, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
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
    let server = tokio::spawn(serve(listener, router, async move { stopped.await.unwrap() }));

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
    timeout(bound, server).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}
