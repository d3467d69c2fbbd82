//! What a connection remembers of the credential of its last request.
//!
//! An encoder or a CDN presents the same API key with every request of a connection. To parse, hash and look it up each
//! time costs as much as finding a small object.

use headwater_meta::KeyRecord;
use headwater_types::UnixMillis;
use parking_lot::Mutex;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// An API key that was right, by one version of the metadata.
#[derive(Default)]
pub(crate) struct Verified(Mutex<Option<Known>>);

struct Known {
    presented: Box<str>,
    version: u64,
    record: Arc<KeyRecord>,
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verified(redacted)")
    }
}

impl Verified {
    /// The record of a key, if that very key was verified by this version and has not expired. Compared in constant time,
    /// as the secret is in it.
    pub fn recall(&self, presented: &str, version: u64, now: UnixMillis) -> Option<Arc<KeyRecord>> {
        let known = self.0.lock();
        let Known { presented: before, version: then, record } = known.as_ref()?;
        let expired = record.expires_at.is_some_and(|at| at <= now);
        let same = *then == version && equal(before.as_bytes(), presented.as_bytes());
        (same && !expired).then(|| record.clone())
    }

    /// Remembers a key that was verified by a version of the metadata.
    pub fn remember(&self, presented: &str, version: u64, record: Arc<KeyRecord>) {
        *self.0.lock() = Some(Known { presented: presented.into(), version, record });
    }
}

/// Looks at every byte, whatever the first difference is. By whole registers, unlike a comparison byte by byte.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && bool::from(difference.ct_eq(&0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_meta::Permission;
    use headwater_types::KeyId;

    #[test]
    fn only_the_same_key_of_the_same_version_is_recalled_and_never_an_expired_key() {
        let record = Arc::new(KeyRecord {
            id: KeyId("id".into()),
            secret_sha256: String::new(),
            namespace: None,
            permission: Permission::ReadOnly,
            prefix: None,
            created_at: UnixMillis(0),
            expires_at: Some(UnixMillis(100)),
            cidrs: Vec::new(),
            digest: None,
            rate_limits: Default::default(),
            version: 1,
        });
        let (key, other) = ("hw_a_secret", "hw_a_secre?");
        let verified = Verified::default();
        assert!(verified.recall(key, 7, UnixMillis(0)).is_none());
        verified.remember(key, 7, record.clone());
        assert_eq!(verified.recall(key, 7, UnixMillis(99)), Some(record));
        assert!(verified.recall(other, 7, UnixMillis(99)).is_none());
        assert!(verified.recall(key, 8, UnixMillis(99)).is_none());
        assert!(verified.recall(key, 7, UnixMillis(100)).is_none());
        assert!(!format!("{verified:?}").contains("secret"));
    }
}
