//! When calls are made again, with what, and when not.

use crate::fake::{Fake, quick};
use futures_util::{TryStreamExt, stream};
use headwater_client::{Body, Client, Error, RetryPolicy};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

fn client(fake: &Fake) -> Client {
    Client::builder().retry(quick()).client(&fake.url, "live", "hw_id_secret").unwrap()
}

#[tokio::test]
async fn an_overloaded_origin_is_asked_again_with_the_same_body() {
    let fake = Fake::start().await;
    fake.refuses(503, "overloaded", &[]);
    fake.refuses(503, "outcome_unknown", &[]);
    fake.answers(201, &[("etag", "\"e\"")], "");
    let body = vec![7; 300_000];
    let outcome = client(&fake).put("a/s_1.ts", body.clone()).ttl_seconds(60).send().await.unwrap();
    assert!(outcome.created && outcome.etag.as_deref() == Some("\"e\""));
    let asked = fake.asked();
    assert_eq!(asked.len(), 3);
    for call in asked {
        assert_eq!(call.line, "PUT /cache/live/a/s_1.ts?ttl_seconds=60");
        assert_eq!(call.headers["authorization"], "Bearer hw_id_secret");
        assert_eq!(call.headers["content-length"], "300000");
        assert_eq!(call.body, body);
    }
}

#[tokio::test]
async fn a_stream_is_sent_once_with_or_without_a_length() {
    let fake = Fake::start().await;
    let pieces = || stream::iter([Ok::<_, io::Error>("one".into()), Ok("two".into())]);
    fake.refuses(503, "overloaded", &[]);
    let refused = client(&fake).put("a", Body::stream(pieces())).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("overloaded"));
    let asked = fake.asked();
    assert_eq!((asked.len(), &*asked[0].body), (1, &b"onetwo"[..]));
    assert!(!asked[0].headers.contains_key("content-length"));

    fake.answers(204, &[], "");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let client = client(&fake);
    let put = client.put("a", Body::sized_stream(pieces(), 6)).on_progress(move |sent| {
        told.lock().unwrap().push(sent);
    });
    assert!(!put.send().await.unwrap().created);
    assert_eq!(fake.asked()[0].headers["content-length"], "6");
    assert_eq!(*seen.lock().unwrap(), [3, 6]);
}

#[tokio::test]
async fn a_stream_that_fails_fails_the_put() {
    let fake = Fake::start().await;
    let pieces = stream::iter([Ok("one".into()), Err(io::Error::other("the disk is gone"))]);
    fake.answers(201, &[], "");
    let error = client(&fake).put("a", Body::stream(pieces)).send().await.unwrap_err();
    assert!(matches!(error, Error::Transport(_)), "{error:?}");
}

#[tokio::test]
async fn a_conditional_put_of_unknown_outcome_is_left_to_the_caller() {
    let fake = Fake::start().await;
    fake.refuses(503, "outcome_unknown", &[]);
    let error = client(&fake).put("a", "x").if_absent().send().await.unwrap_err();
    assert_eq!((error.code(), fake.asked().len()), (Some("outcome_unknown"), 1));
    // Nothing was stored: it is safe after all.
    fake.refuses(503, "overloaded", &[]);
    fake.answers(201, &[], "");
    assert!(client(&fake).put("a", "x").if_absent().send().await.unwrap().created);
    let asked = fake.asked();
    assert_eq!((asked.len(), &asked[1].headers["if-none-match"]), (2, &"*".parse().unwrap()));
}

#[tokio::test]
async fn a_rate_limit_is_respected_to_the_second_and_given_up_when_it_is_too_far_away() {
    let fake = Fake::start().await;
    fake.refuses(429, "rate_limited", &[("retry-after", "1")]);
    fake.answers(200, &[], "body");
    let body = client(&fake).get("a").await.unwrap().bytes().await.unwrap();
    assert_eq!(body, "body");
    let asked = fake.asked();
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(1), "{:?}", asked[1].at - asked[0].at);

    fake.refuses(429, "rate_limited", &[("retry-after", "3600")]);
    let error = client(&fake).get("a").await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(error.to_string(), "429 rate_limited: because (it asks to wait 3600 s)");
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_repeated_and_attempts_end() {
    let fake = Fake::start().await;
    for status in [400, 401, 403, 404, 412, 413, 500, 507] {
        fake.refuses(status, "code", &[("x-request-id", "r7")]);
        let error = client(&fake).get("a").await.unwrap_err();
        let Error::Refused { status: got, request_id, .. } = &error else { panic!("{error:?}") };
        assert_eq!((got.as_u16(), request_id.as_str()), (status, "r7"));
        assert_eq!(fake.asked().len(), 1, "{status}");
    }
    for _ in 0..5 {
        fake.refuses(503, "unavailable", &[]);
    }
    assert_eq!(client(&fake).delete("a").await.unwrap_err().code(), Some("unavailable"));
    assert_eq!(fake.asked().len(), 5);
    fake.refuses(503, "unavailable", &[]);
    let once = Client::builder().retry(RetryPolicy::none()).client(&fake.url, "live", "k").unwrap();
    assert!(once.head("a").await.is_err());
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_listing_that_does_not_advance_is_no_loop() {
    let fake = Fake::start().await;
    for _ in 0..4 {
        fake.answers(200, &[], r#"{"objects":[],"prefixes":[],"cursor":"same"}"#);
    }
    let error = client(&fake).list("").await.unwrap_err();
    assert!(error.to_string().contains("does not advance"), "{error}");
    let all = client(&fake);
    let error = all.list_stream("").try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("does not advance"), "{error}");
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn silence_ends_in_a_timeout_that_names_the_url_without_its_query() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::builder()
        .retry(RetryPolicy::none())
        .idle_timeout(Duration::from_millis(50))
        .client(&url, "live", "k")
        .unwrap();
    let error = client.list("secret-prefix/").await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{url}/cache/live: nothing came")), "{text}");
}

#[tokio::test]
async fn a_closed_port_is_a_refused_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::builder().retry(quick()).client(&url, "live", "k").unwrap();
    assert!(client.get("a").await.unwrap_err().is_connect());
}

#[tokio::test]
async fn redirects_are_not_followed_with_the_key() {
    let (fake, other) = (Fake::start().await, Fake::start().await);
    fake.answers(307, &[("location", &other.url)], "");
    assert_eq!(client(&fake).get("a").await.unwrap_err().status().unwrap().as_u16(), 307);
    assert!(other.asked().is_empty());
}

#[test]
fn nothing_shows_a_secret() {
    let client = Client::new("http://127.0.0.1:1", "live", "hw_id_verysecret").unwrap();
    let admin = headwater_client::Admin::new("http://127.0.0.1:1", "hw_id_verysecret").unwrap();
    let shown = format!("{client:?} {admin:?} {:?} {:?}", client.put("a", "x"), admin.clone());
    assert!(shown.contains("redacted") && !shown.contains("verysecret"), "{shown}");
}
