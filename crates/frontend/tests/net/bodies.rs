//! Request bodies: `Expect`, answers that come before the body's end, clients that close early.

use super::support::{PATIENCE, Server, config};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, time::timeout};

const EXPECT: &str = "Host: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";

#[tokio::test]
async fn continue_is_sent_when_the_handler_reads_and_not_before() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    client.send(format!("PUT /gated HTTP/1.1\r\n{EXPECT}")).await;
    let mut byte = [0];
    let early = timeout(Duration::from_millis(50), client.stream.peek(&mut byte)).await;
    assert!(early.is_err(), "something was sent before the handler read");

    server.routes.gate.notify_one();
    assert_eq!(client.answer().await.status, 100);
    client.send("abc").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "3"));
    assert_eq!(client.get("/ok").await.body, "ok");
}

#[tokio::test]
async fn a_refusal_takes_the_place_of_continue() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    client.send(format!("PUT /refuse HTTP/1.1\r\n{EXPECT}")).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 401);
    assert!(answer.closes());
    client.ends().await;
}

#[tokio::test]
async fn a_client_that_closes_after_its_last_chunk_has_stored() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    client
        .send("PUT /store HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .await;
    drop(client);
    let stored = async {
        while server.routes.stored.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, stored).await.unwrap();
    server.until_open(0).await;

    // A closed direction is not the end of the client: it still reads the answer.
    let mut client = server.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.stream.shutdown().await.unwrap();
    server.routes.slow_begun.notified().await;
    server.routes.slow_go.notify_one();
    assert_eq!(client.answer().await.body, "slow");
    client.ends().await;
}

#[tokio::test]
async fn a_body_cut_short_is_an_error_to_the_handler_and_ends_the_connection() {
    let server = Server::start(config()).await;
    for framing in ["Content-Length: 5\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let mut client = server.connect().await;
        client.send(format!("PUT /store HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        client.stream.shutdown().await.unwrap();
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (400, "cut"));
        assert!(answer.closes());
        client.ends().await;
    }
    assert_eq!(server.routes.stored.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn small_chunks_on_a_kept_connection_do_not_wait_for_delayed_acknowledgements() {
    const UPLOADS: usize = 21;
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    // With Nagle's algorithm, as encoders have it: the second write waits for the acknowledgement of the first.
    client.stream.set_nodelay(false).unwrap();
    for _ in 0..5 {
        assert_eq!(client.get("/ok").await.status, 200);
    }
    let mut times = Vec::new();
    for _ in 0..UPLOADS {
        let before = Instant::now();
        client.send("PUT /store HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        client.send("3\r\nabc\r\n").await;
        client.send("0\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 201);
        times.push(before.elapsed());
    }
    // A delayed acknowledgement is 40 ms late, and delays every upload.
    times.sort();
    assert!(times[UPLOADS / 2] < Duration::from_millis(20), "{times:?}");
}
