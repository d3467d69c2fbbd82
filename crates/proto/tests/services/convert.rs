//! Domain types survive the wire, and what is out of bounds does not get in.

use bytes::Bytes;
use headwater_proto::{
    BodyPiece, ConvertError, DeleteRequest, GetRequest, HeadRequest, ListReply, ListRequest, PutReply,
    PutRequest, Replicate, ReplicateBegin, v1,
};
use headwater_types::{
    Attributes, ByteRange, Digest, Epoch, MediaClass, ObjectId, ObjectMeta, RequestId, ShardId, Ttl,
    UnixMillis, Version,
    limits::{KEY_BYTES_MAX, LIST_LIMIT_MAX, STORED_HEADER_BYTES_MAX, TTL_SECONDS_MAX, USER_META_BYTES_MAX},
};
use proptest::{collection::vec, option, prelude::*};
use prost::Message;
use std::{fmt::Debug, sync::Arc, time::Duration};

use crate::harness::{begin, commit, delete, get, head, list, object, put};

/// Encodes to bytes and back. Domain types have no common equality, so their debug texts are compared.
fn round_trip<D, W>(domain: D)
where
    D: Clone + Debug + TryFrom<W, Error = ConvertError> + Into<W>,
    W: Message + Default,
{
    let wire: W = domain.clone().into();
    let decoded = W::decode(Bytes::from(wire.encode_to_vec())).unwrap();
    let again = D::try_from(decoded).unwrap();
    assert_eq!(format!("{again:?}"), format!("{domain:?}"));
}

fn classes() -> impl Strategy<Value = MediaClass> {
    prop::sample::select(vec![MediaClass::Playlist, MediaClass::Media, MediaClass::Key, MediaClass::Other])
}

prop_compose! {
    fn objects()(namespace in 1u64.., key in "[a-z0-9é_.-]{1,20}(/[a-z0-9_-]{1,20}){0,4}") -> Option<ObjectId> {
        let key = headwater_types::ObjectKey::parse(&key).ok()?;
        Some(ObjectId { namespace: headwater_types::NamespaceId(namespace), key })
    }
}

prop_compose! {
    fn attributes()(
        content_type in ".{0,40}",
        content_encoding in option::of(".{0,10}"),
        cache_control in option::of(".{0,40}"),
        user_meta in vec((".{1,20}", ".{0,20}"), 0..6),
    ) -> Attributes {
        Attributes { content_type: content_type.into(), content_encoding, cache_control, user_meta }
    }
}

prop_compose! {
    fn metas()(
        (epoch, seq, digest, size) in any::<(u64, u64, u128, u64)>(),
        (stored_at, expires_at) in any::<(u64, u64)>(),
        class in classes(),
        attributes in attributes(),
    ) -> Arc<ObjectMeta> {
        Arc::new(ObjectMeta {
            version: Version { epoch: Epoch(epoch), seq },
            digest: Digest(digest),
            size,
            class,
            attributes,
            stored_at: UnixMillis(stored_at),
            expires_at: UnixMillis(expires_at),
        })
    }
}

