//! Logs, traces, metrics, readiness and the access log of every role.

pub mod access_log;
pub mod config;
pub mod init;
pub mod metrics;
mod otlp;
pub mod probe;
mod process;
pub mod readiness;
pub mod redact;
mod subscriber;
pub mod trace_context;

pub use access_log::AccessLog;
pub use config::{LogConfig, LogFormat, Service};
pub use init::{TelemetryError, TelemetryGuard, init};
pub use metrics::{LATENCY_BUCKETS, MetricsRegistry};
pub use readiness::{Condition, ConditionState, Readiness, ReadinessReport};
pub use redact::{redact_query, redact_text};
pub use trace_context::REQUEST_TARGET;

/// The version of this build, as `/version`, the build metric and exported traces show it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
