//! Carries trace context over process boundaries, as `traceparent` and `tracestate` (W3C Trace Context) in HTTP headers
//! and gRPC metadata. Everything here does nothing, cheaply, for a span that is disabled.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context, global,
    propagation::{Extractor, Injector},
    trace::TraceContextExt as _,
};
use tonic::metadata::{AsciiMetadataKey, MetadataMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of request spans, which are made at INFO:
/// `tracing::info_span!(target: REQUEST_TARGET, "GET", ...)`. They are enabled only where traces are sent, or where the
/// log filter names this target.
pub const REQUEST_TARGET: &str = "headwater::request";

/// Makes `span` a child of the span that the caller named in its headers, if it named one. Call it before the span is
/// entered: afterwards its parent is settled.
pub fn set_parent_from_headers(span: &Span, headers: &HeaderMap) {
    set_parent(span, &Headers(headers));
}

/// As [`set_parent_from_headers`], from the metadata of a gRPC request.
pub fn set_parent_from_metadata(span: &Span, metadata: &MetadataMap) {
    set_parent(span, &Metadata(metadata));
}

/// Names `span` as the parent in the headers of a request that is about to leave.
pub fn inject_headers(span: &Span, headers: &mut HeaderMap) {
    inject(span, &mut HeadersMut(headers));
}

/// Names `span` as the parent in the metadata of a gRPC request that is about to leave.
pub fn inject_metadata(span: &Span, metadata: &mut MetadataMap) {
    inject(span, &mut MetadataMut(metadata));
}

fn set_parent(span: &Span, carrier: &dyn Extractor) {
    if span.is_disabled() {
        return;
    }
    let parent = global::get_text_map_propagator(|p| p.extract_with_context(&Context::new(), carrier));
    if parent.span().span_context().is_valid() {
        // It fails only for a span that is logged without being traced: there is no parent to set then.
        let _ = span.set_parent(parent);
    }
}

fn inject(span: &Span, carrier: &mut dyn Injector) {
    if !span.is_disabled() {
        global::get_text_map_propagator(|p| p.inject_context(&span.context(), carrier));
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Metadata<'a>(&'a MetadataMap);

impl Extractor for Metadata<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    /// Of no use to the W3C propagator, which asks for its two keys by name.
    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

struct MetadataMut<'a>(&'a mut MetadataMap);

impl Injector for MetadataMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (AsciiMetadataKey::from_bytes(key.as_bytes()), value.parse()) {
            self.0.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::LogConfig, subscriber};
    use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
    use tracing::{info_span, subscriber::with_default};

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn context_goes_from_http_over_grpc_to_the_next_hop() {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let provider = SdkTracerProvider::builder().build();
        let subscriber = subscriber::build(&LogConfig::default(), std::io::sink, Some(&provider)).unwrap();
        with_default(subscriber, || {
            let mut incoming = HeaderMap::new();
            incoming.insert("traceparent", HeaderValue::from_static(TRACEPARENT));
            let frontend = info_span!(target: REQUEST_TARGET, "GET");
            set_parent_from_headers(&frontend, &incoming);
            let mut metadata = MetadataMap::new();
            inject_metadata(&frontend, &mut metadata);

            let node = info_span!(target: REQUEST_TARGET, "Get");
            set_parent_from_metadata(&node, &metadata);
            let mut outgoing = HeaderMap::new();
            inject_headers(&node, &mut outgoing);

            let last = outgoing["traceparent"].to_str().unwrap();
            assert_eq!(last[..35], TRACEPARENT[..35], "another trace");
            assert_ne!(last[36..52], TRACEPARENT[36..52], "the same span");
            assert_ne!(last, metadata.get("traceparent").unwrap().to_str().unwrap());
        });
    }

    #[test]
    fn nothing_is_sent_for_a_disabled_span() {
        let mut headers = HeaderMap::new();
        inject_headers(&Span::none(), &mut headers);
        assert!(headers.is_empty());
    }
}
