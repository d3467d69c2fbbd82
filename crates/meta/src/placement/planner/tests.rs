//! The planner in a simulated cluster: heads that promote what is empty, and every guard of a configuration checked.

use headwater_types::{Epoch, ZoneName, limits::SHARD_COUNT};
use proptest::prelude::*;
use std::sync::Arc;

use super::*;
use crate::{
    command::{Command, Outcome},
    placement::{MoveCounts, moves, target::leaver},
    records::{NodeState, ZoneVerdict},
    state::tests::{apply, create_map, newest, register},
};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(500);

fn zone_of(id: u64) -> &'static str {
    if id.is_multiple_of(2) { "b" } else { "a" }
}

struct Cluster {
    state: State,
    planner: Planner,
    /// Shards that hold something.
    full: BTreeSet<ShardId>,
    /// Nodes that do not report.
    away: BTreeSet<NodeId>,
    now: Duration,
    moved: usize,
}

impl Cluster {
    /// Nodes of odd ids in zone a, of even ones in zone b, with a map.
    fn new(ids: impl IntoIterator<Item = u64>) -> Self {
        let mut cluster = Self {
            state: State::default(),
            planner: Planner::default(),
            full: BTreeSet::new(),
            away: BTreeSet::new(),
            now: Duration::ZERO,
            moved: 0,
        };
        ids.into_iter().for_each(|id| cluster.add(id));
        assert_eq!(create_map(&mut cluster.state), Outcome::Done);
        cluster
    }

    fn add(&mut self, id: u64) {
        register(&mut self.state, &[(id, zone_of(id))]);
    }

    fn drain(&mut self, id: u64) {
        self.state.nodes.get_mut(&NodeId(id)).unwrap().state = NodeState::Draining;
    }

    fn counts(&self) -> MoveCounts {
        moves(&self.state)
    }

    fn shards_of(&self, id: u64) -> usize {
        self.state.shards.values().filter(|entry| names(entry).any(|m| m.node == NodeId(id))).count()
    }

    /// The leader's steps, then the heads'; answers whether anything happened.
    fn round(&mut self) -> bool {
        self.now += ROUND;
        let alive = self.state.nodes.values().filter(|node| !self.away.contains(&node.id));
        let alive = alive.map(|node| Member { node: node.id, incarnation: node.incarnation }).collect();
        let steps = self.planner.steps(&self.state, &alive, self.now);
        assert!(steps.len() <= SHARD_CHANGES_MAX);
        let changed: BTreeSet<ShardId> = steps.iter().map(|step| step.shard).collect();
        assert_eq!(changed.len(), steps.len(), "a shard is changed twice by one command");
        let idle = steps.is_empty();
        steps.into_iter().for_each(|step| self.reconfigure(step));
        self.check_bound();
        let asked = self.heads();
        let idle = idle && asked.is_empty();
        asked.into_iter().for_each(|step| self.reconfigure(step));
        !idle
    }

    fn run(&mut self) {
        for _ in 0..20_000 {
            if !self.round() {
                return;
            }
        }
        panic!("it does not converge: {:?}", self.counts());
    }

    /// What heads of empty shards ask for.
    fn heads(&self) -> Vec<ShardChange> {
        let ask = |(shard, entry): (&ShardId, &Arc<ShardEntry>)| {
            let to = *entry.syncing.first().filter(|_| !self.full.contains(shard))?;
            let mut change =
                ShardChange { asked_by: Some(entry.head), ..change(*shard, entry, entry.syncing.clone()) };
            match leaver(&self.state.nodes, entry, to.node) {
                Some(node) if node == entry.head.node => {
                    change.head = *entry.insync.iter().find(|member| **member != entry.head)?;
                }
                Some(node) => {
                    let leaves = *entry.insync.iter().find(|member| member.node == node)?;
                    change.insync.retain(|member| *member != leaves);
                    change.insync.push(to);
                    change.syncing.clear();
                    change.retiring.push(leaves);
                }
                None => return None,
            }
            Some(change)
        };
        self.state.shards.iter().filter_map(ask).collect()
    }

