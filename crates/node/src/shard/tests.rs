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
    assert!(core.install(entry, 1));
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
    assert!(!head.install(entry(5, 2, &[2], &[]), 1), "the same epoch again changes nothing");
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
    assert!(head.install(entry(2, 1, &[1], &[]), 1));
    assert!(head.is_dirty(&object("a")), "a staged version is never dropped");
    assert!(head.missing(&[]).is_empty(), "the only member left needs nobody");
    assert!(head.next_version(Epoch(1)).is_err());
    let new = head.next_version(Epoch(2)).unwrap();
    assert!(new > old);
}

#[test]
fn a_newer_version_that_is_clean_takes_older_ones_of_its_key_with_it() {
    let mut head = core(1, entry(1, 1, &[1, 2], &[]));
    let versions: Vec<Version> = (0..4).map(|_| head.next_version(Epoch(1)).unwrap()).collect();
    for (version, key) in versions.iter().zip(["a", "b", "a", "a"]) {
        head.stage(staged(key, *version, version.seq.into()));
    }
    let done = head.clean_up_to(&object("a"), versions[2]);
    let seqs: Vec<u64> = done.iter().map(|staged| staged.record.meta.version.seq).collect();
    assert_eq!(seqs, [1, 3]);
    assert!(!head.is_staged(versions[0]) && head.is_staged(versions[1]) && head.is_staged(versions[3]));
    assert_eq!(head.newest_staged(&object("a")).unwrap().record.meta.version, versions[3]);
    assert_eq!(head.clean_seq(), 1);
    assert!(head.clean_up_to(&object("a"), versions[0]).is_empty(), "it is clean already");
    assert_eq!(head.clean_up_to(&object("b"), versions[1]).len(), 1);
    assert_eq!(head.clean_seq(), 3);
}

#[test]
fn a_head_is_only_so_far_ahead_of_its_oldest_staged_version() {
    let mut head = core(1, entry(1, 1, &[1, 2], &[]));
    let first = head.next_version(Epoch(1)).unwrap();
    head.stage(staged("a", first, 1));
    for _ in 1..VERSIONS_AHEAD_MAX {
        let version = head.next_version(Epoch(1)).unwrap();
        head.stage(staged("b", version, 2));
        head.clean_up_to(&object("b"), version);
    }
    assert_eq!(head.next_version(Epoch(1)), Err(Refusal::TooFarAhead));
    head.clean_up_to(&object("a"), first);
    assert!(head.next_version(Epoch(1)).is_ok());
}

#[test]
fn a_member_remembers_what_it_applied_above_the_clean_mark_only() {
    let v = |epoch, seq| Version { epoch: Epoch(epoch), seq };
    let mut tail = core(2, entry(3, 1, &[1, 2], &[]));
    tail.remember(&object("a"), v(3, 5));
    tail.remember(&object("a"), v(3, 2));
    tail.remember(&object("b"), v(3, 6));
    assert!(tail.is_superseded(&object("a"), v(3, 4)) && tail.is_superseded(&object("a"), v(2, 9)));
    assert!(!tail.is_superseded(&object("a"), v(3, 5)), "a repeated call is applied again");
    assert!(!tail.is_superseded(&object("c"), v(3, 1)));
    tail.hear_clean(Epoch(3), 5);
    assert_eq!(tail.recent.len(), 1);
    assert!(tail.is_late_duplicate(v(3, 4)), "the mark has taken its place");

    // Over an epoch, until its head has nothing left of earlier ones.
    assert!(tail.install(entry(4, 1, &[1, 2], &[]), 2));
    tail.hear_clean(Epoch(4), 0);
    assert!(tail.is_superseded(&object("b"), v(3, 1)));
    tail.hear_clean(Epoch(4), 1);
    assert_eq!(tail.recent.len(), 0);
    tail.remember(&object("b"), v(4, 2));
    assert!(tail.install(entry(6, 1, &[1], &[2]), 3));
    assert_eq!(tail.recent.len(), 0, "it discards all that it has and begins again");
}

