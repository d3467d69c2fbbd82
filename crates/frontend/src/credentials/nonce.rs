//! Nonces of Digest challenges, made and recognised without a memory of them.
//!
//! A nonce is the time at which it was made and a MAC over that time and the namespace. Every frontend recognises the
//! nonces of every other, since the MAC's key comes from what all of them have: [`MetaCache::shared_secret`]
//! (`headwater_meta::cache`), derived from the hashes of API keys, which never leave the metadata.
//!
//! What it protects against: who can make a client answer challenges of his own (by pretending to be the origin once)
//! could collect answers to nonces of the future, to be used any time later. As he cannot make a nonce, what he can
//! collect ends [`LIFETIME`] after a real one was issued. To compute the MAC's key takes the secrets of several API keys
//! at once, and even with it nothing can be answered without the key that the answer is for.
//!
//! What it does not protect against: within that time, an answer that was overheard can be sent again for the same
//! method and target (RFC 7616, section 5.5). A frontend does not count the uses of a nonce, since the next request may
//! come to another frontend. Who has to fear listeners uses TLS, with every form of credentials.
//!
//! When the first keys of the cluster change, so does the MAC's key: outstanding nonces are then stale, which clients
//! answer by themselves with the new nonce.
//!
//! [`MetaCache::shared_secret`]: headwater_meta::MetaCache::shared_secret

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use headwater_meta::MetaCache;
use headwater_types::{NamespaceId, UnixMillis};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long a nonce may be answered.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);
/// How far the clock of the frontend that made it may be ahead.
const SKEW_MAX: Duration = Duration::from_secs(30);
/// Digits of the time in milliseconds: enough for the next 8,000 years.
const TIME_DIGITS: usize = 12;
/// Bytes of the MAC that are kept (RFC 2104, section 5: not less than half).
const MAC_BYTES: usize = 16;

/// A nonce of now for a namespace.
pub(super) fn issue(cache: &MetaCache, namespace: NamespaceId, now: UnixMillis) -> String {
    sealed(&cache.shared_secret("digest-nonce"), namespace, now)
}

/// Whether a frontend issued `nonce` for this namespace, at most [`LIFETIME`] ago.
pub(super) fn is_fresh(cache: &MetaCache, namespace: NamespaceId, now: UnixMillis, nonce: &str) -> bool {
    let time = nonce.get(..TIME_DIGITS).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let Some(issued) = time.map(UnixMillis) else { return false };
    let in_time = now <= issued.plus(LIFETIME) && issued <= now.plus(SKEW_MAX);
    let expected = || sealed(&cache.shared_secret("digest-nonce"), namespace, issued);
    in_time && bool::from(expected().as_bytes().ct_eq(nonce.as_bytes()))
}

fn sealed(secret: &[u8; 32], namespace: NamespaceId, at: UnixMillis) -> String {
    let time = format!("{:0TIME_DIGITS$x}", at.0);
    let mac = Hmac::<Sha256>::new_from_slice(secret);
    let mut mac = mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"));
    mac.update(format!("{namespace}:{time}").as_bytes());
    let mac = mac.finalize().into_bytes();
    time + &URL_SAFE_NO_PAD.encode(&mac[..MAC_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_meta::{State, WatchEvent};

    const HERE: NamespaceId = NamespaceId(1);
    const NOW: UnixMillis = UnixMillis(1_764_000_000_000);

    #[test]
    fn nonces_are_recognised_by_every_frontend_for_their_lifetime() {
        let (cache, other) = (MetaCache::new(), MetaCache::new());
        let nonce = issue(&cache, HERE, NOW);
        assert!(nonce.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{nonce}");
        let end = NOW.plus(LIFETIME);
        assert!(is_fresh(&other, HERE, NOW, &nonce) && is_fresh(&other, HERE, end, &nonce));
        assert!(!is_fresh(&other, HERE, UnixMillis(end.0 + 1), &nonce), "too old");
        let (ahead, too_far) = (SKEW_MAX.as_millis() as u64, SKEW_MAX.as_millis() as u64 + 1);
        assert!(is_fresh(&other, HERE, UnixMillis(NOW.0 - ahead), &nonce));
        assert!(!is_fresh(&other, HERE, UnixMillis(NOW.0 - too_far), &nonce), "of the future");
        assert!(!is_fresh(&other, NamespaceId(2), NOW, &nonce), "of another namespace");
        other.apply(WatchEvent::Snapshot(Box::new(State { version: 1, ..State::default() })));
        assert!(is_fresh(&other, HERE, NOW, &nonce), "other changes do not matter");
    }

    #[test]
    fn what_no_frontend_made_is_not_recognised() {
        let cache = MetaCache::new();
        let nonce = issue(&cache, HERE, NOW);
        for at in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert!(!is_fresh(&cache, HERE, NOW, &changed), "{changed}");
        }
        for none in
            ["", "é", "ééééééé", &nonce[1..], &nonce[..12], &format!("{nonce}x"), &nonce.to_uppercase()]
        {
            assert!(!is_fresh(&cache, HERE, NOW, none), "{none}");
        }
    }
}
