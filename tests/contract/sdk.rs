//! The Rust SDK against the whole cluster, and its examples as they stand.

use crate::origin::Origin;
use futures_util::{TryStreamExt, stream};
use headwater_client::{Body, Client, StatusCode};
use headwater_types::Permission;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

#[allow(dead_code, reason = "its main is for people")]
#[path = "../../crates/client/examples/quickstart.rs"]
mod quickstart;

fn url(origin: &Origin) -> String {
    format!("http://{}", origin.cluster.addresses[0])
}

fn client(origin: &Origin, key: &str) -> Client {
    Client::new(&url(origin), "live", key).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quickstart_example_runs() {
    let origin = Origin::start().await;
    let found = quickstart::run(&url(&origin), "live", &origin.keys.encoder).await.unwrap();
    let names = ["example/segment_1.ts", "example/segment_2.ts"].map(str::to_owned).to_vec();
    assert_eq!(found, quickstart::Found { whole: 18_800, range: 188, names });
    assert_eq!(client(&origin, &origin.keys.player).list("").await.unwrap().objects.len(), 0, "it cleans up");
    origin.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_every_kind_arrive_byte_for_byte() {
    let origin = Origin::start().await;
    let encoder = client(&origin, &origin.keys.encoder);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let pieces = |bytes: &[u8]| {
        let pieces: Vec<_> =
            bytes.chunks(100_001).map(|p| Ok::<_, std::io::Error>(p.to_vec().into())).collect();
        stream::iter(pieces)
    };
    let sent = Arc::new(AtomicU64::new(0));
    for (key, body) in [
        ("a/memory.ts", Body::from(bytes.clone())),
        ("a/stream.ts", Body::stream(pieces(&bytes))),
        ("a/sized.ts", Body::sized_stream(pieces(&bytes), bytes.len() as u64)),
    ] {
        let told = sent.clone();
        let put = encoder.put(key, body).on_progress(move |count| told.store(count, Ordering::SeqCst));
        assert!(put.content_type("video/x-test").send().await.unwrap().created);
        assert_eq!(sent.load(Ordering::SeqCst), 3_000_000);
        let object = encoder.get(key).await.unwrap();
        assert_eq!(object.content_length(), Some(3_000_000));
        assert_eq!(object.headers()["content-type"], "video/x-test");
        let read: Vec<bytes::Bytes> = object.stream().try_collect().await.unwrap();
        assert!(read.concat() == bytes, "{key}");
    }
    let empty = encoder.put("a/empty.txt", "").send().await.unwrap();
    assert!(empty.created && encoder.get("a/empty.txt").await.unwrap().bytes().await.unwrap().is_empty());
    origin.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_conditions_heads_and_deletes() {
    let origin = Origin::start().await;
    let encoder = client(&origin, &origin.keys.encoder);
    let etag = encoder.put("a/x.ts", "0123456789").send().await.unwrap().etag.unwrap();
    let text = async |object: headwater_client::Object| {
        String::from_utf8(object.bytes().await.unwrap().to_vec()).unwrap()
    };
    assert_eq!(text(encoder.get_range("a/x.ts", 2..5).await.unwrap()).await, "234");
    assert_eq!(text(encoder.get_range("a/x.ts", 2..=5).await.unwrap()).await, "2345");
    assert_eq!(text(encoder.get_range("a/x.ts", 7..).await.unwrap()).await, "789");
    assert_eq!(text(encoder.get_suffix("a/x.ts", 2).await.unwrap()).await, "89");
    let outside = encoder.get_range("a/x.ts", 10..).await.unwrap_err();
    assert_eq!(outside.status(), Some(StatusCode::RANGE_NOT_SATISFIABLE));
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = encoder.get_range("a/x.ts", 5..2).await;
    assert!(reversed.is_err() && encoder.get_range("a/x.ts", ..0).await.is_err());

    assert!(encoder.get_if_changed("a/x.ts", &etag).await.unwrap().is_none());
    assert!(encoder.get_if_changed("a/x.ts", "\"other\"").await.unwrap().is_some());
    let taken = encoder.put("a/x.ts", "new").if_absent().send().await.unwrap_err();
    assert_eq!(taken.code(), Some("precondition_failed"));
    assert!(!encoder.put("a/x.ts", "new").if_match(&etag).send().await.unwrap().created);
    assert_eq!(encoder.head("a/x.ts").await.unwrap().unwrap()["content-length"], "3");
    encoder.delete("a/x.ts").await.unwrap();
    encoder.delete("a/x.ts").await.unwrap();
    assert!(encoder.head("a/x.ts").await.unwrap().is_none());
    assert_eq!(encoder.get("a/x.ts").await.unwrap_err().code(), Some("not_found"));
    origin.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_over_many_pages_and_folders() {
    let origin = Origin::start().await;
    let encoder = client(&origin, &origin.keys.encoder);
    // One more than a page holds.
    for batch in 0..11 {
        let puts = (0..91).map(|i| encoder.put(&format!("c/{batch:02}/s_{i:03}.ts"), "x").send());
        futures_util::future::try_join_all(puts).await.unwrap();
    }
    let all: Vec<_> = encoder.list_stream("c/").try_collect().await.unwrap();
    assert_eq!(all.len(), 1001);
    assert!(all.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!(encoder.list("c/").await.unwrap().objects.len(), 1001);
    let folders = encoder.list_folder("c/").await.unwrap();
    assert_eq!((folders.objects.len(), folders.prefixes.len()), (0, 11));
    assert_eq!(folders.prefixes[0], "c/00/");
    origin.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_carry_their_code_and_request_id() {
    let origin = Origin::start().await;
    let player = client(&origin, &origin.keys.player);
    let error = player.put("a/x.ts", "x").send().await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(StatusCode::FORBIDDEN), Some("forbidden")));
    let headwater_client::Error::Refused { request_id, detail, .. } = &error else { panic!("{error:?}") };
    assert!(!request_id.is_empty() && !detail.is_empty());
    let nobody = client(&origin, "hw_nobody_nothing").get("a/x.ts").await.unwrap_err();
    assert_eq!(nobody.code(), Some("unauthorized"));
    let narrow = origin.cluster.key(Some(origin.keys.id), Permission::ReadWrite, Some("b/")).await.unwrap();
    let narrow = client(&origin, &narrow.reveal());
    assert_eq!(narrow.put("a/x.ts", "x").send().await.unwrap_err().code(), Some("forbidden"));
    assert!(narrow.put("b/x.ts", "x").send().await.unwrap().created);
    assert!(player.get("../x").await.unwrap_err().status().is_none(), "refused before it is sent");
    origin.cluster.stop().await;
}
