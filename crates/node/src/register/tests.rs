//! Registering against a state machine whose answers are lost and where others register in between.

use headwater_meta::{
    Envelope, MemberChange, Membership, Presence, Report, Reported, WatchEvent, WatchEvents, store::Applied,
};
use headwater_types::{
    DiskId, Incarnation, KeyId, NodeId, Nonce, SeededRng, SystemClock, UnixMillis, ZoneName,
};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};

use super::*;

/// What happens at a proposal.
#[derive(Debug, Clone)]
enum Step {
    /// Nothing was done.
    Unavailable,
    /// It was done, and its answer was lost.
    Lost,
    /// Others register first.
    After(Vec<Registration>),
    /// It is done, its answer was lost, and others register after it.
    LostBefore(Vec<Registration>),
}

/// The metadata, with a watched copy that is always up to date.
#[derive(Debug)]
struct Meta {
    state: Mutex<State>,
    cache: Arc<MetaCache>,
    steps: Mutex<VecDeque<Step>>,
}

impl Meta {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = Mutex::new(steps.into_iter().collect());
        let meta = Self { state: Mutex::default(), cache: MetaCache::new(), steps };
        // Whatever is written first.
        meta.apply(Command::RevokeKey { id: KeyId("none".into()) });
        meta
    }

    fn apply(&self, command: Command) -> Applied {
        let mut state = self.state.lock();
        let version = state.version + 1;
        let outcome = state.apply(version, &Envelope::new(command, UnixMillis(1)).encode().unwrap());
        self.cache.apply(WatchEvent::Snapshot(Box::new(state.clone())));
        Applied { version, outcome }
    }

    fn incarnation(&self, id: u64) -> u64 {
        self.state.lock().nodes[&NodeId(id)].incarnation.0
    }

    /// Registers processes that read whom they follow just then.
    fn others(&self, nodes: Vec<Registration>) {
        for mut node in nodes {
            node.follows = self.state.lock().nodes.get(&node.id).map(|known| known.incarnation);
            let outcome = self.apply(Command::Register { nodes: vec![node] }).outcome;
            assert!(matches!(outcome, Outcome::Registered { .. }), "{outcome:?}");
        }
    }

    async fn register(&self, nodes: &[Registration], limit: Duration) -> Result<Registered, RegisterError> {
        register(self, &self.cache, &SystemClock::new(), nodes.to_vec(), limit).await
    }
}

#[async_trait::async_trait]
impl MetaStore for Meta {
    async fn propose(&self, command: Command, _limit: Duration) -> Result<Applied, MetaError> {
        let lost = || Err(MetaError::Unknown("the answer was lost".to_owned()));
        let step = self.steps.lock().pop_front();
        match step {
            None => Ok(self.apply(command)),
            Some(Step::Unavailable) => Err(MetaError::Unavailable("no leader".to_owned())),
            Some(Step::Lost) => {
                self.apply(command);
                lost()
            }
            Some(Step::After(nodes)) => {
                self.others(nodes);
                Ok(self.apply(command))
            }
            Some(Step::LostBefore(nodes)) => {
                self.apply(command);
                self.others(nodes);
                lost()
            }
        }
    }

    async fn linearizable_read(&self, _limit: Duration) -> Result<u64, MetaError> {
        Ok(self.state.lock().version)
    }

    async fn watch(&self, _after: u64) -> Result<WatchEvents, MetaError> {
        unreachable!("the copy is kept up to date")
    }

    async fn membership(&self) -> Result<Membership, MetaError> {
        unreachable!()
    }

    async fn change_membership(&self, _: MemberChange, _: Duration) -> Result<Membership, MetaError> {
        unreachable!()
    }

    async fn report(&self, _report: Report) -> Result<Reported, MetaError> {
        unreachable!()
    }

    async fn presence(&self, _keys: &[KeyId]) -> Result<Presence, MetaError> {
        unreachable!()
    }
}

