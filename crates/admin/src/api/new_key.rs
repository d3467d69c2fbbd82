//! What a key is made from, checked field by field.

use headwater_meta::{DigestHashes, NamespaceRecord, limits::KEY_CIDRS_MAX};
use headwater_types::{ApiKey, Permission, UnixMillis, api::NewKey, prefix};
use ipnet::IpNet;
use md5::{Digest, Md5};
use sha2::Sha256;
use std::{fmt::Write, net::IpAddr, time::Duration};

use super::error::{ApiError, ApiResult};

/// Longest validity of a key that ends at all: about a hundred years.
pub const EXPIRES_IN_S_MAX: u64 = 100 * 366 * 24 * 3600;

/// Checks what a key of a namespace (or of the admin plane: `None`) is asked for with.
pub fn check(new: &NewKey, namespace: Option<&NamespaceRecord>) -> ApiResult<()> {
    match namespace {
        Some(namespace) => {
            if new.permission == Permission::Admin {
                let why =
                    "admin keys are made at /v1/keys; in a namespace it is readonly, readwrite or writeonly";
                return Err(ApiError::invalid("permission", why));
            }
            if new.digest && !namespace.settings.digest {
                let why =
                    format!("namespace {} does not offer Digest; set its `digest` first", namespace.name);
                return Err(ApiError::invalid("digest", why));
            }
        }
        None => {
            if new.permission != Permission::Admin {
                let why = "must be admin here; other keys are made at /v1/namespaces/{ns}/keys";
                return Err(ApiError::invalid("permission", why));
            }
            let given = [
                ("prefix", new.prefix.is_some()),
                ("digest", new.digest),
                ("rate_limits", !new.rate_limits.is_none()),
            ];
            if let Some((field, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
                return Err(ApiError::invalid(field, "admin keys have none"));
            }
        }
    }
    Ok(())
}

/// The prefix that a key is limited to, with its closing `/`.
pub fn canonical_prefix(new: &NewKey) -> ApiResult<Option<String>> {
    new.prefix.as_deref().map(prefix::canonical).transpose().map_err(|e| ApiError::invalid("prefix", e))
}

/// When a key expires.
pub fn expires_at(new: &NewKey, now: UnixMillis) -> ApiResult<Option<UnixMillis>> {
    match new.expires_in_s {
        None => Ok(None),
        Some(seconds) if (1..=EXPIRES_IN_S_MAX).contains(&seconds) => {
            Ok(Some(now.plus(Duration::from_secs(seconds))))
        }
        Some(seconds) => {
            let why = format!("{seconds} is not within 1 to {EXPIRES_IN_S_MAX}; leave it out for no end");
            Err(ApiError::invalid("expires_in_s", why))
        }
    }
}

/// The networks that a key is limited to; an address alone is a network of one.
pub fn networks(cidrs: &[String]) -> ApiResult<Vec<IpNet>> {
    if cidrs.len() > KEY_CIDRS_MAX {
        let why = format!("has {} entries, at most {KEY_CIDRS_MAX} are allowed", cidrs.len());
        return Err(ApiError::invalid("cidrs", why));
    }
    let network = |(at, text): (usize, &String)| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| address()).map(|network| network.trunc()).map_err(|_| {
            let given: String = text.chars().take(64).collect();
            let why = format!("{given:?} is not a network such as 192.0.2.0/24 or 2001:db8::/32");
            ApiError::invalid(&format!("cidrs[{at}]"), why)
        })
    };
    cidrs.iter().enumerate().map(network).collect()
}

/// `H(key id ":" namespace ":" api key)` (RFC 7616, section 3.4.2).
pub fn digest_hashes(key: &ApiKey, namespace: &str) -> DigestHashes {
    let text = format!("{}:{namespace}:{}", key.id, key.reveal());
    DigestHashes { md5: hex(&Md5::digest(&text)), sha256: hex(&Sha256::digest(&text)) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_at_and_past_the_limit() {
        let list = |count: usize| (0..count).map(|n| format!("10.0.0.{n}")).collect::<Vec<_>>();
        assert_eq!(networks(&list(KEY_CIDRS_MAX)).unwrap().len(), KEY_CIDRS_MAX);
        assert!(networks(&list(KEY_CIDRS_MAX + 1)).unwrap_err().detail.contains("at most"));
        let given = ["192.0.2.7/24".to_owned(), "2001:db8::1".to_owned()];
        let shown: Vec<String> = networks(&given).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.0/24", "2001:db8::1/128"]);
        let error = networks(&["10.0.0.1".to_owned(), "10.0.0.0/33".to_owned()]).unwrap_err();
        assert!(error.detail.starts_with("cidrs[1]: \"10.0.0.0/33\""), "{error:?}");
    }

    #[test]
    fn validity_at_and_past_the_limits() {
        let at = |expires_in_s| {
            let new = NewKey {
                permission: Permission::ReadOnly,
                prefix: None,
                expires_in_s,
                cidrs: vec![],
                digest: false,
                rate_limits: Default::default(),
            };
            expires_at(&new, UnixMillis(5))
        };
        assert_eq!(at(None), Ok(None));
        assert_eq!(at(Some(1)), Ok(Some(UnixMillis(1_005))));
        assert_eq!(at(Some(EXPIRES_IN_S_MAX)), Ok(Some(UnixMillis(EXPIRES_IN_S_MAX * 1000 + 5))));
        for past in [0, EXPIRES_IN_S_MAX + 1, u64::MAX] {
            assert!(at(Some(past)).is_err(), "{past}");
        }
    }

    #[test]
    fn digest_hashes_are_those_of_the_rfc() {
        let key = ApiKey::parse(&format!("hw_{}_{}", "0".repeat(12), "1".repeat(43))).unwrap();
        let hashes = digest_hashes(&key, "live");
        // `printf '%s' 000000000000:live:hw_000000000000_11...1 | md5sum`, and sha256sum.
        assert_eq!(hashes.md5, "08f3b4a872f1240df3ed752af3fb1074");
        assert_eq!(hashes.sha256, "f5f0fd029b0b628f2a1de26fef7d53d1a5dfba11ba6c69fc703dd9bac2ed3989");
    }
}
