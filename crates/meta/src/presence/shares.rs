//! How the leader splits a namespace's hot capacity between the nodes of a zone: by what each took in lately.
//!
//! Pure: reports go in, shares come out. Soft state, rebuilt from the reports of each term.

use headwater_types::{Member, NamespaceId, NodeId, ZoneName};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    state::State,
    store::{HotShare, Report},
};

/// One part in so many of a capacity is split evenly, so that a rendition that begins has room wherever it lies.
const EVEN_PARTS: u128 = 8;
/// A share that is off by less than one part in so many of the capacity stays as it is.
const SLACK_PARTS: u64 = 64;

/// What the nodes of all zones have been given.
///
/// # To ensure correctness
/// What the nodes of a zone may keep of a namespace together never comes to more than its capacity by what is decided
/// here: a share is raised only by what no other node of the zone has, and what a node has counts until the node itself
/// reports less. Nodes that a new leader has not heard yet may have all that the others had not when they were first
/// heard. So the sum is exceeded only where processes begin: by the difference between the equal part of a node that comes
/// and what the others have not given up yet, for about two reports.
#[derive(Debug, Default)]
pub(super) struct Shares {
    term: u64,
    /// The nodes that were heard in this term.
    nodes: BTreeMap<NodeId, BTreeMap<NamespaceId, Has>>,
    /// What the nodes of a zone that were not heard may have together; nothing where all were.
    unheard: BTreeMap<(ZoneName, NamespaceId), u64>,
}

/// What a node has of a namespace.
#[derive(Debug, Clone, Copy)]
struct Has {
    /// What it may take: reported, or given since then if that is more.
    share: u64,
    ingest: u64,
}

impl Shares {
    /// Takes a node's report in a term of this leader; answers which of its shares are to change. Reports come in their
    /// order, and a report says that no answer to an earlier one will be followed any more.
    pub fn decide(&mut self, state: &State, term: u64, report: &Report) -> Vec<HotShare> {
        if self.term != term {
            *self = Self { term, ..Self::default() };
        }
        let Some((member, hot_capacity)) = report.node.map(|node| (node.member, node.hot_capacity_bytes))
        else {
            return Vec::new();
        };
        self.nodes.retain(|id, _| state.nodes.contains_key(id));
        let is_new = !self.nodes.contains_key(&member.node);
        self.take(member, report);
        let Some(name) = state.nodes.get(&member.node).map(|node| &node.zone) else { return Vec::new() };
        let zone: Vec<NodeId> =
            state.nodes.values().filter(|node| node.zone == *name).map(|node| node.id).collect();
        let reported: BTreeSet<NamespaceId> =
            zone.iter().filter_map(|id| self.nodes.get(id)).flat_map(|has| has.keys().copied()).collect();
        let silent = zone.iter().filter(|id| !self.nodes.contains_key(id)).count() as u64;
        if silent == 0 {
            self.unheard.retain(|(zone, _), _| zone != name);
        }
        let mut shares = Vec::new();
        for namespace in reported {
            let settings = state.namespaces.get(&namespace).map(|record| &record.settings);
            let Some(capacity) = settings.and_then(|settings| settings.hot_capacity_bytes) else { continue };
            let mut split = Split { namespace, capacity, zone: &zone, nodes: &self.nodes, unheard: 0 };
            let has = split.has(member.node).share;
            if silent > 0 {
                let newly = if is_new { has } else { 0 };
                let first = || capacity.saturating_sub(split.heard());
                let unheard = self.unheard.entry((name.clone(), namespace));
                let unheard =
                    unheard.and_modify(|known| *known = known.saturating_sub(newly)).or_insert_with(first);
                // Those that begin meanwhile begin with an equal part each.
                split.unheard = (*unheard).max(split.equal().saturating_mul(silent));
            }
            let share = split.next(member.node, hot_capacity);
            if share == has {
                continue;
            }
            if share > has {
                // It may follow this at once: until its next report it counts as having it.
                let of_node = self.nodes.entry(member.node).or_default();
                let ingest = of_node.get(&namespace).map_or(0, |has| has.ingest);
                of_node.insert(namespace, Has { share, ingest });
            }
            shares.push(HotShare { namespace, capacity_bytes: capacity, share_bytes: share });
        }
        shares
    }

    fn take(&mut self, member: Member, report: &Report) {
        let of_node = self.nodes.entry(member.node).or_default();
        of_node.clear();
        for space in &report.spaces {
            if let Some(share) = space.share_bytes {
                of_node.insert(space.namespace, Has { share, ingest: space.ingest_bytes });
            }
        }
    }
}

