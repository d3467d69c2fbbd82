//! LIST.

use crate::origin::{Origin, expect};
use serde_json::Value;
use std::collections::BTreeSet;

async fn list(origin: &Origin, query: &str) -> Value {
    let response = origin.request("GET", &format!("/cache/live?list{query}"), &origin.player(), b"").await;
    expect(&response, 200, "");
    serde_json::from_slice(&response.body).unwrap()
}

fn names(page: &Value) -> Vec<String> {
    let objects = page["objects"].as_array().unwrap();
    objects.iter().map(|o| o["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
pub(crate) async fn listing_pages_prefixes_and_folding() {
    let origin = Origin::start().await;
    let mut all: Vec<String> = (0..25)
        .flat_map(|i| [format!("a/{i:02}.ts"), format!("b/v{i}/x.m4s"), format!("top{i}.txt")])
        .collect();
    for key in &all {
        expect(&origin.put(key, b"abc").await, 201, "");
    }
    all.sort();
    let page = list(&origin, "").await;
    assert_eq!(names(&page), all);
    assert_eq!(page["cursor"], Value::Null);
    let first = &page["objects"][0];
    let get = origin.get(&all[0]).await;
    assert_eq!(first["etag"].as_str(), get.header("etag"));
    assert_eq!((first["size"].as_u64(), first["tier"].as_str()), (Some(3), Some("hot")));
    assert_eq!(first["content_type"].as_str(), get.header("content-type"));
    for time in ["last_modified", "expires_at"] {
        let text = first[time].as_str().unwrap();
        assert!(text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
    }

    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(&origin, &format!("&limit=7{cursor}")).await;
        assert!(names(&page).len() <= 7);
        paged.extend(names(&page));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all, "every object exactly once, in order");

    let a = list(&origin, "&prefix=a/").await;
    assert_eq!(names(&a).len(), 25);
    let folded = list(&origin, "&delimiter=/").await;
    assert_eq!(folded["prefixes"], serde_json::json!(["a/", "b/"]));
    assert!(names(&folded).iter().all(|name| name.starts_with("top")));
    let below = list(&origin, "&delimiter=%2F&prefix=b/&limit=10").await;
    assert_eq!(below["prefixes"].as_array().unwrap().len(), 10);
    assert!(below["cursor"].is_string());

    for bad in ["&limit=0", "&limit=1001", "&limit=x", "&cursor=!", "&delimiter=x"] {
        let response = origin.request("GET", &format!("/cache/live?list{bad}"), &origin.player(), b"").await;
        expect(&response, 400, "invalid_list");
    }
    list(&origin, "&limit=1000").await;
    list(&origin, "&limit=1").await;
    expect(&origin.request("GET", "/cache/live?list", "", b"").await, 401, "unauthorized");
}

/// All pages, one after the other. `between` is called with the last name of each.
async fn pages(origin: &Origin, query: &str, between: impl AsyncFn(&str)) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(origin, &format!("{query}{cursor}")).await;
        let next = page["cursor"].as_str().map(|next| format!("&cursor={next}"));
        let last = names(&page).pop().unwrap_or_default();
        pages.push(page);
        assert!(pages.len() < 200, "the listing does not end");
        match next {
            Some(next) => cursor = next,
            None => return pages,
        }
        between(&last).await;
    }
}

#[tokio::test]
pub(crate) async fn what_stays_is_listed_once_while_names_come_and_go() {
    let origin = Origin::start().await;
    let stays: Vec<String> = (0..30).map(|i| format!("d{}/{i:02}-stays.ts", i % 3)).collect();
    let goes: Vec<String> = (0..30).map(|i| format!("d{}/{i:02}-goes.ts", i % 3)).collect();
    let comes: Vec<String> = (0..30).map(|i| format!("d{}/{i:02}-comes.ts", i % 3)).collect();
    for key in stays.iter().chain(&goes) {
        expect(&origin.put(key, b"x").await, 201, "");
    }
    let turn = std::cell::Cell::new(0);
    let pages = pages(&origin, "&limit=4", async |last: &str| {
        let i = turn.replace(turn.get() + 1);
        // The very name that the cursor stands on, and others before and after it.
        for key in goes.iter().filter(|key| *key == last).chain(goes.iter().skip(i).step_by(15)) {
            expect(
                &origin.request("DELETE", &format!("/cache/live/{key}"), &origin.encoder(), b"").await,
                204,
                "",
            );
        }
        for key in comes.iter().skip(i).step_by(15) {
            origin.put(key, b"new").await;
        }
        // Overwritten, it is the same name all the same.
        assert_eq!(origin.put(&stays[i % 30], b"again").await.status, 204);
    })
    .await;
    let listed: Vec<String> = pages.iter().flat_map(names).collect();
    assert!(listed.is_sorted_by(|a, b| a < b), "in order, and none twice: {listed:?}");
    let missing: Vec<_> = stays.iter().filter(|key| !listed.contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let known: BTreeSet<&String> = stays.iter().chain(&goes).chain(&comes).collect();
    assert!(listed.iter().all(|key| known.contains(key)), "{listed:?}");
}

#[tokio::test]
pub(crate) async fn folded_pages_go_on_to_the_end() {
    let origin = Origin::start().await;
    let folders = ["a", "a-b", "a.b", "b", "c", "z"];
    let tops = ["a", "a!", "a0", "b.ts", "bb.ts", "y"];
    for key in folders.iter().flat_map(|f| [format!("{f}/1"), format!("{f}/2/x"), format!("{f}/3/4/y")]) {
        expect(&origin.put(&key, b"x").await, 201, "");
    }
    for key in tops {
        expect(&origin.put(key, b"x").await, 201, "");
    }
    let prefixes = |page: &Value| -> Vec<String> {
        let prefixes = page["prefixes"].as_array().unwrap();
        prefixes.iter().map(|p| p.as_str().unwrap().to_owned()).collect()
    };
    for limit in [1, 2, 3, 5, 11, 12, 1000] {
        let pages = pages(&origin, &format!("&delimiter=/&limit={limit}"), async |_| {}).await;
        for page in &pages {
            assert!(names(page).len() + prefixes(page).len() <= limit, "{limit}: {page}");
        }
        assert_eq!(pages.iter().flat_map(names).collect::<Vec<_>>(), tops, "limit {limit}");
        let folded: Vec<String> = pages.iter().flat_map(prefixes).collect();
        let mut expected = folders.map(|folder| format!("{folder}/"));
        expected.sort();
        assert_eq!(folded, expected, "limit {limit}");
    }
    let below = pages(&origin, "&delimiter=/&prefix=b/&limit=1", async |_| {}).await;
    assert_eq!(below.iter().flat_map(names).collect::<Vec<_>>(), ["b/1"]);
    assert_eq!(below.iter().flat_map(prefixes).collect::<Vec<_>>(), ["b/2/", "b/3/"]);
}
