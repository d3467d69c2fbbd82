//! Between generated messages and domain types. What comes off the wire is checked here, once; what leaves is not
//! checked again. Each file holds the messages of one theme.

mod list;
mod object;
pub(crate) mod read;
pub(crate) mod replication;
pub(crate) mod status;
mod write;

use bytes::Bytes;
use headwater_types::{Digest, RequestId, ShardId};
use std::time::Duration;

use crate::error::ConvertError;

/// Most entity tags of a request: more than fit into the headers of an HTTP request.
const ENTITY_TAGS_MAX: usize = 1024;
/// The longest remaining time that is believed; a larger one is cut to it, so that it can be added to any clock.
pub(crate) const REMAINING_MAX: Duration = Duration::from_secs(3600);

fn wrong(field: &'static str, problem: impl ToString) -> ConvertError {
    ConvertError { field, problem: problem.to_string() }
}

/// A message field that must be there.
fn required<T>(field: &'static str, value: Option<T>) -> Result<T, ConvertError> {
    value.ok_or_else(|| wrong(field, "is missing"))
}

fn at_most(field: &'static str, len: usize, max: usize) -> Result<(), ConvertError> {
    if len <= max { Ok(()) } else { Err(wrong(field, format!("{len} is more than {max}"))) }
}

fn shard(field: &'static str, id: u32) -> Result<ShardId, ConvertError> {
    let known = u16::try_from(id).ok().and_then(ShardId::new);
    known.ok_or_else(|| wrong(field, format!("shard {id} does not exist")))
}

/// 16 bytes, big endian.
fn sixteen(field: &'static str, bytes: &Bytes) -> Result<u128, ConvertError> {
    let array = <[u8; 16]>::try_from(bytes.as_ref());
    array
        .map(u128::from_be_bytes)
        .map_err(|_| wrong(field, format!("has {} bytes instead of 16", bytes.len())))
}

fn digest(field: &'static str, bytes: &Bytes) -> Result<Digest, ConvertError> {
    sixteen(field, bytes).map(Digest)
}

fn digests(field: &'static str, list: &[Bytes]) -> Result<Vec<Digest>, ConvertError> {
    at_most(field, list.len(), ENTITY_TAGS_MAX)?;
    list.iter().map(|bytes| digest(field, bytes)).collect()
}

fn request_id(field: &'static str, bytes: &Bytes) -> Result<RequestId, ConvertError> {
    sixteen(field, bytes).map(RequestId)
}

fn remaining(millis: u64) -> Duration {
    Duration::from_millis(millis).min(REMAINING_MAX)
}

fn to_bytes(value: u128) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes())
}

fn digests_to_bytes(list: &[Digest]) -> Vec<Bytes> {
    list.iter().map(|digest| to_bytes(digest.0)).collect()
}

fn to_millis(remaining: Duration) -> u64 {
    u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX)
}
