//! Registrations, by example and under random sequences.

use headwater_types::{Epoch, Incarnation, Member, NodeId, ShardId, UnixMillis, limits::SHARD_COUNT};
use proptest::{collection::vec, prelude::*};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    apply, create_map, disk, encoded, invariants, new_node, newest, next_process, nonce, refusal, refused,
    register, registered,
};
use crate::{
    command::{Command, Outcome, Registration},
    limits::REPLACED_NONCES_MAX,
    placement,
    records::ShardEntry,
    refusal as code,
    state::State,
};

fn ask(state: &mut State, nodes: &[Registration]) -> Outcome {
    apply(state, Command::Register { nodes: nodes.to_vec() })
}

fn member(id: u64, incarnation: u64) -> Member {
    Member { node: NodeId(id), incarnation: Incarnation(incarnation) }
}

/// A cluster of two nodes, registered at index 1, with a map from index 2; shard 0 is the example.
fn pair() -> State {
    let mut state = State::default();
    assert_eq!(register(&mut state, &[(1, "a"), (2, "b")]), [member(1, 1), member(2, 1)]);
    assert_eq!(create_map(&mut state), Outcome::Done);
    state
}

fn example(state: &State) -> &ShardEntry {
    &state.shards[&ShardId::new(0).unwrap()]
}

fn unchanged(after: &State, before: &State) {
    assert_eq!(State { version: before.version, ..after.clone() }, *before, "a refusal changes nothing");
}

#[test]
fn a_registration_places_nothing() {
    let mut state = State::default();
    register(&mut state, &[(1, "a"), (2, "b")]);
    assert!(state.shards.is_empty());
    assert_eq!(create_map(&mut state), Outcome::Done);
    let before = state.shards.clone();
    register(&mut state, &[(3, "a")]);
    assert_eq!(state.shards, before, "a later node owns nothing");
}

#[test]
fn a_process_has_the_index_at_which_it_first_came_and_keeps_it() {
    let mut state = pair();
    state.version = 40;
    let first = next_process(&state, 1, "a");
    assert_eq!(registered(ask(&mut state, std::slice::from_ref(&first))), [member(1, 41)]);
    let before = state.clone();
    // Sent again, and once more with what it has read since.
    for again in [first.clone(), Registration { follows: Some(Incarnation(41)), ..first.clone() }] {
        assert_eq!(registered(ask(&mut state, &[again])), [member(1, 41)]);
        unchanged(&state, &before);
    }
    for changed in [
        Registration { address: "elsewhere:1".into(), ..first.clone() },
        Registration { disk_id: disk(9), ..first.clone() },
        Registration { hot_capacity_bytes: 7, ..first.clone() },
        next_process(&state, 1, "b"),
    ] {
        assert_eq!(refusal(&ask(&mut state, &[changed])), Some(code::INVALID));
    }
    unchanged(&state, &before);
    let moved = Registration { address: "elsewhere:1".into(), ..next_process(&state, 1, "a") };
    registered(ask(&mut state, &[moved]));
    assert_eq!(state.nodes[&NodeId(1)].address, "elsewhere:1");
}

#[test]
fn a_late_registration_and_one_that_follows_another_change_nothing() {
    let mut state = pair();
    let late = Registration { nonce: nonce(99), ..next_process(&state, 1, "a") };
    register(&mut state, &[(1, "a")]);
    let before = state.clone();
    for (follows, words) in [
        (late.follows, "node 1 is at incarnation 3, and its registration follows 1"),
        (Some(Incarnation(4)), "its registration follows 4"),
        (None, "its registration follows none"),
    ] {
        let (code, message) = refused(ask(&mut state, &[Registration { follows, ..late.clone() }]));
        assert!(code == code::STALE_INCARNATION && message.contains(words), "{message}");
    }
    let stranger = Registration { follows: Some(Incarnation(3)), ..new_node(9, 9, "a") };
    let (code, message) = refused(ask(&mut state, &[stranger]));
    assert!(code == code::STALE_INCARNATION && message.contains("node 9 is not registered"), "{message}");
    unchanged(&state, &before);
    // It was never registered: it reads again and is.
    let again = Registration { follows: Some(newest(&state, 1)), ..late };
    assert_eq!(registered(ask(&mut state, &[again])), [member(1, state.version)]);
}

