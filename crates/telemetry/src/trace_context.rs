//! The caller's trace, as `traceparent` and `tracestate` (W3C Trace Context) in HTTP headers. Between roles, gRPC carries
//! it (`headwater_proto::trace`).

use http::{HeaderMap, HeaderName};
use opentelemetry::{Context, global, propagation::Extractor, trace::TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of request spans, which are made at INFO:
/// `tracing::info_span!(target: REQUEST_TARGET, "GET", ...)`. They are enabled only where traces are sent, or where the
/// log filter names this target.
pub const REQUEST_TARGET: &str = "headwater::request";

/// Makes `span` a child of the span that the caller named in its headers, if it named one; nothing for a span that is
/// disabled. Call it before the span is entered: afterwards its parent is settled.
pub fn set_parent_from_headers(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() {
        return;
    }
    let parent =
        global::get_text_map_propagator(|p| p.extract_with_context(&Context::new(), &Headers(headers)));
    if parent.span().span_context().is_valid() {
        // It fails only for a span that is logged without being traced: there is no parent to set then.
        let _ = span.set_parent(parent);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::LogConfig, subscriber};
    use http::HeaderValue;
    use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
    use tracing::{info_span, subscriber::with_default};

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_span_belongs_to_the_trace_that_its_caller_named() {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let provider = SdkTracerProvider::builder().build();
        let subscriber = subscriber::build(&LogConfig::default(), std::io::sink, Some(&provider)).unwrap();
        let trace_of = |span: &Span| span.context().span().span_context().trace_id().to_string();
        with_default(subscriber, || {
            let mut incoming = HeaderMap::new();
            incoming.insert("traceparent", HeaderValue::from_static(TRACEPARENT));
            let named = info_span!(target: REQUEST_TARGET, "GET");
            set_parent_from_headers(&named, &incoming);
            assert_eq!(trace_of(&named), TRACEPARENT[3..35]);

            let unnamed = info_span!(target: REQUEST_TARGET, "GET");
            set_parent_from_headers(&unnamed, &HeaderMap::new());
            assert_ne!(trace_of(&unnamed), TRACEPARENT[3..35]);
        });
    }
}
