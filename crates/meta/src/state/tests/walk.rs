//! Random sequences of registrations, readmissions, reconfigurations, verdicts and removals.

use headwater_types::{DiskId, Epoch, Incarnation, Member, NodeId, Nonce, Rng, SeededRng, ShardId, ZoneName};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

use super::{
    cluster::{cluster, entry, process, shard},
    disk, encoded, invariants, next_process,
};
use crate::{
    command::{Command, Evidence, Outcome, Registration, ShardChange, SingleReason},
    records::{NodeRecord, NodeState, ShardEntry},
    state::State,
};

const STEPS: usize = 120;
const SHARDS: u16 = 4;
const NODES: u64 = 9;

/// What was applied, by kind of step.
type Applied = BTreeMap<&'static str, usize>;

struct Walk {
    rng: SeededRng,
    state: State,
    /// Registrations that were asked for, which may arrive again, late and in any order.
    asked: Vec<Registration>,
}

fn start() -> State {
    let mut state = cluster(entry(&[1, 2], &[], &[]));
    for (id, insync) in (1..SHARDS).zip([[2, 1], [5, 4], [3, 1]]) {
        state.shards.insert(shard(id), Arc::new(entry(&insync, &[], &[])));
    }
    state
}

fn zone_of(id: u64) -> &'static str {
    ["c", "a", "b"][id as usize % 3]
}

