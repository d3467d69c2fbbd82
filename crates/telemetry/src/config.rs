//! What an operator chooses about logs and traces.

use headwater_types::{NodeId, ZoneName};
use serde::{Deserialize, Serialize};

/// Logs and traces of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How log lines look. They go to standard error.
    pub format: LogFormat,
    /// Which lines are logged, as `level` or `target=level` directives with commas between
    /// (see `tracing_subscriber::EnvFilter`). Request spans are logged only if `headwater::request` is named.
    pub filter: String,
    /// Where traces go by OTLP over gRPC, as `http://host:port`. None: no traces are made.
    pub otlp_endpoint: Option<String>,
    /// The share of requests that are traced, from 0 to 1, unless the caller's `traceparent` has decided already.
    pub trace_ratio: f64,
    /// Whose logs and traces these are.
    #[serde(skip)]
    pub service: Service,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            filter: "info,openraft=error".into(),
            otlp_endpoint: None,
            trace_ratio: 0.01,
            service: Service::default(),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Human,
    /// One JSON document a line.
    Json,
}

/// The process that logs, as the resource of its traces names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `service.name`.
    pub name: String,
    /// What the process does: `frontend`, `node`, `meta` or `dev`.
    pub role: String,
    /// Its node, if it is one.
    pub node: Option<NodeId>,
    /// Where it stands.
    pub zone: Option<ZoneName>,
}

impl Default for Service {
    fn default() -> Self {
        Self { name: "headwater".into(), role: "dev".into(), node: None, zone: None }
    }
}
