//! Requests that two readers could take differently, methods and header limits.

use super::support::{Server, config};
use headwater_frontend::net::Protocol;

const SECOND: &str = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn with_both_framings_the_chunks_count_and_no_second_request_is_read() {
    let server = Server::start(config()).await;
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let mut client = server.connect().await;
        client
            .send(format!("PUT /store HTTP/1.1\r\nHost: a\r\n{headers}\r\n3\r\nabc\r\n0\r\n\r\n{SECOND}"))
            .await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (201, "3"), "{headers}");
        assert!(answer.closes());
        client.ends().await;
    }
    assert_eq!(server.second(), 0);
}

#[tokio::test]
async fn malformed_requests_are_refused_and_nothing_after_them_is_served() {
    let server = Server::start(config()).await;
    let cases = [
        ("obs-fold", "GET /ok HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
        ("bare LF after the request line", "GET /ok HTTP/1.1\nHost: a\r\n\r\n"),
        ("bare LF in a header", "GET /ok HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n"),
        (
            "bare LF hides a request",
            "GET /ok HTTP/1.1\r\nHost: a\r\nX: b\n\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "bare LF in a pipelined request",
            "GET /ok HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\nHost: a\n\n",
        ),
        ("fragment", "GET /ok#x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bare CR", "GET /ok HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n"),
        ("space before the colon", "GET /ok HTTP/1.1\r\nHost : a\r\n\r\n"),
        (
            "differing lengths",
            "PUT /store HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        ),
        ("list of lengths", "PUT /store HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc"),
        ("signed length", "PUT /store HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"),
        ("unknown coding", "PUT /store HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        (
            "coding under chunked",
            "PUT /store HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "chunked twice",
            "PUT /store HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("coding in HTTP/1.0", "PUT /store HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (
            "chunk size overflow",
            "PUT /store HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "chunk size ends with LF",
            "PUT /store HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        ),
        (
            "chunk longer than its size",
            "PUT /store HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        ),
        ("no host", "GET /ok HTTP/1.1\r\n\r\n"),
        ("two hosts", "PUT /store HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc"),
    ];
    for (name, request) in cases {
        let mut client = server.connect().await;
        client.send(format!("{request}{SECOND}")).await;
        if name.contains("pipelined") {
            assert_eq!(client.answer().await.status, 200);
        }
        let answer = client.answer().await;
        assert_eq!(answer.status, 400, "{name}");
        // Without a body the framing is whole, and the next request is one.
        if name == "no host" {
            assert_eq!(client.answer().await.body, "second");
            assert_eq!(server.routes.second.swap(0, std::sync::atomic::Ordering::SeqCst), 1);
            continue;
        }
        client.ends().await;
        assert_eq!(server.second(), 0, "{name}");
    }
}

#[tokio::test]
async fn a_request_behind_a_body_is_looked_at_as_every_other() {
    let server = Server::start(config()).await;
    let bodies = [
        "Content-Length: 3\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: z\r\n\r\n",
    ];
    for body in bodies {
        let put = format!("PUT /store HTTP/1.1\r\nHost: a\r\n{body}");
        let mut client = server.connect().await;
        client.send(format!("{put}{put}GET /ok HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        for status in [201, 201, 200] {
            assert_eq!(client.answer().await.status, status, "{body:?}");
        }
        for bad in ["GET /second HTTP/1.1\nHost: a\n\n", "GET /second#x HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let mut client = server.connect().await;
            client.send(format!("{put}{bad}")).await;
            assert_eq!(client.answer().await.status, 201, "{body:?}");
            assert_eq!(client.answer().await.status, 400, "{body:?}{bad:?}");
            client.ends().await;
        }
    }
    assert_eq!(server.second(), 0);
}

#[tokio::test]
async fn an_error_ends_no_connection_whose_requests_were_read_whole() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    let missing = client.get("/missing").await;
    assert_eq!(missing.status, 404);
    assert!(!missing.closes());
    client.send("PUT /store HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(client.answer().await.status, 201);
    assert_eq!(client.get("/ok").await.body, "ok");
    // Requests sent ahead are answered in order.
    client.send(format!("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n{SECOND}")).await;
    assert_eq!(client.answer().await.body, "ok");
    assert_eq!(client.answer().await.body, "second");

    let local = client.stream.local_addr().unwrap();
    assert_eq!(client.get("/who").await.body, format!("1 {local} http1"));
    assert_eq!(server.metrics.spoke(Protocol::Http1), 1);
}

#[tokio::test]
async fn http_1_0_is_served_and_closes() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    client.send("GET /ok HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "ok");
    client.ends().await;
}

#[tokio::test]
async fn trace_and_connect_are_not_allowed() {
    let server = Server::start(config()).await;
    for request in ["TRACE /ok", "CONNECT a:443"] {
        let mut client = server.connect().await;
        client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, 405, "{request}");
    }
}

#[tokio::test]
async fn header_blocks_are_served_at_the_limits_and_431_one_past() {
    let server = Server::start(config()).await;
    let of_bytes = |bytes: usize| {
        let frame = "GET /ok HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        format!("GET /ok HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(bytes - frame))
    };
    let of_count =
        |count: usize| format!("GET /ok HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    for (request, status) in
        [(of_bytes(32768), 200), (of_bytes(32769), 431), (of_count(100), 200), (of_count(101), 431)]
    {
        let mut client = server.connect().await;
        client.send(&request).await;
        assert_eq!(client.answer().await.status, status, "{} bytes", request.len());
        if status == 431 {
            client.ends().await;
        }
    }
}
