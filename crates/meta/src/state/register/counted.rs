//! Registrations of earlier builds, whose nodes counted their incarnations themselves: read from logs, never proposed.

use super::{Lost, check_ids, check_node, check_zone, install};
use crate::{
    records::NodeRecord,
    refusal::{INVALID, Refusal, STALE_INCARNATION},
    state::State,
};

/// Applies one as the build did that wrote it: an equal incarnation of a known node changes nothing.
pub(in crate::state) fn register(state: &mut State, nodes: Vec<NodeRecord>) -> Result<Lost, Refusal> {
    check_ids(state, nodes.iter().map(|node| node.id))?;
    let mut records = Vec::with_capacity(nodes.len());
    for node in nodes {
        check(state, &node)?;
        let known = state.nodes.get(&node.id);
        let wanted = known.map(|known| known.state).unwrap_or_default();
        let is_same = known.is_some_and(|known| known.incarnation == node.incarnation);
        let process = known.filter(|_| is_same).and_then(|known| known.process.clone());
        records.push(NodeRecord { state: wanted, process, ..node });
    }
    Ok(install(state, records))
}

fn check(state: &State, node: &NodeRecord) -> Result<(), Refusal> {
    check_node(state, node.id, &node.address)?;
    let Some(known) = state.nodes.get(&node.id) else { return Ok(()) };
    if node.incarnation < known.incarnation {
        let message =
            format!("node {} is at incarnation {}, not {}", node.id, known.incarnation, node.incarnation);
        return Err(Refusal::new(STALE_INCARNATION, message));
    }
    if node.incarnation > known.incarnation {
        return check_zone(state, known, &node.zone);
    }
    let same = (&node.zone, &node.address, node.hot_capacity_bytes)
        == (&known.zone, &known.address, known.hot_capacity_bytes);
    let message = format!("node {} changes its address, zone or hot capacity without a restart", node.id);
    if same { Ok(()) } else { Err(Refusal::new(INVALID, message)) }
}
