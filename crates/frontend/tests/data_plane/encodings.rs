//! Playlists in another content coding than the stored one.

use crate::support::{Answer, Bench, Fault};
use bytes::Bytes;
use headwater_frontend::FrontendConfig;
use headwater_meta::{CorsPolicy, NamespaceSettings};
use headwater_types::Digest;
use http::Method;
use std::{
    sync::{Arc, atomic::Ordering::SeqCst, mpsc},
    thread::available_parallelism,
    time::Duration,
};
use tokio::runtime::Runtime;

/// The largest playlist that is recoded, and the smallest that is compressed.
const BYTES_MAX: usize = 4 * 1024 * 1024;
const COMPRESSED_BYTES_MIN: usize = 16 * 1024;

const GZIP: (&str, &str) = ("accept-encoding", "gzip, deflate, br");
const IDENTITY: (&str, &str) = ("accept-encoding", "identity");

/// A media playlist of exactly so many bytes.
fn playlist(bytes: usize) -> Vec<u8> {
    let mut text = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n".to_vec();
    for n in 0.. {
        let entry = format!("#EXTINF:6,\nv_{n}.ts\n");
        if text.len() + entry.len() > bytes {
            break;
        }
        text.extend(entry.as_bytes());
    }
    text.resize(bytes, b'#');
    text
}

fn tag(body: &[u8]) -> String {
    Digest::of(body).to_etag()
}

fn recoded(bench: &Bench) -> u64 {
    bench.metric("playlists_recoded_total")
}

