//! One stored version of an object: what replication hands over and every tier keeps.

use headwater_types::{Chunks, ObjectId, ObjectMeta, RequestId};
use std::sync::Arc;

/// A version of an object with its bytes, or a tombstone.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which object.
    pub object: ObjectId,
    /// The shard of its key.
    pub shard: headwater_types::ShardId,
    /// Version, size, times, attributes. A tombstone's size is 0.
    pub meta: Arc<ObjectMeta>,
    /// The bytes; none for a tombstone.
    pub body: Chunks,
    /// It is a delete: the object is absent.
    pub tombstone: bool,
    /// Request ids that led to the last versions, newest first, at most `REQUEST_IDS_PER_RECORD`.
    pub request_ids: Arc<[RequestId]>,
}

impl Record {
    /// Bytes that the record takes in memory, overhead included: what capacities count. The constants are measured,
    /// and a test holds them against the memory of a process.
    pub fn cost(&self) -> u64 {
        // A chunk's handle, what its clones share, and the allocator's own.
        let chunk = 80;
        let request_id = 16;
        Self::cost_at_least(self.body.len())
            + self.body.as_slice().len() as u64 * chunk
            + self.object.key.as_str().len() as u64
            + self.meta.attributes.heap_bytes() as u64
            + self.request_ids.len() as u64 * request_id
    }

    /// What a record with so many bytes of body costs at the least.
    pub const fn cost_at_least(body_bytes: u64) -> u64 {
        // The record and its meta, its places in the hot tier's map and queues, and the allocator's own.
        let fixed: u64 = 600;
        fixed.saturating_add(body_bytes)
    }
}
