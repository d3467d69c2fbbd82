//! What an operator says of nodes. Their registration is in `register`.

use headwater_types::NodeId;

use super::State;
use crate::{
    limits::REMOVED_NODES_MAX,
    records::NodeState,
    refusal::{self, Refusal},
};

impl State {
    pub(super) fn set_node_state(&mut self, id: NodeId, wanted: NodeState) -> Result<(), Refusal> {
        let node = self.nodes.get_mut(&id);
        let node = node.ok_or_else(|| Refusal::not_found(format_args!("node {id}")))?;
        node.state = wanted;
        Ok(())
    }

    /// Forgets a node; its id is remembered for ever, which bounds how many nodes can be removed. Repeating it changes
    /// nothing.
    pub(super) fn remove_node(&mut self, id: NodeId) -> Result<(), Refusal> {
        if self.removed_nodes.contains(&id) {
            return Ok(());
        }
        if !self.nodes.contains_key(&id) {
            return Err(Refusal::not_found(format_args!("node {id}")));
        }
        let shards = self.shards.values().filter(|entry| entry.names(id)).count();
        if shards > 0 {
            let message = format!("{shards} shards name node {id}: drain it and wait until there is none");
            return Err(Refusal::new(refusal::IN_USE, message));
        }
        if self.removed_nodes.len() >= REMOVED_NODES_MAX {
            return Err(Refusal::too_many(
                REMOVED_NODES_MAX,
                "removed nodes, whose ids are never used again",
            ));
        }
        self.nodes.remove(&id);
        self.removed_nodes.insert(id);
        Ok(())
    }
}
