use super::*;
use crate::assets::{ASSETS, index};
use axum::body::{Body, to_bytes};
use headwater_telemetry::{MetricsRegistry, Readiness};
use http::{HeaderName, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

fn state() -> AdminState {
    AdminState {
        cache: None,
        metrics: Arc::new(MetricsRegistry::new()),
        readiness: Readiness::new(),
        data_url: Some("https://live.example.net".into()),
        api: None,
    }
}

async fn send(state: AdminState, request: http::request::Builder) -> (http::response::Parts, String) {
    let response = router(state).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 4 << 20).await.unwrap();
    (head, String::from_utf8(body.to_vec()).unwrap())
}

async fn get_path(state: AdminState, path: &str) -> (http::response::Parts, String) {
    send(state, Request::get(path)).await
}

fn content_type(head: &http::response::Parts) -> &str {
    head.headers[header::CONTENT_TYPE].to_str().unwrap()
}

#[tokio::test]
async fn health_version_and_metrics() {
    let (head, body) = get_path(state(), "/healthz").await;
    assert_eq!((head.status.as_u16(), body.as_str()), (200, "ok"));

    let (_, body) = get_path(state(), "/version").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, json!({"name": "headwater", "version": VERSION, "metadata_version": null}));

    let (head, body) = get_path(state(), "/metrics").await;
    assert_eq!(content_type(&head), metrics::CONTENT_TYPE);
    assert!(body.contains("headwater_build_info") && body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn readiness_follows_its_conditions() {
    let state = state();
    let metadata = state.readiness.condition("metadata");
    let (head, body) = get_path(state.clone(), "/readyz").await;
    let expected =
        json!({"ready": false, "conditions": [{"name": "metadata", "ready": false, "reason": "starting"}]});
    assert_eq!((head.status.as_u16(), serde_json::from_str::<Value>(&body).unwrap()), (503, expected));
    metadata.ready();
    assert_eq!(get_path(state, "/readyz").await.0.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document() {
    for (request, status, code) in [
        (Request::get("/nothing"), 404, "not_found"),
        (Request::get("/assets/"), 404, "not_found"),
        (Request::get("/assets/../Cargo.toml"), 404, "not_found"),
        (Request::get("/assets/vendor/hls/nothing.js"), 404, "not_found"),
        (Request::post("/readyz"), 405, "method_not_allowed"),
    ] {
        let (head, body) = send(state(), request).await;
        assert_eq!((head.status.as_u16(), content_type(&head)), (status, "application/problem+json"));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)));
        assert_eq!(head.headers.contains_key(header::ALLOW), status == 405);
    }
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    for path in ["/", "/healthz", "/metrics", "/assets/watch.js", "/nothing"] {
        let (head, _) = get_path(state(), path).await;
        let get = |name: HeaderName| head.headers[&name].to_str().unwrap().to_owned();
        assert_eq!(get(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(get(header::REFERRER_POLICY), "no-referrer", "{path}");
        let policy = get(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("connect-src http: https:;"), "{policy}");
    }
}

/// The paths below `/assets/` that a file of ours refers to, by the attributes, imports and URLs it may use.
fn references(text: &str) -> Vec<&str> {
    let marks = ["src=\"assets/", "href=\"assets/", "from './", "new URL('"];
    let after =
        |mark: &'static str| text.match_indices(mark).map(move |(at, found)| &text[at + found.len()..]);
    marks.into_iter().flat_map(after).filter_map(|rest| rest.split(['"', '\'']).next()).collect()
}

#[tokio::test]
async fn every_file_that_the_page_needs_is_there_and_no_other() {
    let (head, page) = get_path(state(), "/").await;
    assert_eq!((head.status.as_u16(), content_type(&head)), (200, "text/html; charset=utf-8"));
    let own = ASSETS.iter().filter(|asset| asset.path.ends_with(".js") && !asset.path.starts_with("vendor/"));
    let scripts: Vec<_> = own.map(|asset| std::str::from_utf8(asset.body).unwrap()).collect();
    let mut referred: Vec<_> = scripts.iter().copied().chain([page.as_str()]).flat_map(references).collect();
    referred.sort_unstable();
    referred.dedup();
    assert_eq!(referred, ASSETS.map(|asset| asset.path));
    for path in referred {
        let (head, body) = get_path(state(), &format!("/assets/{path}")).await;
        assert!(head.status == 200 && !body.is_empty(), "{path}");
    }
}

#[test]
fn our_files_refer_to_no_other_host_and_have_nothing_inline() {
    let page = index(None);
    let own =
        ASSETS.iter().filter(|asset| !asset.path.starts_with("vendor/") && !asset.path.ends_with(".svg"));
    let texts =
        own.map(|asset| (asset.path, std::str::from_utf8(asset.body).unwrap())).chain([("/", page.as_str())]);
    for (path, text) in texts {
        for scheme in ["http://", "https://", "=\"//"] {
            assert!(!text.contains(scheme), "{path} has {scheme}");
        }
    }
    for inline in ["<style", " style=", " onclick=", "<script>"] {
        assert!(!page.contains(inline), "the policy forbids {inline}");
    }
}

#[tokio::test]
async fn a_known_file_is_not_sent_again() {
    let (head, _) = get_path(state(), "/assets/watch.css").await;
    let etag = head.headers[header::ETAG].to_str().unwrap().to_owned();
    for (known, status) in [(etag.clone(), 304), (format!("\"x\", W/{etag}"), 304), ("\"x\"".into(), 200)] {
        let (head, body) =
            send(state(), Request::get("/assets/watch.css").header(header::IF_NONE_MATCH, known)).await;
        assert_eq!((head.status.as_u16(), body.is_empty()), (status, status == 304));
        assert_eq!(head.headers[header::ETAG].to_str().unwrap(), etag);
    }
}

#[tokio::test]
async fn the_page_suggests_the_data_plane_and_cannot_be_broken_by_it() {
    let (_, page) = get_path(state(), "/").await;
    assert!(page.contains("content=\"https://live.example.net\""), "{page}");
    let hostile = index(Some("\"><script>&"));
    assert!(hostile.contains("content=\"&quot;&gt;&lt;script&gt;&amp;\""), "{hostile}");
    assert!(!index(None).contains("{{"));
}
