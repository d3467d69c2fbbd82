//! Digest authentication (RFC 7616).

use crate::origin::{Origin, expect};
use headwater_meta::{Command, DigestHashes, NamespaceSettings, Outcome, Permission, secret};
use headwater_testkit::RawResponse;
use headwater_types::{ApiKey, SystemRng};
use md5::Md5;
use sha2::{Digest, Sha256};

const TARGET: &str = "/cache/live/k.ts?ttl_seconds=60";

fn hash(sha256: bool, text: String) -> String {
    let bytes = if sha256 { Sha256::digest(text).to_vec() } else { Md5::digest(text).to_vec() };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn origin_with_digest() -> (Origin, ApiKey) {
    let settings = NamespaceSettings { digest: true, ..NamespaceSettings::default() };
    let origin = Origin::with_settings(settings).await;
    let key = ApiKey::generate(&SystemRng);
    let a1 = |sha256| hash(sha256, format!("{}:live:{}", key.id, key.reveal()));
    let command = Command::CreateKey {
        id: key.id.clone(),
        secret_sha256: secret::hash(&key),
        namespace: Some(origin.keys.id),
        permission: Permission::ReadWrite,
        prefix: None,
        expires_at: None,
        cidrs: Vec::new(),
        digest: Some(DigestHashes { md5: a1(false), sha256: a1(true) }),
        rate_limits: Default::default(),
    };
    let outcome = origin.cluster.propose(command).await.unwrap();
    assert!(matches!(outcome, Outcome::Key(_)), "{outcome:?}");
    (origin, key)
}

/// The challenges of a refusal, in order.
fn challenges(refusal: &RawResponse) -> Vec<&str> {
    let challenges = refusal.headers.iter().filter(|(name, _)| name == "www-authenticate");
    challenges.map(|(_, value)| value.as_str()).collect()
}

fn nonce(challenge: &str) -> &str {
    challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap()
}

fn answer(key: &ApiKey, sha256: bool, nonce: &str, method: &str, uri: &str) -> String {
    let (user, secret) = (&key.id, key.reveal());
    let (a1, a2) = (hash(sha256, format!("{user}:live:{secret}")), hash(sha256, format!("{method}:{uri}")));
    let response = hash(sha256, format!("{a1}:{nonce}:00000001:00ff:auth:{a2}"));
    let algorithm = if sha256 { "SHA-256" } else { "MD5" };
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"live\", nonce=\"{nonce}\", uri=\"{uri}\", \
         algorithm={algorithm}, qop=auth, nc=00000001, cnonce=\"00ff\", response=\"{response}\"\r\n"
    )
}

#[tokio::test]
async fn the_challenge_is_digest_only_and_comes_before_the_body() {
    let (origin, _) = origin_with_digest().await;
    let mut conn = origin.conn().await;
    let head = "PUT /cache/live/k.ts HTTP/1.1\r\nHost: o\r\nContent-Length: 5000000\r\n\r\n";
    conn.send(head).await.unwrap();
    let refusal = conn.response().await.unwrap();
    expect(&refusal, 401, "unauthorized");
    let challenges = challenges(&refusal);
    assert_eq!(challenges.len(), 2, "{challenges:?}");
    for (challenge, algorithm) in challenges.iter().zip(["SHA-256", "MD5"]) {
        let nonce = nonce(challenge);
        let want = format!("Digest realm=\"live\", qop=\"auth\", nonce=\"{nonce}\", algorithm={algorithm}");
        assert_eq!(*challenge, want);
    }
}

#[tokio::test]
async fn an_answer_is_taken_by_every_frontend_for_its_method_and_target() {
    let (origin, key) = origin_with_digest().await;
    let refusal = origin.request_at(0, "PUT", TARGET, "", b"x").await;
    let nonce = nonce(challenges(&refusal)[0]).to_owned();
    for (frontend, sha256) in [(0, true), (0, false), (1, true), (1, false)] {
        let put = answer(&key, sha256, &nonce, "PUT", TARGET);
        let stored = origin.request_at(frontend, "PUT", TARGET, &put, b"x").await;
        assert!(matches!(stored.status, 201 | 204), "{frontend} {sha256}: {}", stored.text());
        for (method, target) in
            [("GET", TARGET), ("PUT", "/cache/live/other.ts"), ("PUT", "/cache/live/k.ts")]
        {
            let refused = origin.request_at(frontend, method, target, &put, b"").await;
            expect(&refused, 401, "unauthorized");
            assert!(!challenges(&refused)[0].contains("stale"));
        }
    }
    // The age of a nonce is tested where the clock can be moved; this one no frontend has made.
    let forged = answer(&key, true, &nonce.replacen('0', "1", 1), "GET", TARGET);
    let refused = origin.request("GET", TARGET, &forged, b"").await;
    expect(&refused, 401, "unauthorized");
    assert!(challenges(&refused).iter().all(|challenge| challenge.ends_with(", stale=true")));
}

#[tokio::test]
async fn other_forms_go_on_working_and_what_cannot_answer_is_refused() {
    let (origin, key) = origin_with_digest().await;
    for headers in [origin.encoder(), super::basic(&origin.keys.encoder), super::basic(&key.reveal())] {
        let put = origin.request("PUT", TARGET, &headers, b"x").await;
        assert!(matches!(put.status, 201 | 204), "{headers}: {}", put.text());
    }
    let nonce = nonce(challenges(&origin.request("GET", TARGET, "", b"").await)[1]).to_owned();
    let right = answer(&key, false, &nonce, "GET", TARGET);
    expect(&origin.request("GET", TARGET, &right, b"").await, 200, "");
    let without_digest = ApiKey::parse(&origin.keys.encoder).unwrap();
    for wrong in [
        answer(&without_digest, false, &nonce, "GET", TARGET),
        right.replace("qop=auth, ", ""),
        right.replace("cnonce=\"00ff\", ", ""),
        right.replace("realm=\"live\"", "realm=\"other\""),
        right.replace("nc=00000001", "nc=00000002"),
        right.replace("algorithm=MD5", "algorithm=SHA-256"),
    ] {
        expect(&origin.request("GET", TARGET, &wrong, b"").await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn an_empty_first_attempt_is_refused_and_stores_nothing() {
    let (origin, key) = origin_with_digest().await;
    let mut conn = origin.conn().await;
    let empty = format!("PUT {TARGET} HTTP/1.1\r\nHost: o\r\nContent-Length: 0\r\n");
    let refusal = conn.exchange(format!("{empty}\r\n")).await.unwrap();
    expect(&refusal, 401, "unauthorized");
    // The connection stays for the second attempt.
    let answer = answer(&key, true, nonce(challenges(&refusal)[0]), "PUT", TARGET);
    let body = format!("PUT {TARGET} HTTP/1.1\r\nHost: o\r\nContent-Length: 4\r\n{answer}\r\nbody");
    assert_eq!(conn.exchange(body).await.unwrap().status, 201);
    assert_eq!(origin.get("k.ts").await.body, b"body");
}

#[tokio::test]
async fn without_digest_in_the_namespace_answers_are_ignored() {
    let origin = Origin::start().await;
    let key = ApiKey::parse(&origin.keys.encoder).unwrap();
    let refused = origin.request("GET", TARGET, &answer(&key, true, "0", "GET", TARGET), b"").await;
    expect(&refused, 401, "unauthorized");
    assert_eq!(challenges(&refused), ["Basic realm=\"headwater\""]);
}
