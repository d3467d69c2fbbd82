//! The same log gives the same bytes, and a snapshot of them the same state.

use headwater_types::{
    Incarnation, KeyId, NamespaceId, NamespaceName, NodeId, Redacted, SeededRng, ShardId, UnixMillis,
    ZoneName,
    signing::{SigningKey, SigningKeyId},
};
use proptest::{collection::vec, prelude::*};

use super::{encoded, new_node};
use crate::{
    command::{Command, NewShard, Registration},
    records::{NamespaceSettings, NodeState, Permission},
    state::State,
};

fn command() -> impl Strategy<Value = Vec<u8>> {
    let settings = |unique_names| NamespaceSettings { unique_names, ..NamespaceSettings::default() };
    let command = prop_oneof![
        ("[a-c]", any::<bool>()).prop_map(move |(name, unique)| Command::CreateNamespace {
            name: NamespaceName::parse(&name).unwrap(),
            settings: settings(unique),
        }),
        (0..12_u64, any::<bool>(), prop::option::of(0..12_u64)).prop_map(
            move |(id, unique, expect_version)| {
                Command::UpdateNamespace { id: NamespaceId(id), expect_version, settings: settings(unique) }
            }
        ),
        ("[a-d]", 0..12_u64, prop::option::of(1..9_u64)).prop_map(|(id, namespace, expires)| {
            Command::CreateKey {
                secret_sha256: id.repeat(64),
                id: KeyId(id.into()),
                namespace: Some(NamespaceId(namespace)),
                permission: Permission::ReadWrite,
                prefix: None,
                expires_at: expires.map(UnixMillis),
                cidrs: Vec::new(),
                digest: None,
                rate_limits: Default::default(),
            }
        }),
        "[a-d]".prop_map(|id| Command::RevokeKey { id: KeyId(id.into()) }),
        (1..5_u64, 1..4_u64, prop::option::of(1..30_u64)).prop_map(|(id, process, follows)| {
            let zone = if id % 2 == 0 { "a" } else { "b" };
            let node = new_node(id, process, zone);
            Command::Register { nodes: vec![Registration { follows: follows.map(Incarnation), ..node }] }
        }),
        (1..3_u64, 2..5_u64).prop_map(|(head, other)| {
            let shard = NewShard { head: NodeId(head), members: vec![NodeId(head), NodeId(other)] };
            Command::CreateMap { shards: ShardId::all().map(|id| (id, shard.clone())).collect() }
        }),
    ];
    let command = prop_oneof![6 => command, 4 => later_command()];
    prop_oneof![9 => command.prop_map(encoded), 1 => Just(Vec::new()), 1 => Just(b"{\"format\":7}".to_vec())]
}

fn later_command() -> impl Strategy<Value = Command> {
    let namespace = || (0..12_u64).prop_map(NamespaceId);
    prop_oneof![
        (namespace(), prop::option::of(0..12_u64))
            .prop_map(|(id, expect_version)| Command::DeleteNamespace { id, expect_version }),
        ("[a-d]", namespace(), 0..3_u64).prop_map(|(id, namespace, seed)| {
            let secret = Redacted(SigningKey::generate(&SeededRng::new(seed)).reveal());
            Command::CreateSigningKey { id: SigningKeyId(id.into()), namespace, secret }
        }),
        "[a-d]".prop_map(|id| Command::RevokeSigningKey { id: SigningKeyId(id.into()) }),
        (namespace(), "[a-b]?/?", any::<bool>()).prop_map(|(namespace, prefix, block)| Command::StartPurge {
            namespace,
            prefix,
            block
        }),
        (namespace(), "[a-b]?/?").prop_map(|(namespace, prefix)| Command::Unblock { namespace, prefix }),
        (0..20_u64, 1023..1025_u16, 0..3_u64).prop_map(|(id, shards_done, removed)| Command::PurgeProgress {
            id,
            shards_done,
            removed
        }),
        (1..5_u64, any::<bool>()).prop_map(|(id, draining)| Command::SetNodeState {
            node: NodeId(id),
            state: if draining { NodeState::Draining } else { NodeState::Active },
        }),
        (1..5_u64).prop_map(|id| Command::RemoveNode { node: NodeId(id) }),
        (0..3_usize, 0..3_usize).prop_map(|(expect, fenced)| {
            let zone = |i: usize| ["a", "b"].get(i).map(|name| ZoneName::parse(name).unwrap());
            Command::SetZoneVerdict { expect: zone(expect), fenced: zone(fenced) }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_same_log_gives_the_same_bytes_with_a_snapshot_anywhere(log in vec(command(), 1..30), cut in 0..30_usize) {
        let mut straight = State::default();
        let mut restored = State::default();
        for (i, command) in log.iter().enumerate() {
            if i == cut {
                restored = State::decode(&restored.encode().unwrap()).unwrap();
            }
            let index = i as u64 + 1;
            prop_assert_eq!(straight.apply(index, command), restored.apply(index, command));
        }
        prop_assert_eq!(&straight, &restored);
        prop_assert_eq!(straight.encode().unwrap(), restored.encode().unwrap());
    }
}

#[test]
fn a_newer_snapshot_format_is_an_error() {
    let error = State::decode(br#"{"format":2,"state":{}}"#).unwrap_err();
    assert!(error.to_string().contains("newer"), "{error}");
}
