//! Answers that come before the body's end, and clients that send on.

use super::support::{Answer, Client, PATIENCE, Server, config};
use headwater_frontend::net::{LingerConfig, LingerEnd, NetConfig};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

const MIB: usize = 1024 * 1024;
/// Nothing ends by this but what a test sets otherwise.
const NEVER: Duration = Duration::from_secs(600);
const ENDLESS: LingerConfig =
    LingerConfig { silence: NEVER, time: NEVER, bytes_max: usize::MAX, connections_max: 1024 };

async fn server(linger: LingerConfig) -> Server {
    Server::start(NetConfig { linger, ..config() }).await
}

fn head(bytes: usize) -> String {
    format!("PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n")
}

/// Begins a PUT that is refused and reads the refusal; the connection then lingers.
async fn refused(server: &Server) -> Client {
    let mut client = server.connect().await;
    client.send(head(100)).await;
    assert_refusal(&client.answer().await);
    client
}

fn assert_refusal(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (401, "no such key"));
    assert!(answer.closes());
}

async fn until_lingering(server: &Server, count: i64) {
    let wait = async {
        while server.metrics.lingering() != count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}

async fn until_ended(server: &Server, end: LingerEnd, count: u64) {
    let wait = async {
        while server.metrics.linger_ended(end) != count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}

#[tokio::test]
async fn a_client_that_writes_all_9_mib_before_it_reads_has_its_refusal_every_time() {
    const ROUNDS: usize = 30;
    const BYTES: usize = 9 * MIB;
    let server = server(LingerConfig::default()).await;
    let framings = [
        (head(BYTES), vec![0; BYTES]),
        (
            "PUT /refuse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            [format!("{BYTES:x}\r\n").as_bytes(), &vec![0; BYTES], b"\r\n0\r\n\r\n"].concat(),
        ),
    ];
    for (head, body) in framings {
        for _ in 0..ROUNDS {
            let mut client = server.connect().await;
            client.send(&head).await;
            client.send(&body).await;
            assert_refusal(&client.answer().await);
            client.ends().await;
        }
    }
    server.until_open(0).await;
    assert_eq!(server.metrics.lingered(), 2 * ROUNDS as u64);
    assert_eq!(server.metrics.linger_ended(LingerEnd::Bytes), 0);
}

#[tokio::test]
async fn a_client_that_stops_at_its_first_failed_write_reads_its_refusal_whole() {
    let server = server(LingerConfig::default()).await;
    let (mut reader, mut writer) = server.connect().await.stream.into_split();
    let push = tokio::spawn(async move {
        writer.write_all(head(9 * MIB).as_bytes()).await.unwrap();
        for _ in 0..9 * 16 {
            writer.write_all(&[0; MIB / 16]).await.unwrap();
        }
    });
    let mut read = Vec::new();
    timeout(PATIENCE, reader.read_to_end(&mut read)).await.unwrap().unwrap();
    let read = String::from_utf8(read).unwrap();
    assert!(read.starts_with("HTTP/1.1 401 ") && read.ends_with("\r\n\r\nno such key"), "{read}");
    timeout(PATIENCE, push).await.unwrap().unwrap();
    server.until_open(0).await;
}

#[tokio::test]
async fn a_client_that_sends_more_than_is_discarded_is_closed_for_good() {
    let server = server(LingerConfig { bytes_max: MIB, ..ENDLESS }).await;
    let mut client = refused(&server).await;
    let push = async { while client.stream.write_all(&[0; 64 * 1024]).await.is_ok() {} };
    timeout(PATIENCE, push).await.unwrap();
    server.until_open(0).await;
    assert_eq!(server.metrics.linger_ended(LingerEnd::Bytes), 1);
    assert_eq!(server.metrics.lingered(), 1);
}

#[tokio::test]
async fn a_silent_client_is_left_alone_after_the_silence_and_one_that_closes_at_once() {
    let silence = Duration::from_millis(300);
    for (peer_closes, silence) in [(false, silence), (true, NEVER)] {
        let server = server(LingerConfig { silence, ..ENDLESS }).await;
        let before = Instant::now();
        let mut client = refused(&server).await;
        client.ends().await;
        if peer_closes {
            drop(client);
            server.until_open(0).await;
            assert_eq!(server.metrics.linger_ended(LingerEnd::Closed), 1);
        } else {
            server.until_open(0).await;
            assert!(before.elapsed() >= silence, "{:?}", before.elapsed());
            assert_eq!(server.metrics.linger_ended(LingerEnd::Silence), 1);
        }
    }
}

#[tokio::test]
async fn a_client_that_trickles_on_is_closed_after_the_whole_time() {
    let time = Duration::from_millis(400);
    let server = server(LingerConfig { time, ..ENDLESS }).await;
    let before = Instant::now();
    let mut client = refused(&server).await;
    let trickle = async {
        while client.stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, trickle).await.unwrap();
    server.until_open(0).await;
    assert!(before.elapsed() >= time, "{:?}", before.elapsed());
    assert_eq!(server.metrics.linger_ended(LingerEnd::Time), 1);
}

#[tokio::test]
async fn one_more_that_lingers_than_allowed_displaces_the_oldest() {
    let server = server(LingerConfig { connections_max: 2, ..ENDLESS }).await;
    let mut first = refused(&server).await;
    until_lingering(&server, 1).await;
    let mut second = refused(&server).await;
    until_lingering(&server, 2).await;
    assert_eq!(server.metrics.linger_ended(LingerEnd::Displaced), 0, "at the limit");

    let mut third = refused(&server).await;
    until_ended(&server, LingerEnd::Displaced, 1).await;
    first.ends().await;
    // Its kernel is told now: what the first sends fails, and what the others send is still taken.
    let push = async { while first.stream.write_all(b"x").await.is_ok() {} };
    timeout(PATIENCE, push).await.unwrap();
    for client in [&mut second, &mut third] {
        for _ in 0..16 {
            client.send(vec![0; MIB / 16]).await;
        }
    }
    assert_eq!(server.metrics.lingering(), 2);
    drop((second, third));
    server.until_open(0).await;
    assert_eq!(server.metrics.linger_ended(LingerEnd::Closed), 2);
    assert_eq!(server.metrics.lingering(), 0);
}

/// Asks for the connection's end, and waits for it.
async fn ended(server: &Server) -> Client {
    let mut client = server.connect().await;
    client.send("GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    client.ends().await;
    client
}

#[tokio::test]
async fn connections_that_ended_as_agreed_displace_none_and_are_displaced_first() {
    let linger = LingerConfig { connections_max: 2, ..ENDLESS };
    let idle = Duration::from_millis(150);
    let server = Server::start(NetConfig { linger, keep_alive_idle: idle, ..config() }).await;
    let mut first = refused(&server).await;
    until_lingering(&server, 1).await;
    let _ended = ended(&server).await;
    until_lingering(&server, 2).await;
    // There is no place for these: they are closed at once.
    let mut late = vec![ended(&server).await];
    let mut unused = server.connect().await;
    assert_eq!(unused.get("/ok").await.status, 200);
    unused.ends().await;
    late.push(unused);
    server.until_open(2).await;
    assert_eq!(server.metrics.linger_ended(LingerEnd::Displaced), 0);

    // The refused ones stay while others give way.
    let _second = refused(&server).await;
    until_ended(&server, LingerEnd::Displaced, 1).await;
    for _ in 0..16 {
        first.send(vec![0; MIB / 16]).await;
    }
    assert_eq!(server.metrics.lingering(), 2);
    // A head that is refused, by the parser or before it, counts as an unread body.
    let mut heads = Vec::new();
    for (displaced, head) in [(2, "GET /ok\0 HTTP/1.1\r\nHost: a\r\n\r\n"), (3, "GET /ok HTTP/1.1\n")] {
        let mut client = server.connect().await;
        client.send(head).await;
        assert_eq!(client.answer().await.status, 400);
        until_ended(&server, LingerEnd::Displaced, displaced).await;
        heads.push(client);
    }
}

#[tokio::test]
async fn where_nothing_may_linger_the_close_is_at_once() {
    let server = server(LingerConfig { connections_max: 0, ..ENDLESS }).await;
    let _client = refused(&server).await;
    server.until_open(0).await;
    assert_eq!(server.metrics.lingered(), 0);
}

#[tokio::test]
async fn a_connection_that_lingers_takes_no_place_of_one_that_is_served() {
    let server = Server::start(NetConfig { connections_max: 1, linger: ENDLESS, ..config() }).await;
    let mut lingering = Vec::new();
    for count in 1..=3 {
        lingering.push(refused(&server).await);
        until_lingering(&server, count).await;
    }
    let mut served = server.connect().await;
    assert_eq!(served.get("/ok").await.status, 200);
    // One more is refused as ever.
    server.connect().await.ends().await;
    assert_eq!((server.metrics.refused(), server.metrics.lingering()), (1, 3));
    assert_eq!(served.get("/ok").await.status, 200);
}

#[tokio::test]
async fn the_shutdown_waits_for_no_lingering_connection_longer_than_for_requests() {
    let drain_timeout = Duration::from_millis(200);
    let server = Server::start(NetConfig { drain_timeout, linger: ENDLESS, ..config() }).await;
    let _client = refused(&server).await;
    until_lingering(&server, 1).await;
    server.shutdown.cancel();
    let drained = timeout(PATIENCE, server.task).await.unwrap().unwrap();
    assert_eq!(drained.cut, 0, "no request was cut");
}
