//! Refusals before the body, each limit at the limit and one past.

use super::*;
use headwater_meta::Rule;

fn settings() -> NamespaceSettings {
    NamespaceSettings {
        max_object_bytes: 100,
        ttl_rules: vec![
            Rule { glob: "*.m3u8".into(), value: Ttl::from_secs(60).unwrap() },
            Rule { glob: "*".into(), value: Ttl::from_secs(70).unwrap() },
        ],
        max_ttl: Ttl::from_secs(1000).unwrap(),
        ..NamespaceSettings::default()
    }
}

fn plan(uri: &str, headers: &[(&str, &str)]) -> Result<PutPlan, &'static str> {
    let mut request = http::Request::put(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let key = ObjectKey::from_raw_path(uri.split('?').next().unwrap().trim_start_matches('/')).unwrap();
    PutPlan::of(&parts, Query::of(&parts.uri), &settings(), &key).map_err(|problem| problem.code.code())
}

fn code(uri: &str, headers: &[(&str, &str)]) -> Result<(), &'static str> {
    let mut all = headers.to_vec();
    all.push(("content-length", "1"));
    plan(uri, &all).map(|_| ())
}

#[test]
fn framing_and_size() {
    assert_eq!(plan("/a.ts", &[]).err(), Some("length_required"));
    assert_eq!(plan("/a.ts", &[("content-length", "100")]).unwrap().size, Some(100));
    assert_eq!(plan("/a.ts", &[("content-length", "101")]).err(), Some("too_large"));
    assert_eq!(
        plan("/a.ts", &[("transfer-encoding", "chunked"), ("content-length", "101")]).unwrap().size,
        None
    );
}

#[test]
fn ttl_of_the_query_then_the_rules() {
    let ttl = |uri| plan(uri, &[("content-length", "1")]).map(|plan| plan.ttl.as_secs());
    assert_eq!(ttl("/a.ts?role=origin&ttl_seconds=1000"), Ok(1000));
    assert_eq!(ttl("/a.ts?ttl_seconds=1001"), Err("invalid_ttl"));
    assert_eq!(ttl("/a.ts?ttl_seconds=0"), Err("invalid_ttl"));
    assert_eq!(ttl("/a.ts?ttl_seconds="), Err("invalid_ttl"));
    assert_eq!(ttl("/a/b.m3u8"), Ok(60));
    assert_eq!(ttl("/a/b.ts?unknown=1"), Ok(70));
}

#[test]
fn headers_that_are_kept() {
    assert_eq!(code("/a.ts", &[("content-range", "bytes 0-1/2")]), Err("content_range"));
    let (at, past) = ("x".repeat(STORED_HEADER_BYTES_MAX), "x".repeat(STORED_HEADER_BYTES_MAX + 1));
    assert_eq!(code("/a.ts", &[("cache-control", &at)]), Ok(()));
    assert_eq!(code("/a.ts", &[("cache-control", &past)]), Err("invalid_header"));
    let name = "x-headwater-meta-a";
    let (at, past) =
        ("x".repeat(USER_META_BYTES_MAX - name.len()), "x".repeat(USER_META_BYTES_MAX - name.len() + 1));
    assert_eq!(code("/a.ts", &[(name, &at)]), Ok(()));
    assert_eq!(code("/a.ts", &[(name, &past)]), Err("meta_too_large"));
    let all = [("content-length", "1"), ("content-encoding", "gzip"), ("X-Headwater-Meta-Take", "7")];
    let attributes = plan("/a.m3u8", &all).unwrap().attributes;
    assert_eq!(&*attributes.content_type, "application/vnd.apple.mpegurl");
    assert_eq!(attributes.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(attributes.user_meta, [("x-headwater-meta-take".to_owned(), "7".to_owned())]);
}