/// One namespace's capacity in one zone.
struct Split<'a> {
    namespace: NamespaceId,
    capacity: u64,
    zone: &'a [NodeId],
    nodes: &'a BTreeMap<NodeId, BTreeMap<NamespaceId, Has>>,
    /// What those that were not heard may have.
    unheard: u64,
}

impl Split<'_> {
    /// The part that a node begins with.
    fn equal(&self) -> u64 {
        self.capacity / self.zone.len().max(1) as u64
    }

    fn has(&self, node: NodeId) -> Has {
        let known = self.nodes.get(&node).and_then(|has| has.get(&self.namespace));
        known.copied().unwrap_or(Has { share: self.equal(), ingest: 0 })
    }

    /// What the nodes that were heard have together.
    fn heard(&self) -> u64 {
        let heard = self.zone.iter().filter(|id| self.nodes.contains_key(id));
        heard.fold(0, |sum, id| sum.saturating_add(self.has(*id).share))
    }

    /// What the node should have by what all took in; what it has where nobody took in anything.
    fn target(&self, node: NodeId) -> u64 {
        let all: u128 = self.zone.iter().map(|id| u128::from(self.has(*id).ingest)).sum();
        let has = self.has(node);
        if all == 0 {
            return has.share;
        }
        let capacity = u128::from(self.capacity);
        let even = capacity / EVEN_PARTS;
        let target = even / self.zone.len() as u128 + (capacity - even) * u128::from(has.ingest) / all;
        u64::try_from(target).unwrap_or(u64::MAX)
    }

    /// What the node is to have next.
    fn next(&self, node: NodeId, hot_capacity: u64) -> u64 {
        let has = self.has(node).share;
        let target = self.target(node).min(hot_capacity.max(1));
        if has.abs_diff(target) <= self.capacity / SLACK_PARTS {
            return has;
        }
        if target < has {
            return target;
        }
        let free = self.capacity.saturating_sub(self.heard()).saturating_sub(self.unheard);
        let raise = (target - has).min(free);
        if raise > self.capacity / SLACK_PARTS { has + raise } else { has }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::{NamespaceRecord, NodeRecord, NodeState},
        store::{NodeReport, SpaceReport},
    };
    use headwater_types::{Incarnation, NamespaceName, NamespaceSettings, UnixMillis, ZoneName};
    use proptest::prelude::*;
    use std::sync::Arc;

    const NAMESPACE: NamespaceId = NamespaceId(7);
    const CAPACITY: u64 = 6_400_000;

    fn state(nodes: u64) -> State {
        let mut state = State::default();
        let name = NamespaceName::parse("live").unwrap();
        let settings =
            NamespaceSettings { hot_capacity_bytes: Some(CAPACITY), ..NamespaceSettings::default() };
        let record = NamespaceRecord {
            id: NAMESPACE,
            name,
            created_at: UnixMillis(0),
            updated_at: UnixMillis(0),
            version: 1,
            settings,
            blocked: Vec::new(),
        };
        state.namespaces.insert(NAMESPACE, Arc::new(record));
        for id in (1..=nodes).map(NodeId) {
            let record = NodeRecord {
                id,
                incarnation: Incarnation(1),
                zone: ZoneName::parse("a").unwrap(),
                address: String::new(),
                hot_capacity_bytes: CAPACITY,
                state: NodeState::Active,
                process: None,
            };
            state.nodes.insert(id, record);
        }
        state
    }

    fn report(node: u64, share: u64, ingest: u64) -> Report {
        let member = Member { node: NodeId(node), incarnation: Incarnation(1) };
        Report {
            node: Some(NodeReport { member, hot_bytes: 0, hot_capacity_bytes: CAPACITY }),
            spaces: vec![SpaceReport {
                namespace: NAMESPACE,
                bytes: 0,
                objects: 0,
                share_bytes: Some(share),
                ingest_bytes: ingest,
            }],
            ..Report::default()
        }
    }

    /// A zone whose nodes follow what they are told at once.
    struct Zone {
        state: State,
        shares: Shares,
        term: u64,
        has: Vec<u64>,
    }

    impl Zone {
        fn new(nodes: u64) -> Self {
            let (state, shares) = (state(nodes), Shares::default());
            Self { state, shares, term: 1, has: vec![CAPACITY / nodes; nodes as usize] }
        }

        /// Node `at` reports and hears the answer, or not.
        fn report(&mut self, at: usize, ingest: u64, heard: bool) {
            let report = report(at as u64 + 1, self.has[at], ingest);
            for share in self.shares.decide(&self.state, self.term, &report) {
                assert_eq!((share.namespace, share.capacity_bytes), (NAMESPACE, CAPACITY));
                if heard {
                    self.has[at] = share.share_bytes;
                }
            }
        }

        fn sum(&self) -> u64 {
            self.has.iter().sum()
        }
    }

    #[test]
    fn a_node_that_takes_in_everything_gets_all_but_the_even_part() {
        let mut zone = Zone::new(4);
        for _ in 0..3 {
            (0..4).for_each(|at| zone.report(at, if at == 2 { 1_000 } else { 0 }, true));
        }
        let even = CAPACITY / 8 / 4;
        assert_eq!(zone.has, [even, even, CAPACITY - 3 * even, even]);
        // Nobody takes in anything: what is there stays where it is.
        let before = zone.has.clone();
        (0..4).for_each(|at| zone.report(at, 0, true));
        assert_eq!(zone.has, before);
        // The channel goes on elsewhere.
        for _ in 0..3 {
            (0..4).for_each(|at| zone.report(at, if at == 0 { 5 } else { 0 }, true));
        }
        assert_eq!(zone.has, [CAPACITY - 3 * even, even, even, even]);
    }

    #[test]
    fn a_share_is_raised_only_by_what_another_node_says_it_has_given_up() {
        let mut zone = Zone::new(2);
        zone.report(0, 1_000, true);
        assert_eq!(zone.has[0], CAPACITY / 2, "node 2 has not been heard: it has its equal part");
        zone.report(1, 0, false);
        zone.report(0, 1_000, true);
        assert_eq!(zone.has[0], CAPACITY / 2, "node 2 was told and has not confirmed");
        zone.report(1, 0, true);
        zone.report(0, 1_000, true);
        assert_eq!(zone.has[0], CAPACITY / 2, "node 2 followed and has not reported since");
        zone.report(1, 0, true);
        zone.report(0, 1_000, true);
        assert_eq!(zone.sum(), CAPACITY);
        assert_eq!(zone.has[1], CAPACITY / 16);
    }

    #[test]
    fn a_new_leader_gives_nothing_that_a_node_may_have_which_it_has_not_heard() {
        let mut zone = Zone::new(4);
        for _ in 0..3 {
            (0..4).for_each(|at| zone.report(at, if at == 2 { 1_000 } else { 0 }, true));
        }
        let even = CAPACITY / 8 / 4;
        assert_eq!(zone.has, [even, even, CAPACITY - 3 * even, even]);
        // Node 3 has nearly all of it, and says nothing any more.
        zone.term = 2;
        for _ in 0..10 {
            [0, 1, 3].into_iter().for_each(|at| zone.report(at, if at == 0 { 1_000 } else { 0 }, true));
        }
        assert_eq!(zone.has, [even, even, CAPACITY - 3 * even, even]);
        // It is heard again: what it gives up goes to the others.
        for _ in 0..3 {
            (0..4).for_each(|at| zone.report(at, if at == 0 { 1_000 } else { 0 }, true));
        }
        assert_eq!(zone.has, [CAPACITY - 3 * even, even, even, even]);
    }

    #[test]
    fn what_is_not_limited_or_not_known_is_left_alone() {
        let (mut state, mut shares) = (state(2), Shares::default());
        let mut unlimited = NamespaceRecord::clone(&state.namespaces[&NAMESPACE]);
        unlimited.settings.hot_capacity_bytes = None;
        state.namespaces.insert(NAMESPACE, Arc::new(unlimited));
        assert_eq!(shares.decide(&state, 1, &report(1, 5, 9)), []);
        assert_eq!(shares.decide(&state, 1, &report(9, 5, 9)), [], "a node that is not registered");
        assert_eq!(shares.decide(&state, 1, &Report::default()), [], "a frontend");
    }

    proptest! {
        #[test]
        fn together_the_nodes_never_have_more_than_the_capacity(
            nodes in 1_u64..5,
            steps in prop::collection::vec((0_usize..4, 0_u64..1_000, any::<bool>(), 0_u8..10), 0..200),
        ) {
            let mut zone = Zone::new(nodes);
            for (at, ingest, heard, luck) in steps {
                zone.term += u64::from(luck == 0);
                zone.report(at % nodes as usize, ingest, heard);
                prop_assert!(zone.sum() <= CAPACITY, "{:?}", zone.has);
            }
        }
    }
}
