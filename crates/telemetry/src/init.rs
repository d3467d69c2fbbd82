//! Turns the telemetry of a process on, and off again with a bound.

use opentelemetry::global;
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use std::{io, time::Duration};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::{config::LogConfig, otlp, subscriber};

/// How long dropping a [`TelemetryGuard`] waits for the last spans to leave.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Why telemetry could not be turned on.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter does not parse.
    #[error("log filter {given:?} is not allowed: {reason}")]
    Filter {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The OTLP endpoint cannot be used.
    #[error("OTLP endpoint {given:?} is not allowed: {reason}")]
    Endpoint {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The share of traced requests is not a share.
    #[error("trace ratio {0} is not allowed: 0 to 1")]
    Ratio(f64),
    /// The process has a subscriber already.
    #[error("logs are set up already in this process")]
    AlreadySet,
}

/// Keeps telemetry on. Dropping it sends what is buffered, for at most [`FLUSH_TIMEOUT`]; the drop blocks its thread
/// meanwhile, so it belongs at the end of `main`, with the runtime still running.
#[derive(Debug)]
#[must_use = "telemetry is flushed and ends when the guard is dropped"]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
}

impl TelemetryGuard {
    /// Turns it off, and waits for at most `limit` for the last spans to leave.
    pub fn end_within(mut self, limit: Duration) {
        self.end(limit);
    }

    fn end(&mut self, limit: Duration) {
        let Some(provider) = self.provider.take() else { return };
        if let Err(error) = provider.shutdown_with_timeout(limit) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        self.end(FLUSH_TIMEOUT);
    }
}

/// Sets the process's subscriber and the W3C trace context propagator. With an OTLP endpoint it must be called within a
/// tokio runtime, which carries the export.
///
/// # Errors
/// A setting that cannot be used, or a second call in one process. Whether the collector can be reached is not checked:
/// that it cannot is logged when it is noticed, and costs nothing but the traces.
pub fn init(config: &LogConfig) -> Result<TelemetryGuard, TelemetryError> {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = otlp::provider(config)?;
    subscriber::build(config, io::stderr, provider.as_ref())?
        .try_init()
        .map_err(|_| TelemetryError::AlreadySet)?;
    Ok(TelemetryGuard { provider })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_refused_with_what_was_given() {
        let with = |change: fn(&mut LogConfig)| {
            let mut config = LogConfig::default();
            change(&mut config);
            init(&config).unwrap_err().to_string()
        };
        let filter = with(|c| c.filter = "headwater=loud".into());
        assert!(filter.contains("headwater=loud"), "{filter}");
        let tls = with(|c| c.otlp_endpoint = Some("https://collector:4317".into()));
        assert!(tls.contains("https://collector:4317") && tls.contains("http://"), "{tls}");
        assert!(with(|c| c.otlp_endpoint = Some("collector:4317".into())).contains("http://"));
        for ratio in [-0.01, 1.01, f64::NAN] {
            let config = LogConfig { trace_ratio: ratio, ..LogConfig::default() };
            assert!(matches!(init(&config), Err(TelemetryError::Ratio(_))), "{ratio}");
        }
    }
}
