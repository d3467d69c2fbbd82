//! Nodes that refuse, hang and die: what of it a client sees.

use crate::support::{Bench, Fault};
use axum::body::Body;
use headwater_frontend::FrontendConfig;
use headwater_meta::NamespaceSettings;
use http::Method;
use http_body_util::BodyExt;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

fn one_second_to_write() -> Bench {
    let settings = NamespaceSettings { write_deadline_ms: 1_000, ..NamespaceSettings::default() };
    Bench::with(FrontendConfig::default(), settings)
}

#[tokio::test(start_paused = true)]
async fn a_write_is_absorbed_with_one_request_id() {
    for faults in [
        vec![Fault::WrongEpoch(2, 1)],
        vec![Fault::NotServing, Fault::AskTail, Fault::Unavailable],
        vec![Fault::LostAfterBody],
        vec![Fault::UnknownButDone],
    ] {
        let bench = one_second_to_write();
        bench.near.fault(faults.clone());
        let answer = bench.put("a.ts", "hello", &[]).await;
        assert_eq!(answer.status, 201, "{faults:?}");
        assert_eq!(bench.get("a.ts", &[]).await.body, "hello");
        let puts = bench.near.puts.lock();
        assert_eq!(puts.len(), faults.len() + 1);
        assert!(puts.iter().all(|put| put.request_id == puts[0].request_id));
        assert_eq!(answer.header("x-request-id"), puts[0].request_id.to_string());
        assert_eq!(bench.metric("writes_absorbed_total"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_follows_the_head_through_a_failover() {
    let bench = Arc::new(one_second_to_write());
    bench.near.fault([Fault::Hang]);
    let putting = tokio::spawn({
        let bench = bench.clone();
        async move { bench.put("a.ts", "hello", &[]).await }
    });
    while bench.near.calls() == 0 {
        tokio::task::yield_now().await;
    }
    bench.fail_over(2, 2);
    assert_eq!(putting.await.unwrap().status, 201);
    assert_eq!(bench.far.puts.lock()[0].epoch.0, 2);
    assert_eq!(bench.near.puts.lock()[0].request_id, bench.far.puts.lock()[0].request_id);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_runs_out_of_time_says_what_is_known() {
    let bench = one_second_to_write();
    bench.near.fault([Fault::Hang]);
    let started = Instant::now();
    let unknown = bench.put("a.ts", "hello", &[]).await;
    assert_eq!((unknown.code().as_str(), unknown.header("retry-after")), ("outcome_unknown", "1"));
    assert_eq!(started.elapsed(), Duration::from_secs(1));

    bench.near.fault(vec![Fault::Unavailable; 1_000]);
    let started = Instant::now();
    assert_eq!(bench.put("a.ts", "hello", &[]).await.code(), "unavailable");
    assert!(started.elapsed() < Duration::from_millis(1_300), "{:?}", started.elapsed());
    assert!(bench.near.puts.lock().len() < 70, "pauses keep the attempts few");

    let bench = one_second_to_write();
    bench.near.fault([Fault::Overloaded]);
    assert_eq!(bench.put("a.ts", "hello", &[]).await.code(), "overloaded");
}

#[tokio::test(start_paused = true)]
async fn what_arrived_whole_is_stored_though_the_client_is_gone() {
    let bench = one_second_to_write();
    bench.near.fault([Fault::Unavailable]);
    let request = bench.put_request("a.ts", "hello", &[]);
    let mut putting = Box::pin(bench.raw(request));
    while bench.near.calls() == 0 {
        assert!(futures_util::poll!(&mut putting).is_pending());
        tokio::task::yield_now().await;
    }
    drop(putting);
    while bench.near.stored() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(bench.get("a.ts", &[]).await.body, "hello");
}

#[tokio::test(start_paused = true)]
async fn reads_go_to_the_other_member_on_any_non_answer() {
    for fault in
        [Fault::NotServing, Fault::AskTail, Fault::Unavailable, Fault::WrongEpoch(2, 1), Fault::Overloaded]
    {
        let bench = Bench::new();
        bench.put("a.ts", "hello", &[]).await;
        bench.near.fault([fault]);
        let started = Instant::now();
        assert_eq!(bench.get("a.ts", &[]).await.body, "hello", "{fault:?}");
        assert_eq!(bench.far.calls(), 1);
        assert_eq!(started.elapsed(), Duration::ZERO, "without waiting");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_is_hedged_within_a_budget() {
    let bench = Bench::new();
    bench.put("a.ts", "hello", &[]).await;
    bench.near.fault(vec![Fault::Hang; 60]);
    let mut fast = 0;
    for _ in 0..60 {
        let started = Instant::now();
        assert_eq!(bench.get("a.ts", &[]).await.body, "hello");
        match started.elapsed().as_millis() {
            80 => fast += 1,
            took => assert!((1_000..1_100).contains(&took), "{took} ms"),
        }
    }
    assert!((50..=53).contains(&fast), "{fast} were hedged early: what was saved up, and one in 20 reads");
    assert_eq!(bench.metric("read_hedges_total"), 60);
}

#[tokio::test(start_paused = true)]
async fn absence_is_believed_and_silence_is_not_absence() {
    let bench = Bench::new();
    assert_eq!(bench.get("a.ts", &[]).await.code(), "not_found");
    assert_eq!(bench.far.calls(), 0);
    bench.near.fault(vec![Fault::NotServing; 1_000]);
    bench.far.fault(vec![Fault::NotServing; 1_000]);
    let started = Instant::now();
    assert_eq!(bench.get("a.ts", &[]).await.code(), "unavailable");
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(6) && took < Duration::from_millis(6_300), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stale_map_is_refreshed() {
    let bench = Arc::new(Bench::new());
    bench.put("a.ts", "hello", &[]).await;
    bench.near.fault([Fault::WrongEpoch(2, 2)]);
    bench.far.fault([Fault::WrongEpoch(2, 2)]);
    let getting = tokio::spawn({
        let bench = bench.clone();
        async move { bench.get("a.ts", &[]).await }
    });
    while bench.far.calls() == 0 {
        tokio::task::yield_now().await;
    }
    bench.fail_over(2, 2);
    assert_eq!(getting.await.unwrap().body, "hello");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_the_whole() {
    let bench = Bench::new();
    bench.put("a.ts", "hello", &[]).await;
    bench.near.fault([Fault::DieAfter(2)]);
    let answer = bench.raw(bench.request(Method::GET, "a.ts").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err());
    bench.put("a.m3u8", "#EXTM3U\n", &[]).await;
    bench.near.fault([Fault::DieAfter(2)]);
    assert_eq!(
        bench.get("a.m3u8", &[]).await.body,
        "#EXTM3U\n",
        "a playlist is read again before it is answered"
    );
}
