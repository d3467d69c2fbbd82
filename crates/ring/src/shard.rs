//! Key to shard. Fixed for ever: stored data lies where this says.

use headwater_types::{NamespaceId, ObjectKey, ShardId, limits::KEY_BYTES_MAX};
use xxhash_rust::xxh3::xxh3_64;

use crate::group;

/// Bytes of a namespace id in what is hashed.
const NAMESPACE_BYTES: usize = size_of::<u64>();

/// The shard of a key: XXH3-64 (seed 0) over the namespace's id as 8 bytes, little endian, followed by the UTF-8
/// bytes of the key's [`group`](crate::group()), modulo the number of shards.
///
/// It takes the namespace's id and not its name: ids are never used again, so a namespace that is deleted and made
/// again has other shards and nothing in common with the old one.
///
/// Golden values, for other implementations (namespace 1):
///
/// | key | shard |
/// |---|---|
/// | `playlist_480p30_00891.ts` | 784 |
/// | `playlist_480p30.m3u8` | 784 |
/// | `a/b/segment_00012.m4s` | 638 |
/// | `00012.ts` (the empty group) | 302 |
pub fn shard(namespace: NamespaceId, key: &ObjectKey) -> ShardId {
    let group = group(key).as_bytes();
    let mut buffer = [0; NAMESPACE_BYTES + KEY_BYTES_MAX];
    let len = NAMESPACE_BYTES + group.len();
    buffer[..NAMESPACE_BYTES].copy_from_slice(&namespace.0.to_le_bytes());
    buffer[NAMESPACE_BYTES..len].copy_from_slice(group);
    ShardId::of_hash(xxh3_64(&buffer[..len]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard_of(namespace: u64, key: &str) -> u16 {
        shard(NamespaceId(namespace), &ObjectKey::parse(key).unwrap()).get()
    }

    /// A change here loses every stored object: do not touch the numbers.
    #[test]
    fn golden_values() {
        let longest = "a".repeat(KEY_BYTES_MAX);
        let found = [
            (1, "playlist_480p30_00891.ts"),
            (1, "playlist_480p30.m3u8"),
            (1, "a/b/segment_00012.m4s"),
            (1, "00012.ts"),
            (2, "a/b/segment_00012.m4s"),
            (u64::MAX, "canal_é_00001.ts"),
            (0, longest.as_str()),
        ]
        .map(|(namespace, key)| shard_of(namespace, key));
        assert_eq!(found, [784, 784, 638, 302, 697, 403, 853]);
    }
}
