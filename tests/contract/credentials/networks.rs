//! Keys that end, keys that are tied to networks, and a frontend that is cut off from the metadata.

use crate::origin::{Origin, expect};
use headwater_frontend::FrontendConfig;
use headwater_meta::{Command, NamespaceSettings, Outcome, Permission, secret};
use headwater_testkit::{InProcessConfig, until};
use headwater_types::{ApiKey, SystemRng, UnixMillis};
use std::time::Duration;

/// The header line of a new key that reads.
async fn key(origin: &Origin, cidrs: &[&str], expires_at: Option<UnixMillis>) -> String {
    let key = ApiKey::generate(&SystemRng);
    let command = Command::CreateKey {
        id: key.id.clone(),
        secret_sha256: secret::hash(&key),
        namespace: Some(origin.keys.id),
        permission: Permission::ReadOnly,
        prefix: None,
        expires_at,
        cidrs: cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect(),
        digest: None,
        rate_limits: Default::default(),
    };
    let outcome = origin.cluster.propose(command).await.unwrap();
    assert!(matches!(outcome, Outcome::Key(_)), "{outcome:?}");
    format!("Authorization: {}\r\n", key.reveal())
}

async fn with_frontend(frontend: FrontendConfig) -> Origin {
    let config = InProcessConfig { frontend, ..InProcessConfig::default() };
    let origin = Origin::with(config, NamespaceSettings::default()).await;
    origin.put("k.ts", b"x").await;
    origin
}

#[tokio::test]
async fn a_key_is_refused_from_elsewhere_and_after_its_end() {
    let origin = with_frontend(FrontendConfig::default()).await;
    let here = key(&origin, &["192.0.2.0/24", "127.0.0.0/8"], None).await;
    let elsewhere = key(&origin, &["192.0.2.0/24"], None).await;
    let expired = key(&origin, &[], Some(UnixMillis(1))).await;
    let forwarded = format!("{elsewhere}X-Forwarded-For: 192.0.2.7\r\n");
    for (headers, status, code) in [
        (&here, 200, ""),
        (&elsewhere, 403, "forbidden"),
        // Whoever is not a trusted proxy may say of itself what it likes.
        (&forwarded, 403, "forbidden"),
        (&expired, 401, "unauthorized"),
    ] {
        expect(&origin.request("GET", "/cache/live/k.ts", headers, b"").await, status, code);
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_the_last_address_that_is_none() {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let origin = with_frontend(FrontendConfig { trusted_proxies, ..FrontendConfig::default() }).await;
    let key = key(&origin, &["192.0.2.0/24"], None).await;
    for (forwarded, status) in [
        ("", 403),
        ("X-Forwarded-For: 192.0.2.7\r\n", 200),
        ("X-Forwarded-For: 192.0.2.7, 127.0.0.9\r\n", 200),
        ("X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n", 200),
        ("X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\n", 403),
        ("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 198.51.100.1\r\n", 403),
        ("X-Forwarded-For: 192.0.2.7, nonsense\r\n", 403),
    ] {
        let response = origin.request("GET", "/cache/live/k.ts", &format!("{key}{forwarded}"), b"").await;
        assert_eq!(response.status, status, "{forwarded}");
    }
}

#[tokio::test]
async fn a_frontend_that_is_cut_off_for_too_long_refuses_all_keys() {
    let limit = |auth_max_staleness| FrontendConfig { auth_max_staleness, ..FrontendConfig::default() };
    let origin = with_frontend(limit(Some(Duration::from_secs(60)))).await;
    expect(&origin.get("k.ts").await, 200, "");
    // The watch says something twice a second, which is too seldom for this one.
    let config = InProcessConfig { frontend: limit(Some(Duration::from_millis(1))), ..Default::default() };
    let origin = Origin::with(config, NamespaceSettings::default()).await;
    let refused = until("a key is refused", Duration::from_secs(30), || async {
        let response = origin.get("k.ts").await;
        (response.status == 503).then_some(response)
    });
    let refused = refused.await;
    expect(&refused, 503, "metadata_stale");
    assert_eq!(refused.header("retry-after"), Some("1"));
    expect(&origin.request("GET", "/cache/live/k.ts", "", b"").await, 401, "unauthorized");
}