#[track_caller]
fn assert_form(answer: &Answer, body: &[u8], content_encoding: &str) {
    assert_eq!(answer.status, 200);
    assert!(answer.body == body, "{} bytes instead of {}", answer.body.len(), body.len());
    assert_eq!(answer.header("etag"), tag(body), "a strong validator of these very bytes");
    assert_eq!(answer.header("content-encoding"), content_encoding);
    assert_eq!(answer.header("content-length"), body.len().to_string());
    assert_eq!(answer.header("vary"), "Accept-Encoding");
    assert_eq!(answer.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(answer.header("cache-control"), "public, max-age=3");
}

/// Both kinds: stored compressed and read as it was, and stored as it is and read compressed. `(stored, coding of the
/// upload, recoded, its coding, who gets the stored form, who the other)`.
type Kind = (
    Vec<u8>,
    &'static str,
    Vec<u8>,
    &'static str,
    (&'static str, &'static str),
    (&'static str, &'static str),
);

fn kinds() -> [Kind; 2] {
    let (small, large) = (playlist(900), playlist(100_000));
    let (packed_small, packed_large) = (headwater_media::gzip(&small), headwater_media::gzip(&large));
    [(packed_small, "gzip", small, "", GZIP, IDENTITY), (large, "", packed_large, "gzip", IDENTITY, GZIP)]
}

async fn put(bench: &Bench, key: &str, body: &[u8], coding: &str) -> Answer {
    let headers = [("content-encoding", coding), ("x-headwater-meta-take", "7")];
    bench
        .put(key, Bytes::copy_from_slice(body), if coding.is_empty() { &headers[1..] } else { &headers })
        .await
}

/// Benches whose nodes are in this process and in others.
fn benches() -> [Bench; 2] {
    let remote = Bench::new();
    [&remote.near, &remote.far].into_iter().for_each(|node| node.streams.store(true, SeqCst));
    [Bench::new(), remote]
}

#[tokio::test]
async fn each_client_gets_the_form_that_it_accepts() {
    for bench in benches() {
        for (stored, coding, other, other_coding, as_stored, recoding) in kinds() {
            assert_eq!(put(&bench, "a/v.m3u8", &stored, coding).await.header("etag"), tag(&stored));
            // Whichever is asked for first, of a frontend that knows nothing of it.
            for methods in [[Method::HEAD, Method::GET], [Method::GET, Method::HEAD]] {
                let bench = bench.beside();
                for method in methods {
                    for (accept, body, coding) in
                        [(as_stored, &stored, coding), (recoding, &other, other_coding)]
                    {
                        let answer = bench.bodiless(method.clone(), "a/v.m3u8", &[accept]).await;
                        let read = if method == Method::HEAD { body.clone() } else { answer.body.to_vec() };
                        let answer = Answer { body: read.into(), ..answer };
                        assert_form(&answer, body, coding);
                        assert_eq!(answer.header("x-headwater-meta-take"), "7");
                        assert_eq!(answer.header("accept-ranges"), "bytes");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn conditions_and_ranges_are_those_of_the_form_that_is_sent() {
    let zeros = "\"00000000000000000000000000000000\"";
    for bench in benches() {
        for (stored, coding, other, _, as_stored, recoding) in kinds() {
            put(&bench, "v.m3u8", &stored, coding).await;
            for (accept, body, foreign) in [(as_stored, &stored, &other), (recoding, &other, &stored)] {
                let (own, foreign) = (tag(body), tag(foreign));
                let size = body.len();
                let (own, foreign) = (own.as_str(), foreign.as_str());
                let both = format!("{foreign}, {own}");
                let last = format!("bytes {}-{}/{size}", size - 5, size - 1);
                let beyond = format!("bytes={size}-");
                for (conditions, status, part, content_range) in [
                    (&[("if-none-match", own)][..], 304, 0..0, ""),
                    (&[("if-none-match", &both)], 304, 0..0, ""),
                    (&[("if-none-match", "*")], 304, 0..0, ""),
                    (&[("if-none-match", foreign)], 200, 0..size, ""),
                    (&[("if-none-match", zeros)], 200, 0..size, ""),
                    (&[("if-match", own)], 200, 0..size, ""),
                    (&[("if-match", "*")], 200, 0..size, ""),
                    (&[("range", "bytes=2-9")], 206, 2..10, &format!("bytes 2-9/{size}")),
                    (&[("range", "bytes=-5")], 206, size - 5..size, &last),
                    (&[("range", "bytes=0-"), ("if-none-match", own)], 304, 0..0, ""),
                    (
                        &[("range", "bytes=2-9"), ("if-none-match", foreign)],
                        206,
                        2..10,
                        &format!("bytes 2-9/{size}"),
                    ),
                    (&[("range", "bytes=2-9"), ("if-range", own)], 206, 2..10, &format!("bytes 2-9/{size}")),
                    (&[("range", "bytes=2-9"), ("if-range", foreign)], 200, 0..size, ""),
                    (&[("range", "bytes=2-9"), ("if-range", zeros)], 200, 0..size, ""),
                ] {
                    let bench = bench.beside();
                    // The first time nothing is known of it, the second time the recoded form is kept.
                    for round in 0..2 {
                        let answer = bench.get("v.m3u8", &[conditions, &[accept]].concat()).await;
                        let what = format!("{accept:?} {conditions:?} {round}");
                        assert_eq!(answer.status, status, "{what}");
                        assert!(answer.body == body[part.clone()], "{what}");
                        assert_eq!(answer.header("content-range"), content_range, "{what}");
                        assert_eq!(answer.header("etag"), own, "{what}");
                        assert_eq!(answer.header("vary"), "Accept-Encoding", "{what}");
                        assert_eq!(answer.header("cache-control"), "public, max-age=3", "{what}");
                    }
                }
                for (condition, code) in [
                    (("if-match", foreign), "precondition_failed"),
                    (("if-match", zeros), "precondition_failed"),
                    (("range", &beyond), "range_not_satisfiable"),
                ] {
                    let refused = bench.get("v.m3u8", &[condition, accept]).await;
                    assert_eq!(refused.code(), code, "{accept:?} {condition:?}");
                }
                let head = bench.bodiless(Method::HEAD, "v.m3u8", &[("if-none-match", own), accept]).await;
                assert_eq!(head.status, 304);
                let head =
                    bench.bodiless(Method::HEAD, "v.m3u8", &[("if-none-match", foreign), accept]).await;
                assert_eq!((head.status.as_u16(), head.header("content-length")), (200, &*size.to_string()));
            }
        }
    }
}

/// Calls of both nodes, and bodies that they sent.
fn transfers(bench: &Bench) -> (usize, usize) {
    let nodes = [&bench.near, &bench.far];
    let bodies = nodes.map(|node| node.bodies.load(SeqCst));
    (nodes.map(|node| node.calls()).iter().sum(), bodies.iter().sum())
}

#[tokio::test]
async fn a_kept_form_costs_one_call_and_no_body() {
    for is_remote in [false, true] {
        let config = FrontendConfig { near_cache_bytes: 0, ..FrontendConfig::default() };
        let bench = Bench::with(config, NamespaceSettings::default());
        [&bench.near, &bench.far].into_iter().for_each(|node| node.streams.store(is_remote, SeqCst));
        for (stored, coding, other, other_coding, _, recoding) in kinds() {
            put(&bench, "v.m3u8", &stored, coding).await;
            assert_form(&bench.get("v.m3u8", &[recoding]).await, &other, other_coding);
            let own = tag(&other);
            for (method, condition, status) in [
                (Method::GET, None, 200),
                (Method::HEAD, None, 200),
                (Method::GET, Some(("if-none-match", own.as_str())), 304),
                (Method::HEAD, Some(("if-none-match", own.as_str())), 304),
                (Method::GET, Some(("range", "bytes=2-9")), 206),
            ] {
                let (calls, bodies) = transfers(&bench);
                let headers: Vec<_> = condition.into_iter().chain([recoding]).collect();
                let answer = bench.bodiless(method.clone(), "v.m3u8", &headers).await;
                let what = format!("{method} {condition:?} {recoding:?} {is_remote}");
                assert_eq!(answer.status, status, "{what}");
                assert_eq!(
                    (answer.header("etag"), answer.header("vary")),
                    (&*own, "Accept-Encoding"),
                    "{what}"
                );
                assert_eq!(answer.header("cache-control"), "public, max-age=3", "{what}");
                assert_eq!(transfers(&bench), (calls + 1, bodies), "{what}");
            }
            // The same bytes in a coding that is only sent as it is stored: what is kept is not their form.
            put(&bench, "v.m3u8", &stored, "br").await;
            let answer = bench.get("v.m3u8", &[recoding]).await;
            assert!(answer.body == stored, "{recoding:?} {is_remote}");
            assert_eq!((answer.header("content-encoding"), answer.header("vary")), ("br", ""));
        }
    }
}

#[tokio::test]
async fn the_facts_of_equal_bytes_differ_by_coding_and_language() {
    for bench in benches() {
        let packed = headwater_media::gzip(&playlist(900));
        for (key, coding, max_age) in [
            ("v.m3u8", "", 1),
            ("v.m3u8", "gzip", 3),
            ("v.m3u8", "br", 1),
            ("v.m3u8", "x-gzip", 3),
            ("v.mpd", "gzip", 1),
            ("v.m3u8", "", 1),
        ] {
            put(&bench, key, &packed, coding).await;
            for method in [Method::HEAD, Method::GET] {
                let answer = bench.bodiless(method, key, &[GZIP]).await;
                assert_eq!(answer.header("content-encoding"), coding);
                let want = format!("public, max-age={max_age}");
                assert_eq!(answer.header("cache-control"), want, "{key} {coding:?}");
            }
        }
    }
}

/// A runtime with one thread for what takes long.
fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(1).build().unwrap()
}

/// Takes that thread until the sender is dropped.
fn take_the_thread() -> mpsc::Sender<()> {
    let (free, taken) = mpsc::channel();
    tokio::task::spawn_blocking(move || taken.recv());
    free
}

/// Lets all others run until they wait.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_compressed_playlist_is_not_read_on_the_threads_of_requests() {
    runtime().block_on(async {
        let bench = Arc::new(Bench::new());
        put(&bench, "v.m3u8", &headwater_media::gzip(&playlist(900)), "gzip").await;
        let free = take_the_thread();
        let reader = {
            let bench = bench.clone();
            tokio::spawn(async move { bench.get("v.m3u8", &[GZIP]).await })
        };
        settle().await;
        assert!(!reader.is_finished());
        drop(free);
        assert_eq!(reader.await.unwrap().header("cache-control"), "public, max-age=3");
    });
}

#[test]
fn a_frontend_that_is_busy_compressing_sends_the_stored_form_at_once() {
    let processors = available_parallelism().unwrap().get();
    let slots = (processors / 2).max(1);
    runtime().block_on(async {
        let bench = Arc::new(Bench::new());
        let body = playlist(100_000);
        let name = |n: usize| format!("{n}.m3u8");
        let late = name(2 * processors);
        for n in 0..=2 * processors {
            put(&bench, &name(n), &body, "").await;
        }
        // No recoding ends, so the first that ask keep the slots.
        let free = take_the_thread();
        let readers = (0..2 * processors).map(|n| {
            let (bench, name) = (bench.clone(), name(n));
            tokio::spawn(async move { bench.get(&name, &[GZIP]).await })
        });
        let readers: Vec<_> = readers.collect();
        settle().await;
        let answer = tokio::time::timeout(Duration::from_secs(30), bench.get(&late, &[GZIP])).await;
        assert_form(&answer.expect("it waits for nobody"), &body, "");
        assert_eq!(recoded(&bench), 0);

        drop(free);
        let mut packed = 0;
        for reader in readers {
            packed += usize::from(reader.await.unwrap().header("content-encoding") == "gzip");
        }
        assert_eq!((packed, recoded(&bench)), (slots, slots as u64));
        let answer = bench.get(&late, &[GZIP]).await;
        assert_eq!(answer.header("content-encoding"), "gzip", "that it was busy is not remembered");
    });
}

#[tokio::test]
async fn it_costs_nothing_where_nobody_asks() {
    let bench = Bench::new();
    put(&bench, "v.m3u8", &playlist(400_000), "").await;
    put(&bench, "z.m3u8", &headwater_media::gzip(&playlist(400)), "gzip").await;
    for accept in ["", "identity", "br", "gzip;q=0", "gzip;q=0.5, identity"] {
        let answer = bench.get("v.m3u8", &[("accept-encoding", accept)]).await;
        assert_eq!((answer.body.len(), answer.header("vary")), (400_000, "Accept-Encoding"), "{accept}");
    }
    assert_eq!(bench.get("v.m3u8", &[]).await.header("content-encoding"), "");
    assert_eq!(bench.get("z.m3u8", &[GZIP]).await.header("content-encoding"), "gzip");
    assert_eq!((recoded(&bench), bench.metric("recoded_playlists_bytes")), (0, 0));
    assert_eq!(
        bench.get("z.m3u8", &[]).await.header("content-encoding"),
        "",
        "without the header: not coded"
    );
    assert_eq!(recoded(&bench), 1);
    assert!(bench.metric("recoded_playlists_bytes") > 400);
}

#[tokio::test]
async fn sizes_at_the_limits_and_past_them() {
    let bench = Bench::new();
    for (bytes, packs) in [
        (COMPRESSED_BYTES_MIN - 1, false),
        (COMPRESSED_BYTES_MIN, true),
        (BYTES_MAX, true),
        (BYTES_MAX + 1, false),
    ] {
        let body = playlist(bytes);
        put(&bench, "v.m3u8", &body, "").await;
        let answer = bench.get("v.m3u8", &[GZIP]).await;
        assert_eq!(answer.header("content-encoding") == "gzip", packs, "{bytes}");
        assert_eq!(answer.header("vary") == "Accept-Encoding", packs, "{bytes}");
        let decoded = match packs {
            true => headwater_media::gunzip_bounded(&answer.body, bytes).unwrap(),
            false => answer.body.to_vec(),
        };
        assert!(decoded == body, "{bytes}");
    }
    for (bytes, unpacks) in [(BYTES_MAX, true), (BYTES_MAX + 1, false)] {
        let body = playlist(bytes);
        let packed = headwater_media::gzip(&body);
        put(&bench, "z.m3u8", &packed, "gzip").await;
        for _ in 0..2 {
            let answer = bench.get("z.m3u8", &[IDENTITY]).await;
            assert_eq!(answer.header("content-encoding") == "gzip", !unpacks, "{bytes}");
            assert!(answer.body == *if unpacks { &body } else { &packed }, "{bytes}");
            assert_eq!(answer.header("etag"), tag(&answer.body));
        }
    }
    // What cannot be decoded is tried once, and sent as it is, in whole, in part and by HEAD.
    let before = recoded(&bench);
    put(&bench, "bad.m3u8", b"no gzip at all", "gzip").await;
    for _ in 0..2 {
        let answer = bench.get("bad.m3u8", &[IDENTITY]).await;
        assert_eq!((&answer.body[..], answer.header("content-encoding")), (&b"no gzip at all"[..], "gzip"));
        assert_eq!(answer.header("etag"), tag(b"no gzip at all"));
        let part = bench.get("bad.m3u8", &[IDENTITY, ("range", "bytes=3-6")]).await;
        assert_eq!((part.status.as_u16(), &part.body[..]), (206, &b"gzip"[..]));
        let head = bench.bodiless(Method::HEAD, "bad.m3u8", &[IDENTITY]).await;
        assert_eq!((head.header("content-length"), head.header("content-encoding")), ("14", "gzip"));
    }
    assert_eq!(recoded(&bench), before + 1);
}

#[tokio::test]
async fn other_objects_are_sent_as_they_are() {
    let bench = Bench::new();
    let body = playlist(100_000);
    for (key, coding) in [("v.ts", ""), ("v.ts", "gzip"), ("v.vtt", ""), ("o.json", ""), ("v.m3u8", "br")] {
        put(&bench, key, &body, coding).await;
        for accept in [GZIP, IDENTITY] {
            let answer = bench.get(key, &[accept]).await;
            assert!(answer.body == body, "{key}");
            assert_eq!((answer.header("content-encoding"), answer.header("vary")), (coding, ""), "{key}");
        }
    }
    assert_eq!(recoded(&bench), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_recoded_once_for_all_readers_and_a_new_one_anew() {
    let bench = Arc::new(Bench::new());
    for (version, bytes) in [(1, 400_000), (2, 400_100)] {
        let body = playlist(bytes);
        put(&bench, "v.m3u8", &body, "").await;
        let readers = (0..30).map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move { bench.get("v.m3u8", &[GZIP]).await })
        });
        for reader in readers.collect::<Vec<_>>() {
            let answer = reader.await.unwrap();
            assert_eq!(answer.header("content-encoding"), "gzip");
            assert!(answer.body.len() * 4 < bytes, "{} bytes", answer.body.len());
            assert!(headwater_media::gunzip_bounded(&answer.body, bytes).unwrap() == body);
        }
        assert_eq!(recoded(&bench), version);
    }
    // Deleted is deleted, whatever is kept.
    bench.bodiless(Method::DELETE, "v.m3u8", &[]).await;
    assert_eq!(bench.get("v.m3u8", &[GZIP]).await.status, 404);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_again() {
    let [_, bench] = benches();
    let body = playlist(100_000);
    put(&bench, "v.m3u8", &body, "").await;
    // The facts are known: what breaks off is read for its recoded form only.
    assert_eq!(bench.get("v.m3u8", &[("range", "bytes=0-0")]).await.status, 206);
    bench.near.fault([Fault::DieAfter(50)]);
    let answer = bench.get("v.m3u8", &[GZIP]).await;
    assert!(headwater_media::gunzip_bounded(&answer.body, BYTES_MAX).unwrap() == body);
    put(&bench, "z.m3u8", &headwater_media::gzip(&body), "gzip").await;
    assert_eq!(bench.bodiless(Method::HEAD, "z.m3u8", &[GZIP]).await.status, 200);
    bench.near.fault([Fault::DieAfter(50); 9]);
    assert_eq!(bench.get("z.m3u8", &[IDENTITY]).await.code(), "unavailable");
}

#[tokio::test]
async fn vary_is_one_line_beside_that_of_cors() {
    let cors = CorsPolicy { allowed_origins: vec!["https://a.example".into()], ..CorsPolicy::default() };
    let bench = Bench::with(Default::default(), NamespaceSettings { cors, ..NamespaceSettings::default() });
    put(&bench, "v.m3u8", &playlist(100_000), "").await;
    for accept in [GZIP, IDENTITY] {
        let answer = bench.get("v.m3u8", &[accept]).await;
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["Accept-Encoding, Origin"]);
    }
}

#[tokio::test]
async fn a_playlist_without_an_extension_is_one_by_its_content_type() {
    let bench = Bench::new();
    let body = playlist(100_000);
    bench.put("live/manifest", body.clone(), &[("content-type", "application/x-mpegURL")]).await;
    let plain = bench.get("live/manifest", &[]).await;
    assert_eq!(plain.header("cache-control"), "public, max-age=3");
    assert_eq!(plain.header("content-type"), "application/x-mpegURL");
    let packed = bench.get("live/manifest", &[GZIP]).await;
    assert!(headwater_media::gunzip_bounded(&packed.body, BYTES_MAX).unwrap() == body);
    assert!(!bench.near.puts.lock()[0].followable, "visible only when it is whole");
    let labels = "http_requests_total{namespace=\"live\",class=\"playlist\",verb=";
    for sample in ["\"put\",status=\"201\",tier=\"\"}", "\"get\",status=\"200\",tier=\"hot\"}"] {
        assert!(bench.metric(&format!("{labels}{sample}")) > 0, "{sample}");
    }
}
