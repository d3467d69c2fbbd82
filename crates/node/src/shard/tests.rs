use super::*;
use headwater_store::Record;
use headwater_types::{
    Attributes, Chunks, Digest, Incarnation, MediaClass, NamespaceId, NodeId, ObjectKey, ObjectMeta,
    UnixMillis,
};

fn member(node: u64) -> Member {
    Member { node: NodeId(node), incarnation: Incarnation(1) }
}

fn entry(epoch: u64, head: u64, insync: &[u64], syncing: &[u64]) -> Arc<ShardEntry> {
    let members = |ids: &[u64]| ids.iter().map(|id| member(*id)).collect();
    Arc::new(ShardEntry {
        epoch: Epoch(epoch),
        head: member(head),
        insync: members(insync),
        syncing: members(syncing),
        retiring: Vec::new(),
    })
}

fn object(key: &str) -> ObjectId {
    ObjectId { namespace: NamespaceId(1), key: ObjectKey::parse(key).unwrap() }
}

fn staged(key: &str, version: Version, request: u128) -> Arc<Staged> {
    Staged::new(Arc::new(Record {
        object: object(key),
        shard: ShardId::new(0).unwrap(),
        meta: Arc::new(ObjectMeta {
            version,
            digest: Digest::of(b""),
            size: 0,
            class: MediaClass::Other,
            attributes: Attributes::default(),
            stored_at: UnixMillis(0),
            expires_at: UnixMillis(1),
        }),
        body: Chunks::default(),
        tombstone: false,
        request_ids: [RequestId(request)].into(),
    }))
}

fn core(me: u64, entry: Arc<ShardEntry>) -> ShardCore {
    let mut core = ShardCore::new(ShardId::new(0).unwrap(), member(me));
    assert!(core.install(entry));
    core
}

#[test]
fn roles_follow_the_installed_configuration_only() {
    let mut head = core(1, entry(5, 1, &[1, 2], &[3]));
    assert!(head.check_head(Epoch(5)).is_ok());
    assert_eq!(head.check_head(Epoch(4)).unwrap_err(), Refusal::WrongEpoch(Epoch(5)));
    assert_eq!(head.check_head(Epoch(6)).unwrap_err(), Refusal::WrongEpoch(Epoch(5)));
    assert_eq!(head.check_read(Epoch(5)), Ok(()));
    assert_eq!(head.missing(&[member(2)]), [member(3)], "a syncing member must acknowledge too");
    assert!(!head.install(entry(5, 2, &[2], &[])), "the same epoch again changes nothing");
    assert!(head.check_head(Epoch(5)).is_ok());

    let syncing = core(3, entry(5, 1, &[1, 2], &[3]));
    assert_eq!(syncing.check_read(Epoch(5)), Err(Refusal::NotInSync));
    assert_eq!(syncing.check_replicate(Epoch(5), member(1)), Ok(()));
    assert!(syncing.check_replicate(Epoch(5), member(2)).is_err(), "only the head replicates");
    assert!(syncing.check_replicate(Epoch(4), member(1)).is_err(), "a lower epoch is rejected");

    let stranger = core(9, entry(5, 1, &[1, 2], &[3]));
    assert_eq!(stranger.check_read(Epoch(5)), Err(Refusal::NotInSync));
    assert!(stranger.check_replicate(Epoch(5), member(1)).is_err());
    let unborn = ShardCore::new(ShardId::new(0).unwrap(), member(1));
    assert!(unborn.check_read(Epoch(0)).is_err() && unborn.check_head(Epoch(0)).is_err());
}

#[test]
fn the_clean_mark_stops_below_the_oldest_staged_version() {
    let mut head = core(1, entry(1, 1, &[1, 2], &[]));
    assert_eq!(head.clean_seq(), 0);
    let versions: Vec<Version> = (0..3).map(|_| head.next_version(Epoch(1)).unwrap()).collect();
    assert_eq!(versions.iter().map(|v| v.seq).collect::<Vec<_>>(), [1, 2, 3]);
    for (i, version) in versions.iter().enumerate() {
        head.stage(staged("a", *version, i as u128));
    }
    head.clean(versions[1]);
    assert_eq!(head.clean_seq(), 0, "1 is still staged");
    assert!(head.is_dirty(&object("a")));
    assert_eq!(head.newest_staged(&object("a")).unwrap().record.meta.version, versions[2]);
    assert!(head.staged_by(&object("a"), RequestId(0)).is_some());
    head.clean(versions[0]);
    assert_eq!(head.clean_seq(), 2);
    head.clean(versions[2]);
    assert_eq!(head.clean_seq(), 3);
    assert!(!head.is_dirty(&object("a")));
}

#[test]
fn staged_versions_outlive_an_epoch_and_new_ones_start_behind_it() {
    let mut head = core(1, entry(1, 1, &[1, 2], &[]));
    let old = head.next_version(Epoch(1)).unwrap();
    head.stage(staged("a", old, 1));
    assert!(head.install(entry(2, 1, &[1], &[])));
    assert!(head.is_dirty(&object("a")), "a staged version is never dropped");
    assert!(head.missing(&[]).is_empty(), "the only member left needs nobody");
    assert!(head.next_version(Epoch(1)).is_err());
    let new = head.next_version(Epoch(2)).unwrap();
    assert!(new > old);
}

#[test]
fn late_duplicates_are_those_at_or_below_the_clean_mark_of_this_epoch() {
    let mut tail = core(2, entry(3, 1, &[1, 2], &[]));
    let v = |epoch, seq| Version { epoch: Epoch(epoch), seq };
    assert!(!tail.is_late_duplicate(v(3, 1)));
    tail.hear_clean(Epoch(3), 4);
    tail.hear_clean(Epoch(3), 2);
    tail.hear_clean(Epoch(2), 100);
    assert!(tail.is_late_duplicate(v(3, 4)));
    assert!(!tail.is_late_duplicate(v(3, 5)));
    assert!(!tail.is_late_duplicate(v(2, 1)), "a version staged in an older epoch may still be new here");
}
