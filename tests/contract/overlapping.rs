//! Overlapping PUTs of one name: the one whose request came later stays, whichever body ends first.

use crate::{
    origin::{Origin, expect},
    read_while_write::{open_get, open_put},
};
use futures_util::{StreamExt, stream};
use headwater_testkit::{RawConn, RawResponse, until};
use reqwest::{Body, Client};
use std::{io, time::Duration};

const LIMIT: Duration = Duration::from_secs(30);

/// Sends the head and first bytes of a PUT, and waits until a frontend has read them.
async fn begin(origin: &Origin, key: &str, text: &str) -> RawConn {
    arrives(origin, false).await;
    let mut conn = open_put(origin, key).await;
    conn.send(format!("{:x}\r\n{text}\r\n", text.len())).await.unwrap();
    arrives(origin, true).await;
    conn
}

/// Waits until both nodes have a body that arrives, whose request was read then; or until neither has one.
async fn arrives(origin: &Origin, any: bool) {
    until("uploads have begun, or ended", LIMIT, || async {
        let is_so = origin.cluster.nodes.iter().all(|node| {
            node.refresh_gauges();
            (node.metrics().inflight_bytes.get() > 0) == any
        });
        is_so.then_some(())
    })
    .await;
}

fn put(origin: &Origin, key: &str, body: &str) -> Vec<u8> {
    Origin::bytes("PUT", &format!("/cache/live/{key}"), &origin.encoder(), body.as_bytes())
}

async fn assert_shows(origin: &Origin, key: &str, body: &str) {
    for frontend in 0..2 {
        let get =
            origin.request_at(frontend, "GET", &format!("/cache/live/{key}"), &origin.player(), b"").await;
        assert_eq!((get.status, get.text()), (200, body.to_owned()), "frontend {frontend}");
    }
}

/// The entity tag of an answer is that of its own body.
async fn assert_tag_of(origin: &Origin, answer: &RawResponse, body: &str) {
    let same = origin.put("other/same.bin", body.as_bytes()).await;
    assert_eq!(answer.header("etag"), same.header("etag"), "{body}");
}

#[tokio::test]
pub(crate) async fn the_later_of_two_puts_stays_whichever_body_ends_first() {
    let origin = Origin::start().await;
    for key in ["d/live.m3u8", "d/s.ts"] {
        for reused in [false, true] {
            let key = format!("{reused}/{key}");
            let (mut earlier, mut later) = (origin.conn().await, origin.conn().await);
            if reused {
                for conn in [&mut later, &mut earlier] {
                    assert_eq!(
                        conn.exchange(put(&origin, "other/first", "x")).await.unwrap().status / 100,
                        2
                    );
                }
            }
            let request = put(&origin, &key, "earlier");
            let (head, last) = request.split_at(request.len() - 1);
            arrives(&origin, false).await;
            earlier.send(head).await.unwrap();
            arrives(&origin, true).await;
            let answer = later.exchange(put(&origin, &key, "later")).await.unwrap();
            expect(&answer, 201, "");
            assert_tag_of(&origin, &answer, "later").await;
            assert_shows(&origin, &key, "later").await;
            let answer = earlier.exchange(last).await.unwrap();
            expect(&answer, 204, "");
            assert_tag_of(&origin, &answer, "earlier").await;
            assert_shows(&origin, &key, "later").await;
            // What comes after that is later than both.
            expect(&earlier.exchange(put(&origin, &key, "next")).await.unwrap(), 204, "");
            assert_shows(&origin, &key, "next").await;
        }
    }
    let overlapped = origin.cluster.nodes.iter().map(|node| node.metrics().puts_overlapped.get());
    assert_eq!(overlapped.sum::<u64>(), 4);
}

#[tokio::test]
async fn a_connection_that_was_opened_ahead_of_use_counts_from_its_request() {
    let origin = Origin::start().await;
    let mut ahead = origin.conn().await;
    let mut earlier = begin(&origin, "d/live.m3u8", "earlier").await;
    expect(&ahead.exchange(put(&origin, "d/live.m3u8", "later")).await.unwrap(), 201, "");
    expect(&earlier.exchange("0\r\n\r\n").await.unwrap(), 204, "");
    assert_shows(&origin, "d/live.m3u8", "later").await;

    let mut ahead = origin.conn().await;
    expect(&origin.put("d/live.m3u8", b"answered").await, 204, "");
    expect(&ahead.exchange(put(&origin, "d/live.m3u8", "after that")).await.unwrap(), 204, "");
    assert_shows(&origin, "d/live.m3u8", "after that").await;
}

#[tokio::test]
async fn empty_lines_before_a_request_do_not_begin_it() {
    let origin = Origin::start().await;
    let key = "d/live.m3u8";
    // Behind a body on a kept connection, and first on a new one.
    let mut kept = origin.conn().await;
    let with_line = [put(&origin, key, "first").as_slice(), b"\r\n"].concat();
    expect(&kept.exchange(with_line).await.unwrap(), 201, "");
    let mut new = origin.conn().await;
    new.send("\r\n").await.unwrap();
    for (mut conn, body) in [(kept, "after a body"), (new, "on a new connection")] {
        assert_eq!(origin.get(key).await.status, 200);
        expect(&origin.put(key, b"answered").await, 204, "");
        expect(&conn.exchange(put(&origin, key, body)).await.unwrap(), 204, "");
        assert_shows(&origin, key, body).await;
    }
    let overlapped = origin.cluster.nodes.iter().map(|node| node.metrics().puts_overlapped.get());
    assert_eq!(overlapped.sum::<u64>(), 0);
}