/// A process of a node, with the node's own directory.
fn process(id: u64, process: u64) -> Registration {
    let (disk, rng) = (SeededRng::new(id), SeededRng::new(1_000 + process));
    Registration {
        id: NodeId(id),
        disk_id: DiskId::draw(&disk),
        nonce: Nonce::draw(&rng),
        follows: None,
        zone: ZoneName::parse("a").unwrap(),
        address: format!("node-{id}:7000"),
        hot_capacity_bytes: 0,
    }
}

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn several_nodes_register_at_once_and_later_processes_follow() {
    let meta = Meta::new([]);
    let first = meta.register(&[process(1, 1), process(2, 2)], LIMIT).await.unwrap();
    let member = |node, incarnation| Member { node: NodeId(node), incarnation: Incarnation(incarnation) };
    assert_eq!(first, Registered { version: 2, members: vec![member(1, 2), member(2, 2)] });
    let again = meta.register(&[process(2, 3), process(1, 4)], LIMIT).await.unwrap();
    assert_eq!(again, Registered { version: 3, members: vec![member(2, 3), member(1, 3)] });
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_and_gives_no_second_number() {
    let meta = Meta::new([Step::Unavailable, Step::Lost, Step::Lost]);
    let registered = meta.register(&[process(1, 1)], LIMIT).await.unwrap();
    // At index 2; two repetitions changed nothing.
    assert_eq!((registered.members[0].incarnation, registered.version), (Incarnation(2), 4));
}

#[tokio::test]
async fn another_disk_is_known_though_the_first_answer_was_lost() {
    let meta = Meta::new([]);
    meta.register(&[process(1, 1), process(2, 2)], LIMIT).await.unwrap();
    let other = Registration { disk_id: DiskId::draw(&SeededRng::new(77)), ..process(1, 3) };
    let found = OtherDisk { node: NodeId(1), disk: other.disk_id, before: process(1, 1).disk_id };
    meta.steps.lock().push_back(Step::Lost);
    let (mut nodes, mut other_disks) = (vec![other, process(2, 4)], None);
    for registered in [false, true] {
        let attempt = attempt(&meta, &meta.cache, &mut nodes, &mut other_disks).await;
        assert_eq!(attempt.is_ok(), registered);
        assert_eq!(other_disks, Some(vec![found]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_overtaken_by_a_late_one_reads_again() {
    let late = process(1, 7);
    let meta = Meta::new([Step::After(vec![late.clone()])]);
    let registered = meta.register(&[process(1, 1)], LIMIT).await.unwrap();
    assert_eq!(registered.members[0].incarnation, Incarnation(4));
    // The late one reads again, too, if it lives: it is refused for good.
    let refused = meta.register(&[late], LIMIT).await.unwrap_err();
    assert!(matches!(&refused, RegisterError::Refused(why) if why.contains("two processes")), "{refused}");
    assert_eq!(meta.incarnation(1), 4);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_replaced_while_it_registered_stops() {
    let meta = Meta::new([Step::LostBefore(vec![process(1, 7)])]);
    let refused = meta.register(&[process(1, 1)], LIMIT).await.unwrap_err();
    assert!(matches!(&refused, RegisterError::Refused(why) if why.contains("two processes")), "{refused}");
    assert_eq!(meta.incarnation(1), 3, "the newer process keeps the node");
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_its_limit() {
    let meta = Meta::new(vec![Step::Unavailable; 5]);
    let error = meta.register(&[process(1, 1)], Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, RegisterError::Meta(MetaError::Unavailable(_))), "{error}");
    assert_eq!(meta.steps.lock().len(), 4, "one attempt");
    assert!(meta.state.lock().nodes.is_empty());
    // What is not allowed is not tried again.
    let meta = Meta::new([]);
    let unreachable = Registration { address: "nowhere".to_owned(), ..process(1, 1) };
    let refused = meta.register(&[unreachable], LIMIT).await.unwrap_err();
    assert!(matches!(&refused, RegisterError::Refused(why) if why.contains("host:port")), "{refused}");
    assert_eq!(meta.state.lock().version, 2);
}