#[test]
fn a_process_that_was_replaced_does_not_come_back() {
    let mut state = pair();
    let mut first = next_process(&state, 1, "a");
    registered(ask(&mut state, std::slice::from_ref(&first)));
    for later in 1..=REPLACED_NONCES_MAX {
        register(&mut state, &[(1, "a")]);
        first.follows = Some(newest(&state, 1));
        let before = state.clone();
        let (code, message) = refused(ask(&mut state, std::slice::from_ref(&first)));
        assert!(
            code == code::REPLACED && message.contains("two processes run as one node"),
            "{later}: {message}"
        );
        unchanged(&state, &before);
    }
    // One more than are remembered: by now it is like any other that has read who is registered.
    register(&mut state, &[(1, "a")]);
    let process = state.nodes[&NodeId(1)].process.as_ref().unwrap();
    assert_eq!(process.replaced.len(), REPLACED_NONCES_MAX);
    assert!(!process.replaced.contains(&first.nonce));
    assert_eq!(refusal(&ask(&mut state, &[first])), Some(code::STALE_INCARNATION));
}

#[test]
fn a_wiped_disk_takes_no_old_place() {
    let mut state = pair();
    let wiped = Registration { disk_id: disk(22), ..next_process(&state, 2, "b") };
    assert_eq!(registered(ask(&mut state, &[wiped])), [member(2, 3)]);
    for entry in state.shards.values() {
        assert_eq!((entry.epoch, entry.head), (Epoch(2), member(1, 1)));
        assert_eq!((&entry.insync[..], &entry.syncing[..]), (&[member(1, 1)][..], &[member(2, 3)][..]));
    }
    assert_eq!(state.nodes[&NodeId(2)].process.as_ref().unwrap().disk_id, disk(22));
}

#[test]
fn several_nodes_register_as_a_whole_or_not_at_all() {
    let mut state = pair();
    let before = state.clone();
    let [one, two] = [next_process(&state, 1, "a"), next_process(&state, 2, "b")];
    let stale = Registration { follows: None, ..two.clone() };
    for (nodes, wanted) in [
        (vec![], code::INVALID),
        (vec![one.clone(), Registration { nonce: nonce(9), ..one.clone() }], code::INVALID),
        (vec![one.clone(), stale.clone()], code::STALE_INCARNATION),
        (vec![new_node(3, 3, "a"), stale], code::STALE_INCARNATION),
    ] {
        assert_eq!(refusal(&ask(&mut state, &nodes)), Some(wanted), "{nodes:?}");
        unchanged(&state, &before);
    }
    let head = example(&state).head.node;
    let effect = state.apply_entry(99, &encoded(Command::Register { nodes: vec![one.clone(), two.clone()] }));
    assert_eq!(registered(effect.outcome), [member(1, 99), member(2, 99)]);
    let entry = example(&state);
    assert_eq!((entry.epoch, entry.head), (Epoch(2), Member { node: head, incarnation: Incarnation(99) }));
    assert_eq!((entry.insync.len(), entry.syncing.len()), (2, 0));
    assert_eq!((effect.lost.incomplete, effect.lost.empty), (0, usize::from(SHARD_COUNT)));

    // A repetition beside one that is new, in their order.
    let three = new_node(3, 3, "a");
    assert_eq!(
        registered(ask(&mut state, &[two, three, one])),
        [member(2, 99), member(3, 100), member(1, 99)]
    );
    assert_eq!(example(&state).epoch, Epoch(2));
}