fn ranges() -> impl Strategy<Value = ByteRange> {
    prop_oneof![
        any::<(u64, u64)>().prop_map(|(first, last)| ByteRange::FromTo(first, last)),
        any::<u64>().prop_map(ByteRange::From),
        any::<u64>().prop_map(ByteRange::Last),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_round_trip(
        object in objects().prop_filter_map("no key", |object| object),
        attributes in attributes(),
        class in classes(),
        (id, epoch, size) in any::<(u128, u64, Option<u64>)>(),
        digests in vec(any::<u128>().prop_map(Digest), 0..4),
        range in option::of(ranges()),
        (shard, ttl, millis) in (0u16..1024, 1..=TTL_SECONDS_MAX, 0u64..=3_600_000),
        flags in any::<(bool, bool)>(),
    ) {
        let shard = ShardId::new(shard).unwrap();
        let (request_id, epoch) = (RequestId(id), Epoch(epoch));
        let remaining = Duration::from_millis(millis);
        let ttl = Ttl::from_secs(ttl).unwrap();
        let preconditions = headwater_proto::Preconditions {
            if_absent: flags.0, if_present: flags.1, if_match: digests.clone(),
        };
        let (o, a) = (object.clone(), attributes.clone());
        round_trip::<PutRequest, v1::PutHeader>(PutRequest {
            shard, epoch, object: o, request_id, class, attributes: a, ttl, preconditions, size, remaining,
            began: flags.0.then_some(headwater_proto::Began { frontend: ttl.as_secs(), order: epoch.0 }), ..put("x")
        });
        let o = object.clone();
        let follow = match flags {
            (true, true) => headwater_proto::Follow::Range,
            (true, false) => headwater_proto::Follow::Wait,
            (false, true) => headwater_proto::Follow::Body,
            (false, false) => headwater_proto::Follow::No,
        };
        let if_range = digests.first().copied();
        round_trip::<GetRequest, v1::GetRequest>(GetRequest {
            shard, epoch, object: o, request_id, range, if_range, if_none_match: digests, follow, remaining,
        });
        let o = object.clone();
        let follow = if flags.0 { headwater_proto::Follow::Wait } else { headwater_proto::Follow::No };
        round_trip::<HeadRequest, v1::HeadRequest>(HeadRequest {
            shard, epoch, object: o, request_id, follow, remaining,
        });
        let o = object.clone();
        round_trip::<DeleteRequest, v1::DeleteRequest>(DeleteRequest { shard, epoch, object: o, request_id, remaining });
        round_trip::<ReplicateBegin, v1::ReplicateBegin>(ReplicateBegin {
            shard, epoch, object, request_id, class, attributes, ttl, followable: flags.1, remaining,
            size: flags.0.then_some(7), staged: flags.1, ..begin("x")
        });
        round_trip::<ListRequest, v1::ListRequest>(ListRequest {
            shards: vec![(shard, epoch)], fold: flags.0, after: flags.1.then(|| "z".into()), limit: 1000, ..list("p/")
        });
    }

    #[test]
    fn replies_and_pieces_round_trip(meta in metas(), created in any::<bool>(), bytes in vec(any::<u8>(), 0..100)) {
        let end = headwater_proto::BodyEnd { digest: meta.digest, size: meta.size };
        round_trip::<BodyPiece, v1::PutMessage>(BodyPiece::End(end));
        round_trip::<BodyPiece, v1::PutMessage>(BodyPiece::Chunk(bytes.clone().into()));
        round_trip::<Replicate, v1::ReplicateMessage>(Replicate::Chunk(bytes.into()));
        round_trip::<Replicate, v1::ReplicateMessage>(Replicate::Commit(headwater_proto::ReplicateCommit {
            version: meta.version, digest: meta.digest, size: meta.size, tombstone: created, ..commit(b"x")
        }));
        round_trip::<PutReply, v1::PutReply>(PutReply { meta: meta.clone(), created });
        let entry = |meta| headwater_proto::ListEntry { name: "a/b".into(), meta };
        let entries = vec![entry(Some(meta)), entry(None)];
        round_trip::<ListReply, v1::ListReply>(ListReply { entries, more: created });
    }
}

/// The field that is refused.
fn refused<W, D: TryFrom<W, Error = ConvertError> + Debug>(wire: W) -> &'static str {
    D::try_from(wire).unwrap_err().field
}

