//! What credentials lead to, behind what they grant: blocked names, a frontend that is cut off, keys that were used.

use crate::support::{Bench, NAMESPACE};
use axum::body::Body;
use headwater_frontend::FrontendConfig;
use headwater_meta::{NamespaceRecord, NamespaceSettings};
use headwater_types::KeyId;
use http::{Method, Request};
use std::{sync::Arc, time::Duration};

/// The public part of a key.
fn id(key: &str) -> KeyId {
    KeyId(key.split('_').nth(1).unwrap().into())
}

#[tokio::test]
async fn blocked_names_are_refused_to_everyone_but_may_be_deleted() {
    let bench = Bench::new();
    for name in ["stolen/a.ts", "stolen-too.ts", "mine/a.ts"] {
        assert_eq!(bench.put(name, "x", &[]).await.status, 201);
    }
    bench.change(|state| {
        let mut record = NamespaceRecord::clone(&state.namespaces[&NAMESPACE]);
        record.version += 1;
        record.blocked = vec!["other/".into(), "stolen".into()];
        state.namespaces.insert(NAMESPACE, Arc::new(record));
    });
    for name in ["stolen/a.ts", "stolen-too.ts", "stolen"] {
        for method in [Method::GET, Method::PUT, Method::POST] {
            let request = bench.request(method.clone(), name).header("content-length", 9);
            let answer = bench.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!((answer.status.as_u16(), &*answer.code()), (403, "blocked"), "{method} {name}");
        }
        assert_eq!(bench.bodiless(Method::HEAD, name, &[]).await.status, 403);
        let anonymous = Request::get(format!("/cache/live/{name}")).body(Body::empty()).unwrap();
        assert_eq!(bench.send(anonymous).await.code(), "unauthorized", "nothing is told to strangers");
        assert_eq!(bench.bodiless(Method::DELETE, name, &[]).await.status, 204);
    }
    assert_eq!(bench.get("mine/a.ts", &[]).await.status, 200);
    assert_eq!(bench.put("mine/stolen", "x", &[]).await.status, 201);
}

#[tokio::test]
async fn a_frontend_that_never_heard_of_the_metadata_refuses_what_is_presented() {
    let limit = Some(Duration::from_secs(3600));
    let config = FrontendConfig { auth_max_staleness: limit, ..FrontendConfig::default() };
    let bench = Bench::with(config, NamespaceSettings::default());
    let answer = bench.get("a.ts", &[]).await;
    assert_eq!((answer.status.as_u16(), &*answer.code()), (503, "metadata_stale"));
    assert_eq!(answer.header("retry-after"), "1");
    let nothing = Request::get("/cache/live/a.ts").body(Body::empty()).unwrap();
    assert_eq!(bench.send(nothing).await.code(), "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn keys_that_granted_are_told_once_a_minute() {
    let bench = Bench::new();
    bench.put("a.ts", "x", &[]).await;
    let put_at = bench.frontend.keys_used();
    assert_eq!(put_at.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [id(&bench.writer)]);
    for key in [&bench.writer, &bench.stranger, &bench.reader] {
        let request = Request::get("/cache/live/a.ts").header("authorization", key);
        bench.send(request.body(Body::empty()).unwrap()).await;
    }
    let used = bench.frontend.keys_used();
    assert_eq!(used.len(), 1, "neither one that was told nor one that did not grant: {used:?}");
    assert_eq!(used[0].0, id(&bench.reader));
    assert_eq!(bench.frontend.keys_used(), []);
    tokio::time::advance(Duration::from_secs(60)).await;
    bench.get("a.ts", &[]).await;
    let again = bench.frontend.keys_used();
    assert_eq!(again[0].0, id(&bench.writer));
    assert!(again[0].1.millis_since(put_at[0].1) >= 60_000);
}
