//! Taking a zone out of a state by hand, where no quorum is left to decide it.

use headwater_types::{Member, NodeId, ShardId, UnixMillis, ZoneName};
use std::{collections::BTreeMap, sync::Arc};

use crate::{
    records::{NodeRecord, ShardEntry, ZoneVerdict},
    state::State,
};

/// What became of the shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fenced {
    /// Shards that go on without their members of the zone.
    pub moved: usize,
    /// Shards whose in-sync members all stand in the zone. They keep them and are unavailable until it is back.
    pub stuck: Vec<ShardId>,
}

/// Sets the verdict that `zone` takes no part, and takes its members out of every shard that has an in-sync member
/// elsewhere. The epoch of each shard that changes goes up by one.
pub fn fence(state: &mut State, zone: &ZoneName, since: UnixMillis) -> Fenced {
    state.zone_verdict = Some(ZoneVerdict { fenced: zone.clone(), since });
    let mut fenced = Fenced::default();
    for (shard, entry) in &mut state.shards {
        match without(entry, zone, &state.nodes) {
            None => fenced.stuck.push(*shard),
            Some(left) if left == **entry => {}
            Some(left) => {
                *entry = Arc::new(ShardEntry { epoch: entry.epoch.next(), ..left });
                fenced.moved += 1;
            }
        }
    }
    fenced
}

/// The configuration without the zone's members; `None` if no one in sync would be left.
fn without(entry: &ShardEntry, zone: &ZoneName, nodes: &BTreeMap<NodeId, NodeRecord>) -> Option<ShardEntry> {
    let outside = |member: &Member| nodes.get(&member.node).is_none_or(|node| node.zone != *zone);
    let kept = |members: &[Member]| members.iter().copied().filter(outside).collect::<Vec<_>>();
    let insync = kept(&entry.insync);
    let first = *insync.first()?;
    Some(ShardEntry {
        epoch: entry.epoch,
        head: if outside(&entry.head) { entry.head } else { first },
        insync,
        syncing: kept(&entry.syncing),
        retiring: kept(&entry.retiring),
    })
}
