//! Traces reach a collector by gRPC when the guard is dropped, within its bound even if the collector is gone.

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
};
use headwater_telemetry::{LogConfig, REQUEST_TARGET, Service, init};
use tokio::{net::TcpListener, sync::mpsc};

/// A successful answer: one gRPC message without content.
const EMPTY_MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_exported_by_the_end_of_the_guard() {
    let (sender, mut received) = mpsc::unbounded_channel();
    let collector = Router::new().fallback(move |request: Request| {
        let sender = sender.clone();
        async move {
            let path = request.uri().path().to_owned();
            let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
            sender.send((path, body)).unwrap();
            ([("content-type", "application/grpc"), ("grpc-status", "0")], Bytes::from_static(EMPTY_MESSAGE))
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, collector).await });

    let config = LogConfig {
        otlp_endpoint: Some(endpoint),
        trace_ratio: 1.0,
        service: Service { name: "headwater-test".into(), ..Service::default() },
        ..LogConfig::default()
    };
    let guard = init(&config).unwrap();
    tracing::info_span!(target: REQUEST_TARGET, "a request").in_scope(|| ());
    tokio::task::spawn_blocking(move || drop(guard)).await.unwrap();

    let (path, body) = received.try_recv().unwrap();
    assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("a request") && body.contains("headwater-test"), "{body}");
}