impl Walk {
    fn below(&self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn pick<T: Copy>(&self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    fn command(&mut self) -> (&'static str, Command) {
        let id = 1 + self.below(NODES);
        match self.below(12) {
            0 if !self.asked.is_empty() && self.below(3) == 0 => {
                let late = self.asked[self.below(self.asked.len() as u64) as usize].clone();
                ("late register", Command::Register { nodes: vec![late] })
            }
            0 => ("register", self.register(id)),
            1 => {
                let state = self.pick(&[NodeState::Active, NodeState::Draining]);
                ("state", Command::SetNodeState { node: NodeId(id), state })
            }
            2 if self.below(4) == 0 => ("remove", Command::RemoveNode { node: NodeId(id) }),
            3 if self.below(2) == 0 => ("verdict", self.verdict()),
            4 => ("readmit", self.readmit(id)),
            _ => {
                let (kind, change) = self.change();
                (kind, Command::Reconfigure { changes: vec![change] })
            }
        }
    }

    /// A new process of a node, or of two in one command, mostly with the node's own directory.
    fn register(&mut self, id: u64) -> Command {
        let mut nodes = Vec::new();
        for id in [id, 1 + id % NODES].into_iter().take(1 + self.below(2) as usize) {
            let mut node = next_process(&self.state, id, zone_of(id));
            node.nonce = Nonce::draw(&self.rng);
            if self.below(4) == 0 {
                node.disk_id = DiskId::draw(&self.rng);
            }
            nodes.push(node);
        }
        self.asked.extend(nodes.iter().cloned());
        Command::Register { nodes }
    }

    fn verdict(&self) -> Command {
        let zone = |name: &str| Some(ZoneName::parse(name).unwrap());
        let expect = self.state.zone_verdict.as_ref().map(|verdict| verdict.fenced.clone());
        let fenced = if expect.is_some() { None } else { zone(self.pick(&["a", "b", "c"])) };
        Command::SetZoneVerdict { expect, fenced }
    }

    fn readmit(&self, id: u64) -> Command {
        let node = NodeId(id);
        let old = self.state.nodes.get(&node).map_or(Incarnation(1), |node| node.incarnation);
        let naming = self.state.shards.iter().filter(|(_, entry)| entry.names(node));
        let mut shards: Vec<(ShardId, Epoch)> = naming.map(|(id, entry)| (*id, entry.epoch)).collect();
        if self.below(8) == 0 {
            shards.pop();
        }
        let process = self.state.nodes.get(&node).and_then(|node| node.process.as_ref());
        let disk_id = process.map_or(disk(id), |process| process.disk_id);
        let disk_id = if self.below(8) == 0 { DiskId::draw(&self.rng) } else { disk_id };
        let nonce = Nonce::draw(&self.rng);
        Command::Readmit { node, old, disk_id, nonce, evidence: Evidence::SameBoot, shards }
    }

    /// A change that a rule may or may not allow, from what the shard is now.
    fn change(&self) -> (&'static str, ShardChange) {
        let shard = shard(self.below(u64::from(SHARDS)) as u16);
        let old = ShardEntry::clone(&self.state.shards[&shard]);
        let mut new = old.clone();
        let kind = self.pick(&["evict", "join", "join", "promote", "move", "hand over", "clear", "anything"]);
        match kind {
            "evict" => {
                new.insync = vec![self.pick(&old.insync)];
                new.head = new.insync[0];
            }
            "join" => new.syncing.push(self.member()),
            "promote" | "move" => {
                if kind == "move" {
                    new.retiring.extend(old.insync.iter().filter(|m| **m != old.head));
                    new.insync = vec![old.head];
                }
                if !old.syncing.is_empty() {
                    new.insync.push(new.syncing.remove(self.below(old.syncing.len() as u64) as usize));
                }
            }
            "hand over" => new.head = self.pick(&old.insync),
            "clear" => {
                new.retiring.clear();
                if self.below(2) == 0 {
                    new.syncing.clear();
                }
            }
            _ => self.scramble(&mut new),
        }
        let reasons = [SingleReason::PeerSuspected, SingleReason::ZoneFenced, SingleReason::NoSpare];
        let anybody = self.member();
        let change = ShardChange {
            shard,
            expect_epoch: Epoch(old.epoch.0 - u64::from(self.below(16) == 0)),
            head: new.head,
            insync: new.insync,
            syncing: new.syncing,
            retiring: new.retiring,
            asked_by: self.pick(&[Some(old.head), Some(old.head), Some(anybody), None]),
            single: self.pick(&[Some(self.pick(&reasons)), None]),
        };
        (kind, change)
    }

    fn scramble(&self, entry: &mut ShardEntry) {
        let list = |max| (0..self.below(max)).map(|_| self.member()).collect();
        (entry.insync, entry.syncing, entry.retiring) = (list(4), list(3), list(3));
        entry.head = self.member();
    }

    /// A process of a node, mostly the registered one.
    fn member(&self) -> Member {
        let id = NodeId(1 + self.below(NODES));
        let incarnation = self.state.nodes.get(&id).map_or(1, |node| node.incarnation.0);
        process(id.0, incarnation + u64::from(self.below(16) == 0))
    }
}

/// Takes a walk and checks every step; answers its log.
fn walk(seed: u64, applied: &mut Applied) -> Vec<Vec<u8>> {
    let mut walk = Walk { rng: SeededRng::new(seed), state: start(), asked: Vec::new() };
    let mut log = Vec::new();
    let mut given = Given::of(&walk.state);
    for _ in 0..STEPS {
        let (kind, command) = walk.command();
        let before = walk.state.clone();
        let document = encoded(command.clone());
        let outcome = walk.state.apply(before.version + 1, &document);
        invariants::check(&before, &walk.state);
        if !matches!(outcome, Outcome::Refused { .. }) {
            given.check(&command, &outcome);
            *applied.entry(kind).or_default() += 1;
            check_promotions(&before, &walk.state, &command);
            check_fence(&before, &walk.state, &command);
        } else {
            let after = State { version: before.version, ..walk.state.clone() };
            assert_eq!(after, before, "a refusal changed something: {command:?}");
        }
        log.push(document);
    }
    log
}

/// Which process has which number, and the disk that it had: no number is given twice, and a process keeps its own.
struct Given(BTreeMap<Member, (Nonce, DiskId)>);

impl Given {
    fn of(state: &State) -> Self {
        let told = |node: &NodeRecord| {
            let process = node.process.as_ref().unwrap();
            (node.member(), (process.nonce, process.disk_id))
        };
        Self(state.nodes.values().map(told).collect())
    }

    fn check(&mut self, command: &Command, outcome: &Outcome) {
        let Outcome::Registered { members } = outcome else { return };
        let asked = match command {
            Command::Register { nodes } => nodes.iter().map(|node| (node.nonce, node.disk_id)).collect(),
            Command::Readmit { old, node, nonce, disk_id, .. } => {
                let before = self.0[&Member { node: *node, incarnation: *old }];
                assert_eq!(before.1, *disk_id, "another directory took a place");
                vec![(*nonce, *disk_id)]
            }
            other => panic!("{other:?} registered"),
        };
        for (member, process) in members.iter().zip(asked) {
            let has = *self.0.entry(*member).or_insert(process);
            assert_eq!(has, process, "{member} is two processes");
            let is_its = |(other, given): &(&Member, &(Nonce, DiskId))| {
                (other.node, given.0) == (member.node, process.0)
            };
            let numbers = self.0.iter().filter(is_its).count();
            assert_eq!(numbers, 1, "a process has two numbers");
        }
    }
}

/// Nobody becomes in sync who was not syncing in the epoch before, with the head asking. A readmission puts another
/// process in the same place; a registration may, where nobody in sync is left.
fn check_promotions(before: &State, after: &State, command: &Command) {
    for (id, new) in &after.shards {
        let old = &before.shards[id];
        for promoted in new.insync.iter().filter(|m| !old.serves(**m)) {
            match command {
                Command::Reconfigure { changes } => {
                    assert!(old.syncing.contains(promoted), "{promoted} was not syncing");
                    assert_eq!(changes[0].asked_by, Some(old.head));
                }
                Command::Readmit { node, old: process, .. } => {
                    assert_eq!(promoted.node, *node);
                    assert!(old.serves(Member { node: *node, incarnation: *process }));
                }
                Command::Register { nodes } => {
                    assert!(old.insync.iter().all(|m| nodes.iter().any(|node| node.id == m.node)));
                }
                other => panic!("{other:?} promoted {promoted}"),
            }
        }
    }
}

/// A reconfiguration brings nobody of the fenced zone in, and a verdict leaves nobody of it beside another.
fn check_fence(before: &State, after: &State, command: &Command) {
    let Some(verdict) = &after.zone_verdict else { return };
    let is_fenced = |member: &Member| after.nodes[&member.node].zone == verdict.fenced;
    for (id, new) in &after.shards {
        let old = &before.shards[id];
        match command {
            Command::Reconfigure { .. } if new != old => {
                assert!(new.members().filter(is_fenced).all(|member| old.serves(member)));
            }
            Command::SetZoneVerdict { .. } => {
                assert!(new.insync.iter().all(is_fenced) || !new.members().any(|member| is_fenced(&member)));
            }
            _ => {}
        }
    }
}

#[test]
fn every_kind_of_step_is_taken() {
    let mut applied = Applied::new();
    for seed in 0..40 {
        walk(seed, &mut applied);
    }
    let kinds = [
        "register",
        "late register",
        "state",
        "remove",
        "verdict",
        "readmit",
        "evict",
        "join",
        "promote",
        "move",
        "hand over",
        "clear",
    ];
    for kind in kinds {
        assert!(applied.get(kind).is_some_and(|count| *count >= 5), "{kind}: {applied:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn invariants_hold_and_the_log_gives_the_same_bytes_again(seed in any::<u64>(), cut in 0..STEPS) {
        let log = walk(seed, &mut Applied::new());
        let (mut straight, mut restored) = (start(), start());
        for (i, document) in log.iter().enumerate() {
            if i == cut {
                restored = State::decode(&restored.encode().unwrap()).unwrap();
            }
            let index = straight.version + 1;
            prop_assert_eq!(straight.apply(index, document), restored.apply(index, document));
        }
        prop_assert_eq!(straight.encode().unwrap(), restored.encode().unwrap());
    }
}