#[test]
fn the_clean_mark_of_an_epoch_stays_at_0_while_older_ones_have_staged_versions() {
    let mut head = core(1, entry(1, 1, &[1, 2], &[]));
    let old = head.next_version(Epoch(1)).unwrap();
    head.stage(staged("a", old, 1));
    assert!(head.install(entry(2, 1, &[1, 2], &[]), 2));
    let new = head.next_version(Epoch(2)).unwrap();
    head.stage(staged("b", new, 2));
    head.clean_up_to(&object("b"), new);
    assert_eq!(head.clean_seq(), 0);
    head.clean_up_to(&object("a"), old);
    assert_eq!(head.clean_seq(), 1);
}

#[test]
fn who_is_in_sync_no_more_gives_up_what_it_had_staged() {
    for next in [entry(2, 2, &[2], &[]), entry(2, 2, &[2], &[1])] {
        let mut head = core(1, entry(1, 1, &[1, 2], &[]));
        let version = head.next_version(Epoch(1)).unwrap();
        let given = staged("a", version, 1);
        head.stage(given.clone());
        assert!(head.install(next, 2));
        assert!(given.is_given_up() && !head.is_dirty(&object("a")));
        assert_eq!((head.staged_count(), head.clean_up_to(&object("a"), version).len()), (0, 0));
    }
}

