//! The metrics of a process, in OpenMetrics text.
//!
//! # Convention
//! - A crate defines its metrics as a struct of `prometheus-client` metrics and registers them in one place with
//!   [`MetricsRegistry::register`], each with a sentence of help. The prefix `headwater_` is added here.
//! - Names are `snake_case`, the subject first (`store_hot_bytes`), in base units (seconds, bytes) with the unit last.
//!   Counters are registered without `_total`: the encoding adds it.
//! - Labels come from small closed sets: class, verb, status, tier, zone, peer, reason. The namespace may be a label,
//!   for their number is the operator's choice. An object's key, an API key, a client address, a request id never are.
//! - Latencies are histograms over [`LATENCY_BUCKETS`].
//! - Every bound that can bite (a full queue, a budget, a refusal) has a counter.

use parking_lot::RwLock;
use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::info::Info,
    registry::Registry,
};

use crate::{VERSION, process::ProcessCollector};

/// Upper bounds of latency histograms, in seconds: 0.5 ms to 30 s.
pub const LATENCY_BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The `Content-Type` of what [`MetricsRegistry::encode`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where every crate of a process registers its metrics.
#[derive(Debug)]
pub struct MetricsRegistry {
    own: RwLock<Registry>,
    /// The process's metrics have the names that every exporter gives them, hence no prefix.
    process: Registry,
}

impl MetricsRegistry {
    /// A registry with `headwater_build_info` and the usual `process_*` metrics.
    pub fn new() -> Self {
        let mut own = Registry::with_prefix("headwater");
        own.register("build", "The build that runs", Info::new([("version", VERSION)]));
        let mut process = Registry::default();
        process.register_collector(Box::new(ProcessCollector));
        Self { own: RwLock::new(own), process }
    }

    /// Lets a crate register its metrics. The registry adds the prefix `headwater_`.
    pub fn register<R>(&self, with: impl FnOnce(&mut Registry) -> R) -> R {
        with(&mut self.own.write())
    }

    /// All metrics as OpenMetrics text ([`CONTENT_TYPE`]).
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        let encoded = encode_registry(&mut text, &self.own.read())
            .and_then(|()| encode_registry(&mut text, &self.process))
            .and_then(|()| encode_eof(&mut text));
        if encoded.is_err() {
            // Without its end marker the text is invalid, so that the scrape fails instead of showing half of it.
            tracing::error!("a metric could not be encoded");
        }
        text
    }
}

impl Default for MetricsRegistry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

    #[test]
    fn encodes_its_own_metrics_and_those_of_the_process() {
        let metrics = MetricsRegistry::new();
        let refusals = Counter::<u64>::default();
        let latency = Histogram::new(LATENCY_BUCKETS);
        metrics.register(|registry| {
            registry.register("guard_refusals", "Playlists that were refused", refusals.clone());
            registry.register("ttfb_seconds", "Time to first byte", latency.clone());
        });
        refusals.inc();
        latency.observe(0.0004);
        let text = metrics.encode();
        for line in [
            "headwater_guard_refusals_total 1",
            "headwater_ttfb_seconds_bucket{le=\"0.0005\"} 1",
            "# TYPE process_open_fds gauge",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        assert!(text.contains(&format!("headwater_build_info{{version=\"{VERSION}\"}} 1")), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
