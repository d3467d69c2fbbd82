//! The encoding of a map's shards: a list of pairs of a shard and where it begins.
//!
//! A map of JSON would have texts as keys, which serde does not read back as numbers within a tagged enum.

use headwater_types::ShardId;
use serde::{Deserialize, Deserializer, Serializer, de::Error};
use std::collections::BTreeMap;

use super::NewShard;

pub(super) fn serialize<S: Serializer>(
    shards: &BTreeMap<ShardId, NewShard>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(shards)
}

/// A shard that is named twice is an error: which of the two counts must not depend on the reader.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<ShardId, NewShard>, D::Error> {
    let mut shards = BTreeMap::new();
    for (id, shard) in Vec::<(ShardId, NewShard)>::deserialize(deserializer)? {
        if shards.insert(id, shard).is_some() {
            return Err(D::Error::custom(format!("shard {id} is named twice")));
        }
    }
    Ok(shards)
}
