//! The shard map as a leading voter makes it.

use headwater_types::{Epoch, Incarnation, NodeId, limits::SHARD_COUNT};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;

use super::{LIMIT, map, read, single, start};
use crate::{
    command::{Command, Registration},
    raft::{RaftMeta, RaftMetaConfig, placement_worker},
    records::NodeState,
    refusal as code,
    state::State,
    state::tests::{new_node, next_process, nonce, refused, registered},
    store::MetaStore,
};

/// Processes that any test has registered.
static REGISTERED: AtomicU64 = AtomicU64::new(1);
/// A settle time that does not pass within a test.
const NEVER: Duration = Duration::from_secs(3600);

/// Registers a new process of a node, at once or with others.
async fn register(meta: &RaftMeta, id: u64, zone: &str) {
    let node = next_process(&read(meta).await, id, zone);
    let node = Registration { nonce: nonce(REGISTERED.fetch_add(1, Ordering::Relaxed)), ..node };
    registered(meta.propose(Command::Register { nodes: vec![node] }, LIMIT).await.unwrap().outcome);
}

#[tokio::test]
async fn two_nodes_lead_to_a_map_and_a_restart_to_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let meta = single(dir.path()).await;
    register(&meta, 1, "a").await;
    register(&meta, 2, "b").await;
    let state = map(meta.clone(), LIMIT).await;
    assert_eq!(state.shards.len(), usize::from(SHARD_COUNT));
    // Another map would begin at epoch 1 again, and with the node that is new.
    register(&meta, 1, "a").await;
    register(&meta, 3, "b").await;
    let before = read(&meta).await;
    assert!(before.shards.values().all(|entry| entry.epoch == Epoch(2)));
    meta.shutdown().await;

    let meta = single(dir.path()).await;
    let worker = placement_worker::run(Arc::downgrade(&meta), Duration::ZERO);
    timeout(LIMIT, worker).await.expect("nothing to do");
    let after = read(&meta).await;
    assert_eq!(State { version: before.version, ..after }, before);
    meta.shutdown().await;
}

#[tokio::test]
async fn the_leader_writes_no_registration_of_a_node_that_counts_its_incarnations() {
    let dir = tempfile::tempdir().unwrap();
    let meta = single(dir.path()).await;
    let node = new_node(1, 1, "a").record(Incarnation(5), NodeState::Active, Vec::new());
    let applied = meta.propose(Command::RegisterNodes { nodes: vec![node] }, LIMIT).await.unwrap();
    assert_eq!(refused(applied.outcome).0, code::UNKNOWN_COMMAND);
    assert!(read(&meta).await.nodes.is_empty());
    register(&meta, 1, "a").await;
    meta.shutdown().await;
}

#[tokio::test]
async fn a_restart_makes_the_map_that_was_not_made_before() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        RaftMetaConfig { bootstrap: true, placement_settle: NEVER, ..RaftMetaConfig::new(1, dir.path()) };
    let meta = start(config).await;
    register(&meta, 1, "a").await;
    register(&meta, 2, "b").await;
    assert!(read(&meta).await.shards.is_empty());
    meta.shutdown().await;
    let meta = single(dir.path()).await;
    map(meta.clone(), LIMIT).await;
    meta.shutdown().await;
}

#[tokio::test]
async fn nodes_that_start_together_all_get_shards() {
    let dir = tempfile::tempdir().unwrap();
    let config = RaftMetaConfig {
        bootstrap: true,
        placement_settle: Duration::from_secs(3),
        ..RaftMetaConfig::new(1, dir.path())
    };
    let meta = start(config).await;
    let nodes = (1..=4).map(|id| register(&meta, id, if id % 2 == 0 { "b" } else { "a" }));
    futures_util::future::join_all(nodes).await;
    let state = map(meta.clone(), LIMIT).await;
    let members: BTreeSet<NodeId> =
        state.shards.values().flat_map(|entry| entry.writers()).map(|member| member.node).collect();
    assert_eq!(members, (1..=4).map(NodeId).collect());
    meta.shutdown().await;
}

#[tokio::test]
async fn the_worker_ends_with_its_voter() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        RaftMetaConfig { bootstrap: true, placement_settle: NEVER, ..RaftMetaConfig::new(1, dir.path()) };
    let meta = start(config).await;
    let worker = tokio::spawn(placement_worker::run(Arc::downgrade(&meta), NEVER));
    register(&meta, 1, "a").await;
    register(&meta, 2, "b").await;
    meta.shutdown().await;
    timeout(LIMIT, worker).await.expect("it ends").unwrap();
}
