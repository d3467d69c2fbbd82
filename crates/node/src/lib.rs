//! A storage node: the replication chain, the storage service and its workers.
