//! Placement: key to group to shard, and shard to nodes.
//!
//! Pure functions over keys, nodes and zones. Key to shard is fixed for ever. Shard to nodes is computed where the
//! metadata are changed and stored explicitly, so that readers of the map never compute it.

pub mod group;
pub mod plan;
pub mod shard;

mod quota;
mod rings;
mod zone;

pub use group::group;
pub use plan::{Assignment, NodeSpec, Placement, plan};
pub use shard::shard;
