//! Placement: key to group to shard, and shard to nodes.