#[test]
fn put_headers_at_and_past_their_limits() {
    let good = v1::PutHeader::from(put("a"));
    let check = |change: &dyn Fn(&mut v1::PutHeader)| {
        let mut header = good.clone();
        change(&mut header);
        PutRequest::try_from(header).map_err(|e| e.field)
    };
    let key = |len: usize| Some(v1::ObjectId { namespace_id: 1, key: "k".repeat(len) });
    let attributes = |change: &dyn Fn(&mut v1::Attributes)| {
        let mut attributes = v1::Attributes::default();
        change(&mut attributes);
        Some(attributes)
    };
    let meta = |len: usize| {
        attributes(&|a| {
            a.user_meta = vec![v1::UserMeta { name: "n".repeat(48), value: "v".repeat(len - 48) }]
        })
    };
    let text = |len: usize| attributes(&|a| a.cache_control = Some("c".repeat(len)));
    let tags = |len: usize| {
        Some(v1::Preconditions { if_match: vec![vec![0; 16].into(); len], ..Default::default() })
    };

    assert!(check(&|h| h.shard = 1023).is_ok());
    assert_eq!(check(&|h| h.shard = 1024).unwrap_err(), "put.shard");
    assert_eq!(check(&|h| h.shard = 65_536).unwrap_err(), "put.shard");
    assert!(check(&|h| h.object = key(KEY_BYTES_MAX)).is_ok());
    assert_eq!(check(&|h| h.object = key(KEY_BYTES_MAX + 1)).unwrap_err(), "object.key");
    assert_eq!(check(&|h| h.object = None).unwrap_err(), "put.object");
    assert_eq!(check(&|h| h.object.as_mut().unwrap().namespace_id = 0).unwrap_err(), "object.namespace_id");
    for len in [0, 15, 17] {
        assert_eq!(check(&|h| h.request_id = vec![0; len].into()).unwrap_err(), "put.request_id");
    }
    for class in [0, 5, -1] {
        assert_eq!(check(&|h| h.media_class = class).unwrap_err(), "put.media_class");
    }
    assert!(check(&|h| h.attributes = meta(USER_META_BYTES_MAX)).is_ok());
    assert_eq!(check(&|h| h.attributes = meta(USER_META_BYTES_MAX + 1)).unwrap_err(), "attributes.user_meta");
    assert!(check(&|h| h.attributes = text(STORED_HEADER_BYTES_MAX)).is_ok());
    assert_eq!(
        check(&|h| h.attributes = text(STORED_HEADER_BYTES_MAX + 1)).unwrap_err(),
        "attributes.cache_control"
    );
    assert!(check(&|h| h.ttl_seconds = TTL_SECONDS_MAX).is_ok());
    assert_eq!(check(&|h| h.ttl_seconds = TTL_SECONDS_MAX + 1).unwrap_err(), "put.ttl_seconds");
    assert_eq!(check(&|h| h.ttl_seconds = 0).unwrap_err(), "put.ttl_seconds");
    assert!(check(&|h| h.preconditions = tags(1024)).is_ok());
    assert_eq!(check(&|h| h.preconditions = tags(1025)).unwrap_err(), "preconditions.if_match");
    let endless = check(&|h| h.remaining_ms = u64::MAX).unwrap();
    assert_eq!(endless.remaining, Duration::from_secs(3600));
}

#[test]
fn other_messages_at_and_past_their_limits() {
    let ids =
        |len: usize| v1::ReplicateCommit { request_ids: vec![vec![0; 16].into(); len], ..commit(b"").into() };
    type Commit = headwater_proto::ReplicateCommit;
    assert!(Commit::try_from(ids(8)).is_ok());
    assert_eq!(refused::<_, Commit>(ids(9)), "commit.request_ids");
    assert_eq!(refused::<_, Commit>(v1::ReplicateCommit { version: None, ..ids(1) }), "commit.version");

    let limited = |limit: usize| v1::ListRequest { limit: limit as u32, ..list("").into() };
    assert!(ListRequest::try_from(limited(LIST_LIMIT_MAX)).is_ok());
    assert_eq!(refused::<_, ListRequest>(limited(LIST_LIMIT_MAX + 1)), "list.limit");
    let delimited = v1::ListRequest { delimiter: ".".into(), ..list("").into() };
    assert_eq!(refused::<_, ListRequest>(delimited), "list.delimiter");
    let shards = v1::ListRequest { shards: vec![v1::ShardEpoch::default(); 1025], ..list("").into() };
    assert_eq!(refused::<_, ListRequest>(shards), "list.shards");
    let entry = v1::ListEntry { name: "a".into(), meta: None };
    let reply = |len: usize| v1::ListReply { entries: vec![entry.clone(); len], more: false };
    assert!(ListReply::try_from(reply(LIST_LIMIT_MAX)).is_ok());
    assert_eq!(refused::<_, ListReply>(reply(LIST_LIMIT_MAX + 1)), "list_reply.entries");

    let empty = v1::GetRequest { range: Some(v1::ByteRange { first: None, last: None }), ..get("a").into() };
    assert_eq!(refused::<_, GetRequest>(empty), "range");
    let follow = v1::HeadRequest { follow: 3, ..head("a").into() };
    assert_eq!(refused::<_, HeadRequest>(follow), "head.follow");
    let unnamed = v1::DeleteRequest { object: None, ..delete("a").into() };
    assert_eq!(refused::<_, DeleteRequest>(unnamed), "delete.object");
    assert_eq!(v1::ObjectId::from(object("a/b")).key, "a/b");
}