#[test]
fn staged_keys_are_found_by_namespace_prefix_and_cursor() {
    let mut head = core(1, entry(1, 1, &[1, 2], &[]));
    for key in ["a/1", "a/1", "a/2", "b"] {
        let version = head.next_version(Epoch(1)).unwrap();
        head.stage(staged(key, version, 1));
    }
    let keys = |namespace, prefix, after| {
        let found = head.staged_in(NamespaceId(namespace), prefix, after);
        let mut keys: Vec<_> =
            found.map(|s| (s.record.object.key.as_str().to_owned(), s.record.meta.version.seq)).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(1, "a/", None), [("a/1".into(), 2), ("a/2".into(), 3)]);
    assert_eq!(keys(1, "", Some("a/1")), [("a/2".into(), 3), ("b".into(), 4)]);
    assert!(keys(2, "", None).is_empty());
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

fn zone(node: NodeId) -> Option<ZoneName> {
    ZoneName::parse(if node.0.is_multiple_of(2) { "b" } else { "a" }).ok()
}

#[test]
fn a_head_asks_for_a_member_once_nothing_was_here_in_this_epoch() {
    let mut head = core(1, entry(1, 1, &[1, 2], &[4]));
    assert_eq!(head.wanted(true, zone), None, "the store holds something");
    let version = head.next_version(Epoch(1)).unwrap();
    head.stage(staged("a", version, 1));
    assert_eq!(head.wanted(false, zone), None, "something is staged");
    head.clean(version);
    head.apply();
    assert_eq!(head.wanted(false, zone), None, "something is going into the store");
    head.applied();
    let wanted = head.wanted(false, zone).unwrap();
    assert_eq!((wanted.joins, wanted.leaves), (Some((member(4), 1)), Some(member(2))));
    let change = &wanted.change;
    assert_eq!((change.expect_epoch, change.head, change.asked_by), (Epoch(1), member(1), Some(member(1))));
    assert_eq!((&change.insync[..], &change.retiring[..]), (&[member(1), member(4)][..], &[member(2)][..]));
    assert!(change.syncing.is_empty());
    assert_eq!(head.wanted(true, zone), Some(wanted), "what came later, the joining member has, too");

    assert!(head.install(entry(2, 1, &[1, 2], &[4]), 2));
    assert_eq!(head.wanted(true, zone), None, "another epoch, another joining");
    let mut tail = core(2, entry(1, 1, &[1, 2], &[4]));
    assert_eq!(tail.wanted(false, zone), None, "only the head asks");
    let mut alone = core(1, entry(1, 1, &[1], &[3, 2]));
    let wanted = alone.wanted(false, zone).unwrap();
    assert_eq!((wanted.joins.unwrap().0, wanted.leaves), (member(2), None), "of the other zone");
    assert_eq!(wanted.change.syncing, [member(3)]);
}

#[test]
fn a_head_that_leaves_freezes_and_hands_over_and_can_be_thawed() {
    let mut head = core(1, entry(1, 1, &[1, 2], &[3]));
    assert!(!head.must_discard(&entry(2, 1, &[1, 2], &[3])));
    let wanted = head.wanted(false, zone).unwrap();
    assert_eq!((wanted.change.head, wanted.joins, wanted.leaves), (member(2), None, None));
    assert_eq!(wanted.change.insync, [member(1), member(2)]);
    assert_eq!(head.next_version(Epoch(1)), Err(Refusal::HandingOver));
    head.unfreeze(Epoch(2));
    assert_eq!(head.next_version(Epoch(1)), Err(Refusal::HandingOver), "another epoch's");
    head.unfreeze(Epoch(1));
    assert!(head.next_version(Epoch(1)).is_ok());
    assert!(head.wanted(false, zone).is_some());
    assert!(head.install(entry(2, 1, &[1, 2], &[]), 2));
    assert!(head.next_version(Epoch(2)).is_ok(), "a later configuration ends it");
}

#[test]
fn who_leaves_stops_reading_in_that_epoch_only() {
    let mut tail = core(2, entry(3, 1, &[1, 2], &[4]));
    assert!(!tail.stop_reads(Epoch(2), member(1)) && !tail.stop_reads(Epoch(4), member(1)));
    assert!(!tail.stop_reads(Epoch(3), member(9)), "only its head asks");
    assert_eq!(tail.check_read(Epoch(3)), Ok(()));
    assert!(tail.stop_reads(Epoch(3), member(1)));
    assert_eq!(tail.check_read(Epoch(3)), Err(Refusal::NotInSync));
    assert_eq!(tail.check_replicate(Epoch(3), member(1)), Ok(()), "it goes on acknowledging");
    assert!(tail.install(entry(4, 1, &[1, 2], &[]), 2));
    assert_eq!(tail.check_read(Epoch(4)), Ok(()));

    let mut head = core(1, entry(3, 1, &[1, 2], &[4]));
    assert!(!head.stop_reads(Epoch(3), member(1)), "a head reads on");
    assert!(head.has_tail());
    head.asked_to_stop(Epoch(3));
    assert!(!head.has_tail(), "nobody may answer in its place");
    assert!(head.install(entry(4, 1, &[1, 2], &[]), 2));
    assert!(head.has_tail());
}

#[test]
fn a_head_waits_for_what_the_member_that_leaves_may_have_shown() {
    let mut head = core(1, entry(3, 1, &[1, 2], &[4]));
    let give = |head: &mut ShardCore, key| {
        let version = head.next_version(head.epoch()).unwrap();
        head.stage(staged(key, version, 1));
        version
    };
    let shown = [give(&mut head, "a"), give(&mut head, "b")];
    assert!(!head.has_stopped(Epoch(2)) && !head.has_stopped(Epoch(4)), "said of another epoch");
    assert!(!head.has_stopped(Epoch(3)));
    let later = give(&mut head, "c");
    head.clean(shown[1]);
    assert!(!head.has_stopped(Epoch(3)), "the first one is still staged");
    head.clean(shown[0]);
    assert!(head.has_stopped(Epoch(3)) && head.is_staged(later), "nobody has shown what came later");

    assert!(head.install(entry(4, 1, &[1, 2], &[4]), 2));
    assert!(!head.has_stopped(Epoch(4)), "in another epoch the member read again");
    head.clean(later);
    assert!(head.has_stopped(Epoch(4)));
    give(&mut head, "d");
    assert!(head.has_stopped(Epoch(4)));
}

#[test]
fn a_member_that_joins_discards_unless_it_followed_this_head() {
    let joins = entry(5, 1, &[1], &[2]);
    let from = |old: Arc<ShardEntry>| core(2, old).must_discard(&joins);
    assert!(ShardCore::new(ShardId::new(0).unwrap(), member(2)).must_discard(&joins));
    assert!(from(entry(4, 1, &[1, 3], &[])), "it was no member");
    assert!(from(entry(4, 3, &[3, 1], &[2])), "it followed another head");
    assert!(from(entry(3, 1, &[1], &[2])), "it missed a configuration");
    assert!(!from(entry(4, 1, &[1], &[2])) && !from(entry(4, 1, &[1, 2], &[])));
    assert!(!from(entry(5, 1, &[1], &[2])), "nothing is installed again");
    let mut other = core(3, entry(4, 1, &[1, 3], &[]));
    assert!(!other.must_discard(&joins), "it does not join");
    assert!(other.install(joins, 2));
}