#[tokio::test]
async fn puts_that_are_sent_back_to_back_on_new_connections_stay_in_order() {
    const TIMES: usize = 100;
    let origin = Origin::start().await;
    let once = |n: usize| {
        let origin = &origin;
        async move {
            let key = format!("{n}/live.m3u8");
            let mut answers = Vec::new();
            for body in ["first", "second", "last"] {
                let mut conn = origin.conn().await;
                conn.send(put(origin, &key, body)).await.unwrap();
                answers.push(conn);
            }
            for mut conn in answers {
                assert_eq!(conn.response().await.unwrap().status / 100, 2);
            }
            assert_eq!(origin.get(&key).await.text(), "last", "{key}");
        }
    };
    stream::iter(0..TIMES).for_each_concurrent(4, once).await;
}

#[tokio::test]
async fn puts_that_wait_for_each_other_are_never_taken_for_overlapping() {
    const CLIENTS: usize = 8;
    const TIMES: usize = 25;
    let origin = Origin::start().await;
    // One pool of connections: a request may go on one that was opened for another.
    let pool = Client::new();
    let writer = |n: usize| {
        let (origin, pool) = (&origin, &pool);
        async move {
            let url = format!("http://{}/cache/live/{n}.bin", origin.cluster.addresses[0]);
            for time in 0..TIMES {
                let put = pool.put(&url).bearer_auth(&origin.keys.encoder).body(time.to_string());
                assert!(put.send().await.unwrap().status().is_success());
                let got = pool.get(&url).bearer_auth(&origin.keys.player).send().await.unwrap();
                assert_eq!(got.text().await.unwrap(), time.to_string());
            }
        }
    };
    stream::iter(0..CLIENTS).for_each_concurrent(CLIENTS, writer).await;
    let overlapped = origin.cluster.nodes.iter().map(|node| node.metrics().puts_overlapped.get());
    assert_eq!(overlapped.sum::<u64>(), 0);
}

#[tokio::test]
async fn over_http2_the_later_stream_stays() {
    let origin = Origin::start().await;
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/cache/live/d/s.ts", origin.cluster.addresses[0]);
    let open = || {
        let (sender, receiver) = tokio::sync::mpsc::channel::<io::Result<&'static str>>(1);
        let pieces = stream::unfold(receiver, |mut r| async { Some((r.recv().await?, r)) });
        let put = client.put(&url).bearer_auth(&origin.keys.encoder).body(Body::wrap_stream(pieces));
        (sender, tokio::spawn(put.send()))
    };
    let (earlier, earlier_put) = open();
    earlier.send(Ok("earlier")).await.unwrap();
    arrives(&origin, true).await;
    let (later, later_put) = open();
    later.send(Ok("later")).await.unwrap();
    until("the one begun last is followed", LIMIT, || async {
        let (mut reader, _) = open_get(&origin, 0, "d/s.ts").await;
        (reader.chunk().await.unwrap() == b"later").then_some(())
    })
    .await;
    drop(later);
    assert_eq!(later_put.await.unwrap().unwrap().status(), 201);
    drop(earlier);
    assert_eq!(earlier_put.await.unwrap().unwrap().status(), 204);
    assert_shows(&origin, "d/s.ts", "later").await;
}

#[tokio::test]
pub(crate) async fn between_frontends_the_arrival_at_the_head_decides() {
    let origin = Origin::start().await;
    let mut earlier = begin(&origin, "d/s.ts", "earlier").await;
    drop(open_get(&origin, 1, "d/s.ts").await);
    let later = origin.request_at(1, "PUT", "/cache/live/d/s.ts", &origin.encoder(), b"later").await;
    expect(&later, 201, "");
    expect(&earlier.exchange("0\r\n\r\n").await.unwrap(), 204, "");
    assert_shows(&origin, "d/s.ts", "later").await;
}

#[tokio::test]
pub(crate) async fn conditional_puts_and_deletes_are_decided_as_they_end() {
    let origin = Origin::start().await;
    let key = "d/state.bin";
    expect(&origin.put(key, b"old").await, 201, "");
    let mut earlier = begin(&origin, key, "earlier").await;
    expect(&origin.put_with(key, "If-Match: *\r\n", b"conditional").await, 204, "");
    expect(&earlier.exchange("0\r\n\r\n").await.unwrap(), 204, "");
    assert_shows(&origin, key, "earlier").await;

    let mut earlier = begin(&origin, key, "earlier again").await;
    expect(&origin.put(key, b"later").await, 204, "");
    expect(&origin.request("DELETE", &format!("/cache/live/{key}"), &origin.encoder(), b"").await, 204, "");
    expect(&earlier.exchange("0\r\n\r\n").await.unwrap(), 201, "");
    assert_shows(&origin, key, "earlier again").await;
}
