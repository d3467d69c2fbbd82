//! The guards of a reconfiguration, in the order in which they are asked. Each says what is wrong and what is allowed.
//!
//! Which rule of the design each one keeps stands in the documentation of `reconfigure`.

use headwater_types::NodeId;
use std::collections::BTreeSet;

use super::Step;
use crate::{
    command::SingleReason,
    limits::{INSYNC_MAX, SHARD_MEMBERS_MAX},
    records::{NodeRecord, NodeState},
};

type Guard = fn(&Step<'_>) -> Result<(), String>;

/// All of them but the epoch's.
pub(super) const ALL: [Guard; 14] = [
    somebody_is_in_sync,
    nobody_twice,
    no_crowd,
    registered,
    asker_is_in_sync,
    promoted_were_syncing,
    the_head_was_in_sync,
    the_head_asked,
    the_head_stays,
    in_sync_in_different_zones,
    one_copy_has_a_reason,
    joins_come_alone,
    retiring_leaves_two,
    fenced_zone_stays_out,
];

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

fn somebody_is_in_sync(step: &Step<'_>) -> Result<(), String> {
    ensure(!step.new.insync.is_empty(), || "nobody would be in sync; there is always at least one".to_owned())
}

fn nobody_twice(step: &Step<'_>) -> Result<(), String> {
    let mut nodes: BTreeSet<NodeId> = BTreeSet::new();
    match step.new.members().find(|member| !nodes.insert(member.node)) {
        Some(member) => Err(format!("node {} is named twice; a node has one place", member.node)),
        None => Ok(()),
    }
}

fn no_crowd(step: &Step<'_>) -> Result<(), String> {
    let (insync, all) = (step.new.insync.len(), step.new.members().count());
    ensure(insync <= INSYNC_MAX && all <= SHARD_MEMBERS_MAX, || {
        format!(
            "{insync} members in sync and {all} in all; at most {INSYNC_MAX} and {SHARD_MEMBERS_MAX} are allowed"
        )
    })
}

fn registered(step: &Step<'_>) -> Result<(), String> {
    for member in step.new.members() {
        match step.state.nodes.get(&member.node) {
            None => return Err(format!("node {} is not registered", member.node)),
            Some(node) if node.incarnation != member.incarnation => {
                return Err(format!(
                    "member {member} is not node {}'s registered incarnation {}",
                    node.id, node.incarnation
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn asker_is_in_sync(step: &Step<'_>) -> Result<(), String> {
    match step.change.asked_by.filter(|member| !step.old.serves(*member)) {
        Some(member) => Err(format!("{member} asks and is not in sync in epoch {}", step.old.epoch)),
        None => Ok(()),
    }
}

fn promoted_were_syncing(step: &Step<'_>) -> Result<(), String> {
    match step.promoted().find(|member| !step.old.syncing.contains(member)) {
        Some(member) => Err(format!(
            "{member} was neither in sync nor syncing in epoch {}: it cannot become in sync",
            step.old.epoch
        )),
        None => Ok(()),
    }
}

fn the_head_was_in_sync(step: &Step<'_>) -> Result<(), String> {
    let head = step.new.head;
    ensure(step.new.serves(head), || format!("the head {head} would not be in sync"))?;
    ensure(step.old.serves(head), || {
        format!("the new head {head} was not in sync in epoch {}", step.old.epoch)
    })
}

fn the_head_asked(step: &Step<'_>) -> Result<(), String> {
    let head = step.old.head;
    ensure(step.promoted().next().is_none() || step.change.asked_by == Some(head), || {
        format!("only {head}, the head of epoch {}, may ask for a promotion", step.old.epoch)
    })
}

fn the_head_stays(step: &Step<'_>) -> Result<(), String> {
    let head = step.old.head;
    ensure(step.promoted().next().is_none() || step.new.head == head, || {
        format!("the head {head} stays in a promotion; a head that is to leave hands its role over first")
    })
}

fn in_sync_in_different_zones(step: &Step<'_>) -> Result<(), String> {
    let mut zones = BTreeSet::new();
    match step.new.insync.iter().find(|member| !zones.insert(step.zone(**member))) {
        Some(member) => {
            Err(format!("{member} would be in sync beside another of its zone; each has its own"))
        }
        None => Ok(()),
    }
}

/// Only for becoming single: a shard that has one copy already needs no new reason to go on.
fn one_copy_has_a_reason(step: &Step<'_>) -> Result<(), String> {
    let [kept] = step.new.insync[..] else { return Ok(()) };
    if step.old.insync.len() == 1 {
        return Ok(());
    }
    match step.change.single {
        None => Err(format!(
            "{kept} would be alone in sync without a reason: peer_suspected, zone_fenced or no_spare"
        )),
        Some(SingleReason::PeerSuspected) => Ok(()),
        Some(SingleReason::ZoneFenced) => match step.dropped().find(|member| !step.is_fenced(*member)) {
            Some(member) => Err(format!("the reason is zone_fenced, and the zone of {member} is not fenced")),
            None => Ok(()),
        },
        Some(SingleReason::NoSpare) => {
            let is_spare = |node: &&NodeRecord| {
                let elsewhere = Some(&node.zone) != step.zone(kept) && Some(&node.zone) != step.fenced();
                elsewhere && node.state == NodeState::Active && !step.old.names(node.id)
            };
            match step.state.nodes.values().find(is_spare) {
                Some(node) => Err(format!("the reason is no_spare, and node {} is one", node.id)),
                None => Ok(()),
            }
        }
    }
}

fn joins_come_alone(step: &Step<'_>) -> Result<(), String> {
    let Some(joins) = step.new.syncing.iter().find(|member| !step.old.syncing.contains(member)) else {
        return Ok(());
    };
    let same = step.dropped().next().is_none() && step.promoted().next().is_none();
    ensure(same && step.new.head == step.old.head, || {
        format!("{joins} would join while the head or who is in sync changes; it joins in a step of its own")
    })
}

fn retiring_leaves_two(step: &Step<'_>) -> Result<(), String> {
    let (old, new) = (step.old, step.new);
    for member in new.retiring.iter().filter(|member| !old.retiring.contains(member)) {
        ensure(old.serves(*member), || format!("{member} would retire and was not in sync"))?;
        ensure(*member != old.head, || {
            format!("the head {member} would retire; it hands its role over in a step before")
        })?;
        ensure(new.insync.len() == INSYNC_MAX, || {
            format!(
                "{member} would retire and leave {} in sync; there must be {INSYNC_MAX}",
                new.insync.len()
            )
        })?;
    }
    Ok(())
}

fn fenced_zone_stays_out(step: &Step<'_>) -> Result<(), String> {
    let nobody_elsewhere = step.old.insync.iter().all(|member| step.is_fenced(*member));
    let allowed = |member| !step.is_fenced(member) || (nobody_elsewhere && step.old.serves(member));
    match step.new.members().find(|member| !allowed(*member)) {
        Some(member) => Err(format!("{member} is in the fenced zone, which takes no part")),
        None => Ok(()),
    }
}
