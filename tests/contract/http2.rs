//! HTTP/2: bodies and answers that end before their time.

use crate::origin::{Origin, expect};
use futures_util::stream;
use headwater_testkit::until;
use headwater_types::limits;
use reqwest::{Body, Client, Method, RequestBuilder, Response, Version};
use std::{io, time::Duration};
use tokio::{sync::mpsc, time::timeout};

const LIMIT: Duration = Duration::from_secs(30);

fn client() -> Client {
    Client::builder().http2_prior_knowledge().build().unwrap()
}

fn url(origin: &Origin, frontend: usize, key: &str) -> String {
    format!("http://{}/cache/live/{key}", origin.cluster.addresses[frontend])
}

fn put(client: &Client, origin: &Origin, key: &str) -> RequestBuilder {
    client.put(url(origin, 0, key)).bearer_auth(&origin.keys.encoder)
}

/// A body of unknown length that is sent piece by piece. An error resets its stream.
fn pieces() -> (mpsc::Sender<io::Result<Vec<u8>>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let pieces = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    (sender, Body::wrap_stream(pieces))
}

/// The answer to a GET of an object that arrives.
async fn follow(client: &Client, origin: &Origin, frontend: usize, key: &str) -> Response {
    until("the object arrives", LIMIT, || async {
        let get = client.get(url(origin, frontend, key)).bearer_auth(&origin.keys.player);
        Some(get.send().await.unwrap()).filter(|answer| answer.status() == 200)
    })
    .await
}

#[tokio::test]
async fn a_body_that_is_reset_leaves_nothing() {
    let origin = Origin::start().await;
    let client = client();
    let (body, stream) = pieces();
    let upload = tokio::spawn(put(&client, &origin, "d/cut.ts").body(stream).send());
    body.send(Ok(b"half".to_vec())).await.unwrap();
    let mut reader = follow(&client, &origin, 1, "d/cut.ts").await;
    assert_eq!(reader.chunk().await.unwrap().unwrap(), "half");
    body.send(Err(io::Error::other("cut"))).await.unwrap();
    let answer = timeout(LIMIT, upload).await.expect("the upload ends").unwrap();
    assert!(answer.is_err(), "{answer:?}");

    let cut = timeout(LIMIT, reader.chunk()).await.expect("the reader is cut");
    let error = format!("{:?}", cut.expect_err("half a segment never looks whole"));
    assert!(error.contains("Reset"), "an error of the stream alone: {error}");
    until("no trace of the upload is left", LIMIT, || async {
        let idle = origin.cluster.nodes.iter().all(|node| {
            node.refresh_gauges();
            node.arriving() == 0 && node.metrics().inflight_bytes.get() == 0
        });
        idle.then_some(())
    })
    .await;
    expect(&origin.get("d/cut.ts").await, 404, "not_found");
    assert!(origin.cluster.tiers.iter().all(|tier| tier.stats().records() == 0));
    // The other streams of the connection are not concerned.
    assert_eq!(put(&client, &origin, "d/cut.ts").body("whole").send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_followed_read_that_is_cut_ends_in_a_stream_error() {
    let origin = Origin::start().await;
    let mut upload = origin.conn().await;
    let head = format!(
        "PUT /cache/live/d/s.ts HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n{}\r\n5\r\nfirst\r\n",
        origin.encoder()
    );
    upload.send(head).await.unwrap();
    let client = client();
    let mut readers = Vec::new();
    for frontend in 0..2 {
        let mut reader = follow(&client, &origin, frontend, "d/s.ts").await;
        assert_eq!((reader.version(), reader.content_length()), (Version::HTTP_2, None));
        assert_eq!(reader.chunk().await.unwrap().unwrap(), "first");
        readers.push(reader);
    }
    drop(upload);
    for mut reader in readers {
        let cut = timeout(LIMIT, reader.chunk()).await.expect("the reader is cut");
        let error = format!("{:?}", cut.expect_err("half a segment never looks whole"));
        assert!(error.contains("Reset"), "an error of the stream alone: {error}");
    }
}

#[tokio::test]
async fn too_large_is_413_with_and_without_a_length() {
    let origin = Origin::start().await;
    let client = client();
    let max = limits::OBJECT_BYTES_DEFAULT as usize;
    let problem = async |answer: Response| {
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "too_large");
    };
    // Content-Length says so: before a byte of the body.
    let (body, stream) = pieces();
    let upload = put(&client, &origin, "d/past.ts").header("content-length", max + 1).body(stream);
    problem(timeout(LIMIT, upload.send()).await.expect("answered before the body").unwrap()).await;
    drop(body);
    // Without a length: when the count passes.
    let whole = |bytes: usize| {
        Body::wrap_stream(stream::iter(
            (0..bytes).step_by(1 << 16).map(move |at| Ok::<_, io::Error>(vec![7; (bytes - at).min(1 << 16)])),
        ))
    };
    problem(put(&client, &origin, "d/past.ts").body(whole(max + 1)).send().await.unwrap()).await;
    assert_eq!(put(&client, &origin, "d/at.ts").body(whole(max)).send().await.unwrap().status(), 201);
    expect(&origin.get("d/past.ts").await, 404, "not_found");
    assert_eq!(origin.get("d/at.ts").await.body.len(), max);
}

#[tokio::test]
async fn trace_and_connect_are_refused_with_a_problem_and_the_connection_goes_on() {
    let origin = Origin::start().await;
    let client = client();
    for method in [Method::TRACE, Method::CONNECT] {
        let answer = client.request(method.clone(), url(&origin, 0, "d/s.ts")).send();
        let answer = timeout(LIMIT, answer).await.expect("it is answered").unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (405, Version::HTTP_2), "{method}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{method}");
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "method_not_allowed", "{method}");
        assert_eq!(problem["request_id"], id, "{method}");
    }
    assert_eq!(put(&client, &origin, "d/s.ts").body("x").send().await.unwrap().status(), 201);
}
