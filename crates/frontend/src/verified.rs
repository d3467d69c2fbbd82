//! What a connection remembers of the credential of its last request.
//!
//! An encoder or a CDN presents the same Authorization header with every request of a connection. To parse, hash and look
//! it up each time costs as much as finding a small object.

use headwater_meta::KeyRecord;
use headwater_types::UnixMillis;
use http::HeaderValue;
use parking_lot::Mutex;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// An Authorization header whose key was right, by one version of the metadata.
#[derive(Default)]
pub(crate) struct Verified(Mutex<Option<Known>>);

struct Known {
    /// A copy: the header itself would keep the connection's read buffer alive.
    presented: Box<[u8]>,
    version: u64,
    record: Arc<KeyRecord>,
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verified(redacted)")
    }
}

impl Verified {
    /// The record of the key in a header, if that very header was verified by this version and the key has not expired.
    /// Compared in constant time, as the secret is in it.
    pub fn recall(&self, presented: &HeaderValue, version: u64, now: UnixMillis) -> Option<Arc<KeyRecord>> {
        let known = self.0.lock();
        let Known { presented: before, version: then, record } = known.as_ref()?;
        let expired = record.expires_at.is_some_and(|at| at <= now);
        let same = *then == version && equal(before, presented.as_bytes());
        (same && !expired).then(|| record.clone())
    }

    /// Remembers a header whose key was verified by a version of the metadata.
    pub fn remember(&self, presented: &HeaderValue, version: u64, record: Arc<KeyRecord>) {
        *self.0.lock() = Some(Known { presented: presented.as_bytes().into(), version, record });
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
    fn only_the_same_header_of_the_same_version_is_recalled_and_never_an_expired_key() {
        let record = Arc::new(KeyRecord {
            id: KeyId("id".into()),
            secret_sha256: String::new(),
            namespace: None,
            permission: Permission::ReadOnly,
            prefix: None,
            created_at: UnixMillis(0),
            expires_at: Some(UnixMillis(100)),
            version: 1,
        });
        let (header, other) = (HeaderValue::from_static("Bearer a"), HeaderValue::from_static("Bearer b"));
        let verified = Verified::default();
        assert!(verified.recall(&header, 7, UnixMillis(0)).is_none());
        verified.remember(&header, 7, record.clone());
        assert_eq!(verified.recall(&header, 7, UnixMillis(99)), Some(record));
        assert!(verified.recall(&other, 7, UnixMillis(99)).is_none());
        assert!(verified.recall(&header, 8, UnixMillis(99)).is_none());
        assert!(verified.recall(&header, 7, UnixMillis(100)).is_none());
        assert!(!format!("{verified:?}").contains("Bearer"));
    }
}
