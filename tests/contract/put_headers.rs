//! Headers of a PUT and of its answer.

use crate::origin::{Origin, expect};
use headwater_testkit::RawResponse;
use headwater_types::limits::USER_META_BYTES_MAX;
use std::time::{Duration, UNIX_EPOCH};

/// Three headers whose names and values have so many bytes in all.
fn metadata(bytes: usize) -> String {
    let names = ["x-headwater-meta-a", "X-Headwater-Meta-Show", "x-headwater-meta-episode-number"];
    let named: usize = names.iter().map(|name| name.len()).sum();
    let values = bytes - named;
    let lengths = [values / 3, values / 2, values - values / 3 - values / 2];
    names.iter().zip(lengths).map(|(name, length)| format!("{name}: {}\r\n", "v".repeat(length))).collect()
}

#[tokio::test]
async fn metadata_counts_over_all_headers_names_included() {
    let origin = Origin::start().await;
    // What is not metadata does not count.
    let rest = format!("x-other: {}\r\nCache-Control: max-age=7\r\n", "o".repeat(1000));
    let at = metadata(USER_META_BYTES_MAX);
    expect(&origin.put_with("at.ts", &format!("{rest}{at}"), b"x").await, 201, "");
    let get = origin.get("at.ts").await;
    let stored = get.headers.iter().filter(|(name, _)| name.starts_with("x-headwater-meta-"));
    let bytes: usize = stored.clone().map(|(name, value)| name.len() + value.len()).sum();
    assert_eq!((stored.count(), bytes), (3, USER_META_BYTES_MAX));
    assert_eq!(get.header("x-other"), None);

    let past = metadata(USER_META_BYTES_MAX + 1);
    expect(&origin.put_with("past.ts", &past, b"x").await, 400, "meta_too_large");
    // A name that is there twice counts twice.
    let name = "x-headwater-meta-a";
    let half = USER_META_BYTES_MAX / 2 - name.len();
    for (more, status, code) in [(0, 201, ""), (1, 400, "meta_too_large")] {
        let lines = [half, half + more].map(|length| format!("{name}: {}\r\n", "v".repeat(length)));
        expect(&origin.put_with(&format!("twice-{status}.ts"), &lines.concat(), b"x").await, status, code);
    }
    for absent in ["past.ts", "twice-400.ts"] {
        expect(&origin.get(absent).await, 404, "not_found");
    }
}

/// The time in a request id, which must be a UUID of version 7 (RFC 9562 section 5.7).
fn time_of_id(response: &RawResponse) -> Duration {
    let id = response.header("x-request-id").expect("an id");
    let groups: Vec<&str> = id.split('-').collect();
    assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
    assert!(id.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{id}");
    assert!(groups[2].starts_with('7'), "the version: {id}");
    assert!(groups[3].starts_with(['8', '9', 'a', 'b']), "the variant: {id}");
    let millis = u64::from_str_radix(&[groups[0], groups[1]].concat(), 16).unwrap();
    Duration::from_millis(millis)
}

#[tokio::test]
async fn request_ids_are_uuids_of_version_7_on_every_answer() {
    let origin = Origin::start().await;
    let answers = [
        origin.put("k.ts", b"one").await,
        origin.put("k.ts", b"two").await,
        origin.get("k.ts").await,
        origin.get_with("k.ts", "If-None-Match: *\r\n").await,
        origin.request("HEAD", "/cache/live/k.ts", &origin.player(), b"").await,
        origin.request("GET", "/cache/live?list", &origin.player(), b"").await,
        origin.request("OPTIONS", "/cache/live/k.ts", "", b"").await,
        origin.request("DELETE", "/cache/live/k.ts", &origin.encoder(), b"").await,
        origin.get("k.ts").await,
        origin.get("a//b").await,
        origin.request("GET", "/cache/live/k.ts", "", b"").await,
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201, 204, 200, 304, 200, 200, 204, 204, 404, 400, 401]);
    let modified = httpdate::parse_http_date(answers[2].header("last-modified").unwrap()).unwrap();
    let modified = modified.duration_since(UNIX_EPOCH).unwrap();
    let mut ids: Vec<&str> = Vec::new();
    for answer in &answers {
        // Last-Modified has whole seconds, and the clock of a request may be a little coarse.
        let apart = time_of_id(answer).abs_diff(modified);
        assert!(apart < Duration::from_secs(10), "{apart:?} from when it was stored");
        ids.push(answer.header("x-request-id").unwrap());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answers.len(), "none is used twice");
}

#[tokio::test]
async fn a_204_has_the_headers_of_a_201() {
    let origin = Origin::start().await;
    let created = origin.put("k.ts", b"one").await;
    let replaced = origin.put("k.ts", b"two").await;
    assert_eq!((created.status, replaced.status), (201, 204));
    for answer in [&created, &replaced] {
        let timing = answer.header("server-timing").unwrap();
        let duration = timing.split("dur=").nth(1).expect("a duration");
        let millis: f64 = duration.split([',', ';']).next().unwrap().trim().parse().unwrap();
        assert!((0.0..15_000.0).contains(&millis), "{timing}");
        assert!(time_of_id(answer) > Duration::ZERO);
    }
    assert_eq!(replaced.header("etag"), origin.get("k.ts").await.header("etag"));
    assert_ne!(replaced.header("etag"), created.header("etag"));
    // RFC 9110 section 8.6: no Content-Length on a 204.
    assert_eq!(replaced.header("content-length"), None);
    // A probe is answered in the same way, but there is no version to name.
    let probe = origin.put("k.ts", b"").await;
    assert_eq!((probe.status, probe.header("etag")), (204, None));
    assert!(time_of_id(&probe) > Duration::ZERO && probe.header("server-timing").is_some());
}