#[test]
fn restarts_one_after_the_other() {
    let mut state = pair();
    register(&mut state, &[(1, "a")]);
    let entry = example(&state);
    assert_eq!((entry.epoch, entry.head), (Epoch(2), member(2, 1)));
    assert_eq!((&entry.insync[..], &entry.syncing[..]), (&[member(2, 1)][..], &[member(1, 3)][..]));

    register(&mut state, &[(1, "a")]);
    let entry = example(&state);
    assert_eq!(
        (entry.epoch, &entry.syncing[..]),
        (Epoch(3), &[member(1, 4)][..]),
        "a syncing member is renamed"
    );
    assert_eq!(entry.insync, [member(2, 1)]);

    let nodes = vec![next_process(&state, 2, "b")];
    let effect = state.apply_entry(99, &encoded(Command::Register { nodes }));
    let entry = example(&state);
    assert_eq!((entry.epoch, entry.head), (Epoch(4), member(1, 4)), "the syncing member takes over");
    assert_eq!((&entry.insync[..], &entry.syncing[..]), (&[member(1, 4)][..], &[member(2, 99)][..]));
    assert_eq!((effect.lost.incomplete, effect.lost.empty), (usize::from(SHARD_COUNT), 0), "and it is loud");
}

#[test]
fn of_a_move_that_restarts_as_a_whole_only_one_a_zone_is_in_sync() {
    let mut state = pair();
    let three = register(&mut state, &[(3, "b")]);
    for entry in state.shards.values_mut() {
        Arc::make_mut(entry).syncing.clone_from(&three);
        Arc::make_mut(entry).retiring = vec![member(9, 1)];
    }
    let now = register(&mut state, &[(1, "a"), (2, "b"), (3, "b")]);
    let entry = example(&state);
    assert_eq!(entry.insync.iter().map(|m| m.node).collect::<BTreeSet<_>>(), [NodeId(1), NodeId(2)].into());
    assert_eq!((&entry.syncing[..], &entry.retiring[..]), (&now[2..], &[member(9, 1)][..]));
}

#[test]
fn a_restored_group_gives_no_number_that_the_lost_one_gave() {
    let mut lost = pair();
    let mut restored = State::decode(&lost.encode().unwrap()).unwrap();
    restored.raise_epochs(1 << 20, UnixMillis(0));
    // The lost group went on after the backup.
    let given: Vec<Member> = (0..100).flat_map(|_| register(&mut lost, &[(1, "a"), (2, "b")])).collect();
    let process = next_process(&lost, 1, "a");
    assert_eq!(
        refusal(&ask(&mut restored, &[process])),
        Some(code::STALE_INCARNATION),
        "it reads the new group"
    );
    for _ in 0..100 {
        let members = register(&mut restored, &[(1, "a"), (2, "b")]);
        assert!(members.iter().all(|member| !given.contains(member)), "{members:?}");
        assert!(members.iter().all(|member| member.incarnation > newest(&lost, 1)));
    }
}

/// Nodes as (id, whether it is the process that asked last, another zone than before).
fn registrations() -> impl Strategy<Value = Vec<Vec<(u64, bool, bool)>>> {
    let node = (1..=6_u64, prop::bool::weighted(0.3), prop::bool::weighted(0.1));
    vec(vec(node, 1..4), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn invariants_hold_under_random_registrations(commands in registrations()) {
        let mut state = State::default();
        let mut last: BTreeMap<u64, Registration> = BTreeMap::new();
        for command in commands {
            let nodes: Vec<Registration> = command.iter().map(|(id, again, elsewhere)| {
                let new = next_process(&state, *id, if (id % 2 == 0) ^ elsewhere { "a" } else { "b" });
                last.get(id).filter(|_| *again).cloned().unwrap_or(new)
            }).collect();
            let before = state.clone();
            match ask(&mut state, &nodes) {
                Outcome::Registered { members } => {
                    for (member, node) in members.iter().zip(&nodes) {
                        prop_assert_eq!(state.nodes[&node.id].member(), *member);
                    }
                }
                _ => prop_assert_eq!(&State { version: before.version, ..state.clone() }, &before),
            }
            last.extend(nodes.into_iter().map(|node| (node.id.0, node)));
            invariants::check(&before, &state);
            if let Some(command) = placement::first_map(&state) {
                prop_assert_eq!(apply(&mut state, command), Outcome::Done);
                invariants::check(&before, &state);
            }
        }
    }
}
