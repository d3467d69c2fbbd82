//! The process's `tracing` subscriber: a log layer, and a trace layer if traces are sent. Each has a filter of its own,
//! so that request spans, which the log does not want, are disabled where they are made unless something traces them.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::{self, IsTerminal as _};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
};

use crate::{
    REQUEST_TARGET,
    config::{LogConfig, LogFormat},
    init::TelemetryError,
};

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The subscriber, with log lines going to `writer`.
pub fn build<W>(
    config: &LogConfig,
    writer: W,
    provider: Option<&SdkTracerProvider>,
) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let mut layers = vec![log_layer(config, writer)?];
    if let Some(provider) = provider {
        let filter =
            Targets::new().with_default(LevelFilter::WARN).with_target(REQUEST_TARGET, LevelFilter::INFO);
        let tracer = provider.tracer("headwater");
        layers.push(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(filter).boxed());
    }
    Ok(tracing_subscriber::registry().with(layers))
}

fn log_layer<W>(config: &LogConfig, writer: W) -> Result<BoxedLayer, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = log_filter(&config.filter)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(match config.format {
        LogFormat::Human => layer.with_ansi(io::stderr().is_terminal()).with_filter(filter).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    })
}

/// The operator's filter, without request spans unless it names them.
fn log_filter(given: &str) -> Result<EnvFilter, TelemetryError> {
    let named = given.contains(REQUEST_TARGET);
    let filter = EnvFilter::builder().parse(given).and_then(|filter| {
        let off = format!("{REQUEST_TARGET}=off").parse()?;
        Ok(if named { filter } else { filter.add_directive(off) })
    });
    filter.map_err(|error| TelemetryError::Filter { given: given.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_sdk::{
        error::OTelSdkResult,
        trace::{SpanData, SpanExporter},
    };
    use parking_lot::Mutex;
    use std::{io::Write, sync::Arc};
    use tracing::{info_span, subscriber::with_default};

    #[derive(Debug, Clone, Default)]
    struct Spans(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Spans {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().extend(batch);
            Ok(())
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn config(filter: &str) -> LogConfig {
        LogConfig { filter: filter.into(), format: LogFormat::Json, ..LogConfig::default() }
    }

    fn request_span_is_on(filter: &str) -> bool {
        let subscriber = build(&config(filter), io::sink, None).unwrap();
        with_default(subscriber, || !info_span!(target: REQUEST_TARGET, "request").is_disabled())
    }

    #[test]
    fn request_spans_are_disabled_unless_named() {
        for plain in ["info", "debug", "trace", "headwater=trace", ""] {
            assert!(!request_span_is_on(plain), "{plain:?} turned request spans on");
        }
        assert!(request_span_is_on("warn,headwater::request=info"));
    }

    #[test]
    fn traces_get_request_spans_and_the_log_does_not() {
        let spans = Spans::default();
        let lines = Lines::default();
        let writer = lines.clone();
        let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let subscriber = build(&config("info"), move || writer.clone(), Some(&provider)).unwrap();
        with_default(subscriber, || {
            info_span!(target: REQUEST_TARGET, "request", key = "a/b.ts").in_scope(|| {
                tracing::info!(answer = 42, "in a request");
                info_span!("of no interest to traces").in_scope(|| ());
            });
        });
        let names: Vec<_> = spans.0.lock().iter().map(|span| span.name.to_string()).collect();
        assert_eq!(names, ["request"]);
        let logged = lines.0.lock().clone();
        let line: serde_json::Value = serde_json::from_slice(&logged).unwrap();
        assert_eq!((&line["message"], &line["answer"]), (&"in a request".into(), &42.into()));
        assert!(!String::from_utf8(logged).unwrap().contains("a/b.ts"), "the log shows the request span");
    }
}
