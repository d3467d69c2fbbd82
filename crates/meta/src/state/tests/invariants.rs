//! What holds in every state, and between a state and the one after it.

use headwater_types::{Member, NodeId};
use std::collections::BTreeSet;

use crate::{limits::INSYNC_MAX, state::State};

/// Checks what no command may break.
pub(super) fn check(before: &State, after: &State) {
    for (shard, entry) in &after.shards {
        let members: Vec<Member> = entry.members().collect();
        assert!(!entry.insync.is_empty(), "shard {shard}: nobody in sync");
        assert!(entry.insync.len() <= INSYNC_MAX, "shard {shard}: more than a chain of two");
        assert!(entry.serves(entry.head), "shard {shard}: the head is not in sync");
        let nodes: BTreeSet<NodeId> = members.iter().map(|m| m.node).collect();
        assert_eq!(nodes.len(), members.len(), "shard {shard}: a member twice");
        for m in &members {
            assert_eq!(after.nodes[&m.node].incarnation, m.incarnation, "shard {shard}: an old incarnation");
        }
        let zones: BTreeSet<_> = entry.insync.iter().map(|m| &after.nodes[&m.node].zone).collect();
        assert_eq!(zones.len(), entry.insync.len(), "shard {shard}: two in-sync members in one zone");
        if let Some(old) = before.shards.get(shard) {
            let changed = old.epoch.next() == entry.epoch;
            assert!(changed || old == entry, "shard {shard}: changed without the next epoch");
        }
    }
    assert!(before.shards.keys().all(|shard| after.shards.contains_key(shard)), "a shard is gone");
    assert!(after.removed_nodes.is_superset(&before.removed_nodes), "a removed node was forgotten");
    let returned = after.removed_nodes.iter().find(|id| after.nodes.contains_key(id));
    assert_eq!(returned, None, "a removed node is back");
    for (id, node) in &before.nodes {
        let now = after.nodes.get(id);
        assert!(now.is_some() || after.removed_nodes.contains(id), "node {id} is gone");
        assert!(now.is_none_or(|now| now.incarnation >= node.incarnation), "node {id} went back");
        let same =
            now.is_none_or(|now| (now.incarnation == node.incarnation) == (now.process == node.process));
        assert!(same, "node {id}: another process has the same number, or the same one another");
    }
}