    /// The guards of the state machine, and what a move must never do besides.
    fn reconfigure(&mut self, change: ShardChange) {
        let old = self.state.shards[&change.shard].clone();
        assert_eq!(change.expect_epoch, old.epoch);
        assert!(old.insync.len() >= MEMBERS, "a degraded shard is left alone");
        assert_eq!(change.insync.len(), MEMBERS);
        assert!(old.insync.contains(&change.head) && change.insync.contains(&change.head));
        let asked = change.asked_by == Some(old.head);
        for member in &change.insync {
            assert!(old.insync.contains(member) || asked && old.syncing.contains(member));
        }
        let zones: BTreeSet<&ZoneName> =
            change.insync.iter().map(|m| &self.state.nodes[&m.node].zone).collect();
        assert_eq!(zones.len(), change.insync.len(), "two in-sync members in one zone");
        for member in change.syncing.iter().filter(|member| !old.syncing.contains(member)) {
            let record = &self.state.nodes[&member.node];
            assert_eq!((record.incarnation, record.state), (member.incarnation, NodeState::Active));
            assert!(!self.away.contains(&record.id));
            let fenced = self.state.zone_verdict.as_ref().map(|verdict| &verdict.fenced);
            assert_ne!(fenced, Some(&record.zone));
        }
        let joined = change.insync.iter().filter(|member| !old.insync.contains(member)).count();
        assert!(joined == 0 || !self.full.contains(&change.shard));
        self.moved += joined;
        let refused = apply(&mut self.state, Command::Reconfigure { changes: vec![change] });
        assert_eq!(refused, Outcome::Done);
    }

    fn check_bound(&self) {
        let mut moving: BTreeMap<NodeId, usize> = BTreeMap::new();
        for entry in self.state.shards.values().filter(|entry| is_moving(entry)) {
            names(entry).for_each(|member| *moving.entry(member.node).or_default() += 1);
        }
        assert!(moving.values().all(|moves| *moves <= MOVES_PER_NODE_MAX), "{moving:?}");
    }

    fn is_as_planned(&self) -> bool {
        self.counts() == MoveCounts::default()
            && self.state.shards.values().all(|e| e.syncing.is_empty() && e.retiring.is_empty())
    }
}

fn names(entry: &ShardEntry) -> impl Iterator<Item = Member> + '_ {
    entry.writers().chain(entry.retiring.iter().copied())
}

#[test]
fn a_new_node_gets_its_share_and_nothing_else_moves() {
    let mut cluster = Cluster::new(1..=4);
    cluster.run();
    assert_eq!(cluster.moved, 0, "the first map is as planned");
    cluster.add(6);
    let planned = cluster.counts();
    let share = usize::from(SHARD_COUNT) / 3;
    assert!((share - 1..=share + 2).contains(&planned.planned), "{planned:?}");
    assert_eq!(planned.nodes[&NodeId(6)].planned_in, planned.planned);
    let untouched: Vec<Vec<Member>> =
        cluster.state.shards.values().map(|entry| in_zone(&cluster, entry, "a")).collect();
    cluster.run();
    assert!(cluster.is_as_planned(), "{:?}", cluster.counts());
    assert_eq!((cluster.moved, cluster.shards_of(6)), (planned.planned, planned.planned));
    let after: Vec<Vec<Member>> =
        cluster.state.shards.values().map(|entry| in_zone(&cluster, entry, "a")).collect();
    assert_eq!(after, untouched, "nothing moves in the other zone");
}

/// Full shards among those that the plan moves.
fn planned_of(cluster: &Cluster) -> usize {
    let mut target = Target::default();
    let target = target.of(&cluster.state);
    let wanted =
        |shard: &ShardId| next_move(&cluster.state.nodes, &cluster.state.shards[shard], &target[shard]);
    cluster.full.iter().filter(|shard| wanted(shard).is_some()).count()
}

fn in_zone(cluster: &Cluster, entry: &ShardEntry, zone: &str) -> Vec<Member> {
    entry.insync.iter().filter(|m| cluster.state.nodes[&m.node].zone.as_str() == zone).copied().collect()
}

#[test]
fn a_drained_node_is_emptied_and_no_other_gives_anything_away() {
    let mut cluster = Cluster::new(1..=6);
    let had = cluster.shards_of(3);
    cluster.drain(3);
    assert_eq!(cluster.counts().nodes[&NodeId(3)].planned_out, had);
    cluster.run();
    assert_eq!((cluster.shards_of(3), cluster.moved), (0, had));
    assert!(cluster.is_as_planned());
}

#[test]
fn the_last_node_of_a_zone_keeps_its_shards_and_says_so() {
    let mut cluster = Cluster::new([1, 2, 4]);
    cluster.drain(1);
    assert!(!cluster.round());
    assert_eq!(cluster.counts().nodes[&NodeId(1)].planned_out, usize::from(SHARD_COUNT));
}

