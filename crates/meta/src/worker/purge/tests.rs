//! A sweep over fake nodes: what it takes, what it leaves, and where it stops.

use headwater_proto::{
    BodyPieces, DeleteReply, DeleteRequest, GetReply, GetRequest, HeadReply, HeadRequest, ListEntry,
    ListReply, ListRequest, PutReply, PutRequest, Replication, Storage, StorageError, directory::Directory,
};
use headwater_types::{
    Attributes, Digest, MediaClass, NamespaceId, NamespaceName, NodeId, ObjectKey, ObjectMeta, SeededRng,
    ShardId, SystemClock, UnixMillis, Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use super::*;
use crate::{
    command::Outcome,
    placement,
    state::tests::{apply, create_map, new_node, register},
    store::MetaStore,
};

const NAMESPACE: NamespaceId = NamespaceId(7);

/// All nodes in one: they share what is stored, and some do not answer.
#[derive(Debug, Default)]
struct Nodes {
    /// Keys and when they were stored.
    stored: Mutex<BTreeMap<String, u64>>,
    away: Mutex<BTreeSet<NodeId>>,
    deletes: Mutex<(usize, usize)>,
}

#[derive(Debug)]
struct Fake {
    id: NodeId,
    nodes: Arc<Nodes>,
}

#[derive(Debug)]
struct Fakes(Arc<Nodes>);

impl Directory for Fakes {
    fn storage(&self, id: NodeId, _address: &str) -> Arc<dyn Storage> {
        Arc::new(Fake { id, nodes: self.0.clone() })
    }
    fn replication(&self, _: NodeId, _: &str) -> Arc<dyn Replication> {
        unreachable!("a purge replicates nothing")
    }
}

fn meta(stored_at: u64) -> Arc<ObjectMeta> {
    Arc::new(ObjectMeta {
        version: Version::default(),
        digest: Digest::of(b""),
        size: 0,
        class: MediaClass::Media,
        attributes: Attributes::default(),
        stored_at: UnixMillis(stored_at),
        expires_at: UnixMillis(u64::MAX),
    })
}

#[async_trait::async_trait]
impl Storage for Fake {
    async fn list(&self, request: ListRequest) -> Result<ListReply, StorageError> {
        if self.nodes.away.lock().unwrap().contains(&self.id) {
            return Err(StorageError::Unavailable("away".into()));
        }
        let shards: BTreeSet<ShardId> = request.shards.iter().map(|(shard, _)| *shard).collect();
        let stored = self.nodes.stored.lock().unwrap();
        let wanted = stored.iter().filter(|(key, _)| {
            let object = ObjectKey::parse(key).unwrap();
            key.starts_with(&request.prefix)
                && request.after.as_ref().is_none_or(|after| *key > after)
                && shards.contains(&headwater_ring::shard(request.namespace, &object))
        });
        // Small pages, so that a few keys make several.
        let entries: Vec<ListEntry> =
            wanted.take(3).map(|(key, at)| ListEntry { name: key.clone(), meta: Some(meta(*at)) }).collect();
        Ok(ListReply { more: entries.len() == 3, entries })
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteReply, StorageError> {
        let under_way = |by: isize| {
            let mut deletes = self.nodes.deletes.lock().unwrap();
            deletes.0 = deletes.0.saturating_add_signed(by);
            deletes.1 = deletes.1.max(deletes.0);
        };
        under_way(1);
        tokio::task::yield_now().await;
        under_way(-1);
        let existed = self.nodes.stored.lock().unwrap().remove(request.object.key.as_str()).is_some();
        Ok(DeleteReply { version: Version::default(), existed })
    }

    async fn put(&self, _: PutRequest, _: BodyPieces) -> Result<PutReply, StorageError> {
        unreachable!()
    }
    async fn get(&self, _: GetRequest) -> Result<GetReply, StorageError> {
        unreachable!()
    }
    async fn head(&self, _: HeadRequest) -> Result<HeadReply, StorageError> {
        unreachable!()
    }
}

struct Setup {
    nodes: Arc<Nodes>,
    parts: WorkerParts,
    state: Arc<State>,
    purge: PurgeRecord,
}

fn setup(keys: impl IntoIterator<Item = (String, u64)>) -> Setup {
    let nodes = Arc::new(Nodes { stored: Mutex::new(keys.into_iter().collect()), ..Nodes::default() });
    let mut state = State::default();
    register(&mut state, &[(1, "a"), (2, "b")]);
    assert!(placement::first_map(&state).is_some());
    create_map(&mut state);
    let purge = PurgeRecord {
        id: 1,
        namespace: NAMESPACE,
        name: NamespaceName::parse("live").unwrap(),
        prefix: "ch1/".to_owned(),
        created_at: UnixMillis(1_000),
        shards_done: 0,
        removed: 0,
        finished_at: None,
    };
    let parts = WorkerParts {
        directory: Arc::new(Fakes(nodes.clone())),
        clock: Arc::new(SystemClock::new()),
        rng: Arc::new(SeededRng::new(1)),
    };
    Setup { nodes, parts, state: Arc::new(state), purge }
}

fn all() -> Vec<ShardId> {
    ShardId::all().collect()
}

#[tokio::test]
async fn what_is_below_the_prefix_and_old_enough_goes_page_after_page() {
    let old = (0..200).map(|n| (format!("ch1/v{n}/seg.ts"), 999));
    let kept =
        [("ch1/new.ts".to_owned(), 1_000), ("ch10/seg.ts".to_owned(), 1), ("ch2/seg.ts".to_owned(), 1)];
    let setup = setup(old.chain(kept.clone()));
    let sweep = Sweep::new(&setup.parts, &setup.state, &setup.purge, Some(setup.purge.created_at));
    sweep.run(&all()).await.unwrap();
    assert_eq!(sweep.removed(), 200);
    assert_eq!(*setup.nodes.stored.lock().unwrap(), BTreeMap::from(kept));
    let most = setup.nodes.deletes.lock().unwrap().1;
    assert!(most > 1, "deletes of a page go together");

    let everything = Sweep::new(&setup.parts, &setup.state, &setup.purge, None);
    everything.run(&all()).await.unwrap();
    assert_eq!(everything.removed(), 1, "the namespace is gone: the new one goes too");
}

#[tokio::test]
async fn only_the_shards_of_a_step_are_touched() {
    let setup = setup((0..200).map(|n| (format!("ch1/v{n}/seg.ts"), 1)));
    let step: Vec<ShardId> = ShardId::all().take(usize::from(SHARDS_PER_STEP)).collect();
    let shard = |key: &String| headwater_ring::shard(NAMESPACE, &ObjectKey::parse(key).unwrap());
    let within = setup.nodes.stored.lock().unwrap().keys().filter(|key| step.contains(&shard(key))).count();
    let sweep = Sweep::new(&setup.parts, &setup.state, &setup.purge, None);
    sweep.run(&step).await.unwrap();
    assert!(within > 0);
    assert_eq!(sweep.removed(), within as u64);
    assert!(setup.nodes.stored.lock().unwrap().keys().all(|key| !step.contains(&shard(key))));
}

#[tokio::test]
async fn a_head_that_is_away_fails_the_step_and_a_repetition_finishes_it() {
    let setup = setup((0..50).map(|n| (format!("ch1/v{n}/seg.ts"), 1)));
    setup.nodes.away.lock().unwrap().insert(NodeId(2));
    let first = Sweep::new(&setup.parts, &setup.state, &setup.purge, None);
    let why = first.run(&all()).await.unwrap_err();
    assert!(why.starts_with("node 2"), "{why}");
    setup.nodes.away.lock().unwrap().clear();
    let second = Sweep::new(&setup.parts, &setup.state, &setup.purge, None);
    second.run(&all()).await.unwrap();
    assert_eq!(first.removed() + second.removed(), 50);
}

#[test]
fn everything_is_old_enough_once_the_namespace_is_gone() {
    let setup = setup([]);
    assert_eq!(older_than(&setup.state, &setup.purge), None);
    let mut state = State::clone(&setup.state);
    let created = apply(
        &mut state,
        Command::CreateNamespace {
            name: NamespaceName::parse("live").unwrap(),
            settings: crate::records::NamespaceSettings::default(),
        },
    );
    let Outcome::Namespace { id, .. } = created else { panic!("{created:?}") };
    let purge = PurgeRecord { namespace: id, ..setup.purge };
    assert_eq!(older_than(&state, &purge), Some(UnixMillis(1_000)));
}

#[tokio::test]
async fn the_leader_waits_for_a_head_that_is_away_and_finishes_the_purge() {
    let dir = tempfile::tempdir().unwrap();
    let meta = crate::raft::tests::single(dir.path()).await;
    let limit = crate::raft::tests::LIMIT;
    let nodes = vec![new_node(1, 1, "a"), new_node(2, 2, "b")];
    meta.propose(Command::Register { nodes }, limit).await.unwrap();
    crate::raft::tests::map(meta.clone(), limit).await;
    let created = meta.propose(crate::raft::tests::create_namespace("live"), limit).await.unwrap().outcome;
    let Outcome::Namespace { id, .. } = created else { panic!("{created:?}") };

    let keys = (0..300).map(|n| (format!("ch1/v{n}/seg.ts"), 1)).chain([("ch2/seg.ts".to_owned(), 1)]);
    let setup = setup(keys);
    setup.nodes.away.lock().unwrap().insert(NodeId(2));
    meta.start_workers(setup.parts.clone());
    let start = Command::StartPurge { namespace: id, prefix: "ch1/".to_owned(), block: false };
    let started = meta.propose(start, limit).await.unwrap().outcome;
    let Outcome::Purge(purge) = started else { panic!("{started:?}") };

    let record = || meta.hub.state().purges[&purge.id].clone();
    let until = async |done: &dyn Fn(&PurgeRecord) -> bool| {
        let mut applied = meta.hub.progress();
        let reached = applied.wait_for(|_| done(&record()));
        tokio::time::timeout(limit, reached).await.expect("the purge goes on").unwrap();
    };
    until(&|purge| purge.removed > 0).await;
    assert_eq!((record().shards_done, record().finished_at), (0, None), "node 2 has not answered");
    setup.nodes.away.lock().unwrap().clear();
    until(&|purge| purge.finished_at.is_some()).await;
    assert_eq!((record().shards_done, record().removed), (SHARD_COUNT, 300));
    assert_eq!(setup.nodes.stored.lock().unwrap().len(), 1, "what is elsewhere stays");
    meta.shutdown().await;
}
