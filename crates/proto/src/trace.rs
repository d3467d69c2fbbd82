//! Traces over gRPC: the W3C Trace Context (`traceparent`, `tracestate`) in the metadata of a call.
//!
//! Both directions use the globally installed propagator and cost next to nothing where tracing is off.

use opentelemetry::{
    global::get_text_map_propagator,
    propagation::{Extractor, Injector},
    trace::TraceContextExt,
};
use tonic::metadata::{KeyRef, MetadataKey, MetadataMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of request spans: off unless traces are sent or the log filter names it (see `headwater-telemetry`).
pub(crate) const REQUEST_TARGET: &str = "headwater::request";

/// Puts the current span's context into the metadata of a call.
pub fn inject(metadata: &mut MetadataMap) {
    let span = Span::current();
    if !span.is_disabled() {
        let context = span.context();
        get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut Carrier(metadata)));
    }
}

/// Makes a new span of the server a child of the caller's, whose context is in the metadata.
pub fn continued(span: Span, metadata: &MetadataMap) -> Span {
    if !span.is_disabled() {
        let context = get_text_map_propagator(|propagator| propagator.extract(&Caller(metadata)));
        if context.span().span_context().is_valid() {
            // Fails where spans are only logged and not exported: then there is no parent to set.
            let _ = span.set_parent(context);
        }
    }
    span
}

struct Carrier<'a>(&'a mut MetadataMap);

impl Injector for Carrier<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (MetadataKey::from_bytes(key.as_bytes()), value.parse()) {
            self.0.insert(key, value);
        }
    }
}

struct Caller<'a>(&'a MetadataMap);

impl Extractor for Caller<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        let ascii = |key| match key {
            KeyRef::Ascii(key) => Some(key.as_str()),
            KeyRef::Binary(_) => None,
        };
        self.0.keys().filter_map(ascii).collect()
    }
}
