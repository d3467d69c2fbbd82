//! Slow and silent clients, and too many of them.

use super::support::{PATIENCE, Server, config};
use headwater_frontend::net::{Deadline, NetConfig};
use std::time::{Duration, Instant};
use tokio::{io::AsyncWriteExt, time::timeout};

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_silent_connect_is_closed() {
    let server = Server::start(NetConfig { first_byte_timeout: SHORT, ..config() }).await;
    let mut client = server.connect().await;
    let before = Instant::now();
    client.ends().await;
    assert!(before.elapsed() >= SHORT / 2, "{:?}", before.elapsed());
    assert_eq!(server.metrics.expired(Deadline::FirstByte), 1);
}

#[tokio::test]
async fn a_header_that_trickles_is_closed_at_its_deadline() {
    let server = Server::start(NetConfig { header_read_timeout: SHORT, ..config() }).await;
    // The second is not yet told from HTTP/2, the third trickles on a kept connection.
    for begin in ["GET /ok HTTP/1.1\r\n", "PRI *", "GET /ok HTTP/1.1\r\nHost: a\r\n\r\nGET /second"] {
        let mut client = server.connect().await;
        client.send(begin).await;
        if begin.ends_with("second") {
            assert_eq!(client.answer().await.body, "ok");
        }
        let before = Instant::now();
        let trickle = async {
            // Each byte is within the limit, all of them are not.
            while client.stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
        };
        timeout(PATIENCE, trickle).await.unwrap();
        assert!(before.elapsed() >= SHORT / 2, "{:?}", before.elapsed());
    }
    server.until_open(0).await;
    assert_eq!(server.metrics.expired(Deadline::Header), 3);
    assert_eq!(server.second(), 0);
}

#[tokio::test]
async fn a_header_that_came_with_the_body_before_it_has_its_own_deadline() {
    let server = Server::start(NetConfig { header_read_timeout: SHORT, ..config() }).await;
    let mut client = server.connect().await;
    client
        .send("PUT /store HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /second HTTP/1.1\r\n")
        .await;
    assert_eq!(client.answer().await.status, 201);
    client.ends().await;
    assert_eq!(server.metrics.expired(Deadline::Header), 1);
}

#[tokio::test]
async fn an_idle_kept_connection_is_closed_and_a_busy_one_is_not() {
    let server =
        Server::start(NetConfig { keep_alive_idle: SHORT, header_read_timeout: SHORT, ..config() }).await;
    let mut busy = server.connect().await;
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.routes.slow_begun.notified().await;

    let mut idle = server.connect().await;
    assert_eq!(idle.get("/ok").await.status, 200);
    let before = Instant::now();
    idle.ends().await;
    assert!(before.elapsed() >= SHORT / 2, "{:?}", before.elapsed());
    assert_eq!(server.metrics.expired(Deadline::Idle), 1);

    server.routes.slow_go.notify_one();
    assert_eq!(busy.answer().await.body, "slow");
}

#[tokio::test]
async fn a_client_that_takes_none_of_its_answer_is_closed() {
    let server = Server::start(NetConfig { write_stall_timeout: SHORT, ..config() }).await;
    let mut client = server.connect().await;
    client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.until_open(1).await;
    server.until_open(0).await;
    assert_eq!(server.metrics.expired(Deadline::Write), 1);
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once_and_its_place_is_free_again_later() {
    let server = Server::start(NetConfig { connections_max: 2, ..config() }).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!(first.get("/ok").await.status, 200);
    assert_eq!(second.get("/ok").await.status, 200);

    server.connect().await.ends().await;
    assert_eq!(server.metrics.refused(), 1);

    drop(first);
    server.until_open(1).await;
    assert_eq!(server.connect().await.get("/ok").await.status, 200);
    assert_eq!(second.get("/ok").await.status, 200);
}