#[test]
fn a_shard_with_data_waits_visibly_and_does_not_hold_up_the_others() {
    let mut cluster = Cluster::new([1, 2]);
    // One in three holds something, so that without putting them off the first two would stop everything.
    cluster.full = ShardId::all().filter(|shard| shard.get() % 3 == 0).collect();
    cluster.add(4);
    let planned = cluster.counts().planned;
    assert_eq!(planned, usize::from(SHARD_COUNT) / 2);
    let empty = planned - planned_of(&cluster);
    while cluster.moved < empty {
        cluster.round();
        assert!(cluster.now < Duration::from_secs(600), "only {} of {empty} are moved", cluster.moved);
    }
    // The last one that was promoted still has its old member.
    cluster.round();
    let left = cluster.counts();
    assert_eq!(left.planned + left.under_way, planned - empty, "the full ones are still planned: {left:?}");
    for (shard, entry) in cluster.state.shards.iter().filter(|(shard, _)| cluster.full.contains(shard)) {
        assert!(entry.insync.iter().all(|member| member.node != NodeId(4)), "shard {shard} holds something");
    }
    cluster.full.clear();
    cluster.now += MOVE_RETRY_AFTER;
    cluster.run();
    cluster.now += MOVE_RETRY_AFTER;
    cluster.run();
    assert!(cluster.is_as_planned(), "{:?}", cluster.counts());
    assert_eq!(cluster.moved, planned);
}

#[test]
fn a_move_to_a_node_that_went_away_is_taken_back_and_none_begins() {
    let mut cluster = Cluster::new([1, 2]);
    cluster.add(4);
    cluster.full = ShardId::all().collect();
    assert!(cluster.round());
    assert_eq!(cluster.counts().under_way, MOVES_PER_NODE_MAX);
    cluster.away.insert(NodeId(4));
    assert!(cluster.round());
    assert_eq!(cluster.counts().under_way, 0);
    assert!(!cluster.round(), "nothing begins without the new node");
    cluster.away = [NodeId(1)].into();
    assert!(!cluster.round(), "nor without the member that stays");
}

#[test]
fn degraded_shards_and_fenced_zones_are_left_alone() {
    let mut cluster = Cluster::new(1..=4);
    cluster.add(6);
    // Node 1 restarts: its shards are degraded.
    register(&mut cluster.state, &[(1, "a")]);
    assert!(cluster.counts().rejoining > 0);
    let degraded: Vec<(ShardId, Epoch)> = cluster
        .state
        .shards
        .iter()
        .filter(|(_, e)| e.insync.len() == 1)
        .map(|(s, e)| (*s, e.epoch))
        .collect();
    cluster.run();
    assert!(cluster.moved > 0);
    for (shard, epoch) in degraded {
        assert_eq!(cluster.state.shards[&shard].epoch, epoch, "shard {shard} is degraded");
    }

    let mut cluster = Cluster::new(1..=4);
    cluster.add(6);
    let fenced = ZoneName::parse("b").unwrap();
    cluster.state.zone_verdict = Some(ZoneVerdict { fenced, since: headwater_types::UnixMillis(0) });
    assert!(!cluster.round(), "nothing is moved into a fenced zone, nor out of it into one zone");
}

#[test]
fn a_batch_is_bounded_and_one_that_is_full_goes_on_with_the_next() {
    let mut cluster = Cluster::new([1, 2]);
    // All are left with a retiring member, as if a leader had died after each promotion.
    let old = Member { node: NodeId(2), incarnation: newest(&cluster.state, 2) };
    for entry in cluster.state.shards.values_mut() {
        Arc::make_mut(entry).retiring = vec![old];
    }
    let steps = cluster.planner.steps(&cluster.state, &BTreeSet::new(), Duration::ZERO);
    assert_eq!(steps.len(), SHARD_CHANGES_MAX);
    cluster.run();
    assert!(cluster.is_as_planned());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// Nodes come, go and are drained while moves are under way: in the end the map is as the ring plans it.
    #[test]
    fn it_converges_whatever_happens_meanwhile(
        size in 2..6u64,
        events in proptest::collection::vec((0..3u8, 1..12u64, 0..40usize), 1..5),
    ) {
        let mut cluster = Cluster::new(1..=size);
        for (kind, id, rounds) in events {
            let id = if kind == 0 { id } else { id.min(size) };
            match kind {
                0 if !cluster.state.nodes.contains_key(&NodeId(id)) => cluster.add(id),
                1 => cluster.drain(id),
                2 => { cluster.away.insert(NodeId(id)); }
                _ => {}
            }
            for _ in 0..rounds {
                cluster.round();
            }
            cluster.away.clear();
        }
        cluster.run();
        cluster.now += MOVE_RETRY_AFTER;
        cluster.run();
        let left = cluster.counts();
        prop_assert_eq!(left.under_way, 0);
        let active = |zone| cluster.state.nodes.values().any(|n| n.zone.as_str() == zone && n.state == NodeState::Active);
        if active("a") && active("b") {
            prop_assert_eq!(left, MoveCounts::default());
        }
    }
}
