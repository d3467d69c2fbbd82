//! The metadata of a cluster in Raft: namespaces, API keys, nodes and the shard map.
