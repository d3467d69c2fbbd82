//! Credentials: every form, any grants, refused before the body.

mod digest;
mod networks;
mod signed;

use crate::origin::{Origin, expect};
use base64::{Engine, engine::general_purpose::STANDARD};
use headwater_meta::{Command, Permission};
use headwater_testkit::within;
use std::time::Duration;

fn basic(password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("momento:{password}")))
}

#[tokio::test]
async fn every_form_carries_a_key() {
    let origin = Origin::start().await;
    let key = origin.keys.encoder.clone();
    for headers in [
        format!("Authorization: {key}\r\n"),
        format!("Authorization: Bearer {key}\r\n"),
        format!("authorization: bearer {key}\r\n"),
        basic(&key),
    ] {
        let put = origin.request("PUT", "/cache/live/k.ts", &headers, b"x").await;
        assert!(matches!(put.status, 201 | 204), "{headers}: {}", put.status);
    }
    let put = origin.request("PUT", &format!("/cache/live/k.ts?token={key}"), "", b"x").await;
    expect(&put, 204, "");
}

#[tokio::test]
async fn one_that_grants_is_enough_whatever_else_is_there() {
    let origin = Origin::start().await;
    origin.put("k.ts", b"x").await;
    let (encoder, player) = (origin.keys.encoder.clone(), origin.keys.player.clone());
    let nobody = "hw_000000000000_0000000000000000000000000000000000000000000";
    for (header, token, get, put) in [
        (player.as_str(), encoder.as_str(), 200, 204),
        (encoder.as_str(), player.as_str(), 200, 204),
        (player.as_str(), nobody, 200, 403),
        (nobody, player.as_str(), 200, 403),
        ("garbage", player.as_str(), 200, 403),
        (nobody, "garbage", 401, 401),
        ("", "", 401, 401),
    ] {
        let headers = if header.is_empty() { String::new() } else { format!("Authorization: {header}\r\n") };
        let target = format!("/cache/live/k.ts?token={token}");
        assert_eq!(origin.request("GET", &target, &headers, b"").await.status, get, "GET {header} {token}");
        assert_eq!(origin.request("PUT", &target, &headers, b"y").await.status, put, "PUT {header} {token}");
    }
}

#[tokio::test]
async fn none_valid_is_401_and_not_granted_is_403() {
    let origin = Origin::start().await;
    origin.put("shows/a/k.ts", b"x").await;
    let none = origin.request("GET", "/cache/live/k.ts", "", b"").await;
    expect(&none, 401, "unauthorized");
    assert!(none.header("www-authenticate").unwrap().starts_with("Basic"));
    assert!(!none.header("www-authenticate").unwrap().contains("Digest"));

    expect(&origin.request("PUT", "/cache/live/k.ts", &origin.player(), b"x").await, 403, "forbidden");
    expect(&origin.request("GET", "/cache/unknown/k.ts", &origin.player(), b"").await, 403, "forbidden");
    let other = origin.cluster.namespace("other", Default::default()).await.unwrap();
    let headers = format!("Authorization: {}\r\n", other.encoder);
    expect(&origin.request("GET", "/cache/live/k.ts", &headers, b"").await, 403, "forbidden");

    let id = Some(origin.keys.id);
    let prefix = origin.cluster.key(id, Permission::ReadOnly, Some("shows/a/")).await.unwrap().reveal();
    let headers = format!("Authorization: {prefix}\r\n");
    expect(&origin.request("GET", "/cache/live/shows/a/k.ts", &headers, b"").await, 200, "");
    for key in ["shows/ab/k.ts", "shows/a", "k.ts"] {
        let response = origin.request("GET", &format!("/cache/live/{key}"), &headers, b"").await;
        expect(&response, 403, "forbidden");
    }
    let writer = origin.cluster.key(id, Permission::WriteOnly, None).await.unwrap().reveal();
    let headers = format!("Authorization: {writer}\r\n");
    expect(&origin.request("PUT", "/cache/live/w", &headers, b"x").await, 201, "");
    expect(&origin.request("GET", "/cache/live/w", &headers, b"").await, 403, "forbidden");
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second_on_a_live_connection() {
    let origin = Origin::start().await;
    origin.put("k.ts", b"x").await;
    let mut conn = origin.conn().await;
    let request = Origin::bytes("GET", "/cache/live/k.ts", &origin.player(), b"");
    assert_eq!(conn.exchange(&request).await.unwrap().status, 200);
    let revoke = Command::RevokeKey { id: origin.keys.player_id.clone() };
    origin.cluster.store.propose(revoke, Duration::from_secs(30)).await.unwrap();
    let refused = async {
        while conn.exchange(&request).await.unwrap().status != 401 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(Duration::from_secs(1), refused).await.expect("the revoked key works after a second");
}

#[tokio::test]
async fn a_refusal_comes_before_the_body_and_is_received_whole() {
    let origin = Origin::start().await;
    for headers in ["", "Expect: 100-continue\r\n"] {
        let mut conn = origin.conn().await;
        let head =
            format!("PUT /cache/live/k.ts HTTP/1.1\r\nHost: o\r\nContent-Length: 5000000\r\n{headers}\r\n");
        conn.send(head).await.unwrap();
        // No byte of the body was sent: the answer must come all the same, and be final.
        let (status, _) = conn.head().await.unwrap();
        assert_eq!(status, 401);
    }
    // A client that pushes on through the refusal still reads it: no reset.
    let mut conn = origin.conn().await;
    conn.send("PUT /cache/live/k.ts HTTP/1.1\r\nHost: o\r\nContent-Length: 900000\r\n\r\n").await.unwrap();
    conn.send(vec![0; 900_000]).await.unwrap();
    expect(&conn.response().await.unwrap(), 401, "unauthorized");
    assert!(conn.is_closed_within(Duration::from_secs(30)).await);
}
