//! One span tree a request, over every hop, exported by OTLP.

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
};
use headwater_testkit::Dev;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A successful answer of the collector: one gRPC message without content.
const EMPTY_MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_is_one_trace_from_the_frontend_to_the_other_zone() {
    let exported = Arc::new(Mutex::new(Vec::<u8>::new()));
    let sink = exported.clone();
    let collector = Router::new().fallback(move |request: Request| {
        let sink = sink.clone();
        async move {
            let body = to_bytes(request.into_body(), 16 << 20).await.unwrap();
            sink.lock().unwrap().extend_from_slice(&body);
            ([("content-type", "application/grpc"), ("grpc-status", "0")], Bytes::from_static(EMPTY_MESSAGE))
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, collector).await });

    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &["--otlp-endpoint", &endpoint]).await.unwrap();
    let trace_id: Vec<u8> = (1..=16).collect();
    let hex: String = trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let put = reqwest::Client::new()
        .put(dev.info.url("a/s_1.ts"))
        .bearer_auth(&dev.info.encoder_api_key)
        .header("traceparent", format!("00-{hex}-00000000000000ff-01"))
        .body("body");
    assert_eq!(put.send().await.unwrap().status(), 201);
    // The last spans leave when the process ends.
    dev.stop(&[]).await.unwrap();

    let exported = exported.lock().unwrap().clone();
    let count = |needle: &[u8]| exported.windows(needle.len()).filter(|window| *window == needle).count();
    for span in ["request", "node.put", "node.replicate"] {
        assert!(count(span.as_bytes()) >= 1, "no span {span:?} was exported");
    }
    assert!(count(&trace_id) >= 3, "the spans are not all of the caller's trace: {}", count(&trace_id));
}
