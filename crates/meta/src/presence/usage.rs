//! What namespaces hold, from what nodes report, and which are past their quota.

use headwater_types::{NamespaceId, NodeId, ZoneName};
use std::collections::BTreeMap;

use crate::{
    state::State,
    store::{SpaceReport, Usage},
};

/// Adds up what the nodes of each zone hold. Each zone has a whole copy of everything, or less while one of its nodes
/// catches up: of each number the larger one counts.
pub(super) fn usage<'a>(
    state: &State,
    nodes: impl Iterator<Item = (NodeId, &'a [SpaceReport])>,
) -> BTreeMap<NamespaceId, Usage> {
    let mut zones: BTreeMap<&ZoneName, BTreeMap<NamespaceId, Usage>> = BTreeMap::new();
    for (node, spaces) in nodes {
        let Some(record) = state.nodes.get(&node) else { continue };
        let zone = zones.entry(&record.zone).or_default();
        for space in spaces {
            let sum = zone.entry(space.namespace).or_default();
            sum.bytes = sum.bytes.saturating_add(space.bytes);
            sum.objects = sum.objects.saturating_add(space.objects);
        }
    }
    let mut usage: BTreeMap<NamespaceId, Usage> = BTreeMap::new();
    for (namespace, of_zone) in zones.into_values().flatten() {
        let most = usage.entry(namespace).or_default();
        most.bytes = most.bytes.max(of_zone.bytes);
        most.objects = most.objects.max(of_zone.objects);
    }
    usage
}

/// Namespaces that hold more than they may. One that holds exactly as much is not past it.
pub(super) fn over_quota(state: &State, usage: &BTreeMap<NamespaceId, Usage>) -> Vec<NamespaceId> {
    let over = |(id, usage): &(&NamespaceId, &Usage)| {
        state.namespaces.get(*id).is_some_and(|record| {
            let settings = &record.settings;
            settings.max_bytes.is_some_and(|max| usage.bytes > max)
                || settings.max_objects.is_some_and(|max| usage.objects > max)
        })
    };
    usage.iter().filter(over).map(|(id, _)| *id).collect()
}
