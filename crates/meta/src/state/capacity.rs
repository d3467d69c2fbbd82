//! Whether a namespace's hot capacity fits what the nodes of each zone have.
//!
//! Each zone keeps a whole copy (`hot_capacity_bytes` is what one zone keeps), so a zone's active nodes together must
//! have what all namespaces of fixed capacity ask for. A zone of which an active node did not say what it has is not
//! limited, nor is one without active nodes. What nodes have may shrink afterwards; a namespace that asks for no more
//! than before may then still be changed.

use headwater_types::ZoneName;
use std::collections::BTreeMap;

use super::State;
use crate::{
    records::{NamespaceRecord, NamespaceSettings, NodeState},
    refusal::{self, Refusal},
};

/// Checks what `settings` ask for beside all other namespaces. `old`: the namespace as it is, if it is there.
pub(super) fn check(
    state: &State,
    old: Option<&NamespaceRecord>,
    settings: &NamespaceSettings,
) -> Result<(), Refusal> {
    let had = old.and_then(|record| record.settings.hot_capacity_bytes);
    let Some(asked) = settings.hot_capacity_bytes.filter(|asked| had.is_none_or(|had| had < *asked)) else {
        return Ok(());
    };
    let others = state.namespaces.values().filter(|record| old.is_none_or(|old| old.id != record.id));
    let taken: u128 = others.filter_map(|record| record.settings.hot_capacity_bytes).map(u128::from).sum();
    for (zone, there) in zones(state) {
        if there.is_some_and(|there| u128::from(asked) + taken > there) {
            let there = there.unwrap_or_default();
            let message = format!(
                "hot_capacity_bytes does not fit zone {zone}: asked {asked}, its active nodes have {there} together, \
                 other namespaces take {taken}"
            );
            return Err(Refusal::new(refusal::CAPACITY, message));
        }
    }
    Ok(())
}

/// What each zone's active nodes have together; `None` where one of them did not say.
fn zones(state: &State) -> BTreeMap<&ZoneName, Option<u128>> {
    let mut zones = BTreeMap::new();
    for node in state.nodes.values().filter(|node| node.state == NodeState::Active) {
        let sum = zones.entry(&node.zone).or_insert(Some(0));
        *sum =
            sum.filter(|_| node.hot_capacity_bytes > 0).map(|sum| sum + u128::from(node.hot_capacity_bytes));
    }
    zones
}
