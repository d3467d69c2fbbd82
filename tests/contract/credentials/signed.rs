//! Signed URLs and viewer tokens.

use crate::origin::{Origin, expect};
use headwater_meta::{Command, Outcome};
use headwater_types::{
    Redacted, SystemRng,
    signing::{Claims, SigningKey},
};

/// A time in seconds that has not come, and one that has passed.
const LATER: u64 = 4_000_000_000;
const PASSED: u64 = 1_000_000_000;

async fn signing_key(origin: &Origin) -> SigningKey {
    let key = SigningKey::generate(&SystemRng);
    let (id, secret) = (key.id.clone(), Redacted(key.reveal()));
    let command = Command::CreateSigningKey { id, namespace: origin.keys.id, secret };
    let outcome = origin.cluster.propose(command).await.unwrap();
    assert!(matches!(outcome, Outcome::SigningKey(_)), "{outcome:?}");
    key
}

fn signed(origin: &Origin, key: &SigningKey, prefix: &str, exp: u64) -> String {
    let signature = key.sign_url(&origin.keys.namespace, prefix, exp);
    let prefix = prefix.replace('/', "%2F");
    format!("hw_exp={exp}&hw_prefix={prefix}&hw_kid={}&hw_sig={signature}", key.id)
}

fn token(key: &SigningKey, prefix: &str, exp: u64, verbs: &[&str]) -> String {
    let verbs = verbs.iter().map(ToString::to_string).collect();
    key.token(&Claims { ns: "live".into(), prefix: prefix.into(), exp, verbs, kid: key.id.to_string() })
}

#[tokio::test]
async fn a_signed_url_reads_below_its_prefix_until_it_ends() {
    let origin = Origin::start().await;
    origin.put("shows/a/k.ts", b"x").await;
    let key = signing_key(&origin).await;
    let good = signed(&origin, &key, "shows/a/", LATER);
    let all = signed(&origin, &key, "", LATER);
    for (method, name, query, status) in [
        ("GET", "shows/a/k.ts", &good, 200),
        ("HEAD", "shows/a/k.ts", &good, 200),
        ("GET", "shows/a/k.ts", &all, 200),
        ("GET", "shows/a/k.ts", &signed(&origin, &key, "shows", LATER), 200),
        ("GET", "shows/a/absent.ts", &good, 404),
        ("PUT", "shows/a/k.ts", &good, 403),
        ("POST", "shows/a/k.ts", &all, 403),
        ("DELETE", "shows/a/k.ts", &good, 403),
        ("GET", "shows/b/k.ts", &good, 403),
        ("GET", "shows/a/k.ts", &signed(&origin, &key, "show", LATER), 403),
        ("GET", "shows/a/k.ts", &signed(&origin, &key, "shows/a/", PASSED), 401),
        ("GET", "shows/a/k.ts", &good.replace("hw_exp=4", "hw_exp=5"), 401),
        ("GET", "shows/a/k.ts", &good.replace("shows%2Fa", "shows"), 401),
        ("GET", "shows/a/k.ts", &good.replace("hw_sig=", "hw_sig=A"), 401),
        ("GET", "shows/a/k.ts", &good.replace("hw_kid=", "hw_kid=A"), 401),
        ("GET", "shows/a/k.ts", &good.replace("hw_prefix", "hw_other"), 401),
    ] {
        for frontend in 0..2 {
            let target = format!("/cache/live/{name}?x=1&{query}");
            let response = origin.request_at(frontend, method, &target, "", b"").await;
            assert_eq!(response.status, status, "{method} {name} {query}");
        }
    }
    let listing = origin.request("GET", &format!("/cache/live?list&prefix=shows/a/&{good}"), "", b"").await;
    expect(&listing, 403, "forbidden");
    // One of the two is enough, whatever the other one is.
    let target = format!("/cache/live/shows/b/k.ts?{good}");
    expect(&origin.request("GET", &target, &origin.player(), b"").await, 404, "not_found");

    let other = origin.cluster.namespace("other", Default::default()).await.unwrap();
    let target = format!("/cache/{}/shows/a/k.ts?{good}", other.namespace);
    expect(&origin.request("GET", &target, "", b"").await, 403, "forbidden");
    origin.cluster.propose(Command::RevokeSigningKey { id: key.id.clone() }).await.unwrap();
    let target = format!("/cache/live/shows/a/k.ts?{good}");
    expect(&origin.request("GET", &target, "", b"").await, 401, "unauthorized");
}

#[tokio::test]
async fn a_viewer_token_allows_its_verbs_below_its_prefix() {
    let origin = Origin::start().await;
    let key = signing_key(&origin).await;
    let verbs = ["PUT", "GET", "HEAD", "LIST", "DELETE"];
    for (i, verb) in verbs.into_iter().enumerate() {
        let token = token(&key, "a/", LATER, &verbs[..=i]);
        for (method, target) in verbs.iter().zip([
            "/cache/live/a/k.ts",
            "/cache/live/a/k.ts",
            "/cache/live/a/k.ts",
            "/cache/live?list&prefix=a/",
            "/cache/live/a/k.ts",
        ]) {
            let allowed = verbs[..=i].contains(method);
            let http_method = if *method == "LIST" { "GET" } else { *method };
            let body: &[u8] = if *method == "PUT" { b"x" } else { b"" };
            let bearer = format!("Authorization: Bearer {token}\r\n");
            let sign = if target.contains('?') { '&' } else { '?' };
            for (target, headers) in
                [(format!("{target}{sign}token={token}"), ""), (target.to_owned(), &*bearer)]
            {
                let response = origin.request(http_method, &target, headers, body).await;
                let granted = matches!(response.status, 200 | 201 | 204 | 404);
                assert_eq!(granted, allowed, "{verb}: {method} {}", response.status);
                assert!(granted || response.status == 403, "{verb}: {method} {}", response.status);
            }
        }
    }
    for (token, status) in [
        (token(&key, "b/", LATER, &["GET"]), 403),
        (token(&key, "a", LATER, &["get"]), 403),
        (token(&key, "a/", PASSED, &["GET"]), 401),
        (token(&SigningKey::generate(&SystemRng), "a/", LATER, &["GET"]), 401),
        (token(&key, "a/", LATER, &["GET"]) + "A", 401),
        (token(&key, &"a".repeat(5000), LATER, &["GET"]), 401),
    ] {
        let target = format!("/cache/live/a/k.ts?token={token}");
        assert_eq!(origin.request("GET", &target, "", b"").await.status, status, "{token}");
    }
}
