//! A call over gRPC continues its caller's trace.

use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

use crate::harness::{Harness, begin, commit, delete, get, head, list, put, replicated, text};

pub fn current_trace_id() -> String {
    Span::current().context().span().span_context().trace_id().to_string()
}

#[tokio::test]
async fn traces_cross_the_wire() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let subscriber = tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
    let _guard = tracing::subscriber::set_default(subscriber);

    let h = Harness::grpc().await;
    let span = info_span!("caller");
    let trace_id = span.in_scope(current_trace_id);
    let calls = async {
        h.storage.put(put("a"), text("a")).await.unwrap();
        h.storage.get(get("a")).await.unwrap();
        h.storage.head(head("a")).await.unwrap();
        h.storage.delete(delete("a")).await.unwrap();
        h.storage.list(list("")).await.unwrap();
        let pieces = replicated(vec![headwater_proto::Replicate::Commit(commit(b""))]);
        h.replication.replicate(begin("a"), pieces).await.unwrap();
    };
    calls.instrument(span).await;
    assert_eq!(h.fake.state().traces, vec![trace_id; 6]);
}
