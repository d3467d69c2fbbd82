//! `/healthz` and `/readyz`: the same on every listener that answers them.

use crate::Readiness;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Whether the process lives. Whether it should get work is for [`Probe::Ready`].
    Health,
    /// Whether the process is ready for work.
    Ready,
}

/// The answer to a probe, which no cache may keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status: 200 or 503.
    pub status: u16,
    /// The media type of `body`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Probe {
    /// The probe at a path, if there is one.
    pub fn at(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Ready),
            _ => None,
        }
    }
}

/// Answers a probe of a process with these conditions.
pub fn reply(probe: Probe, readiness: &Readiness) -> Reply {
    match probe {
        Probe::Health => {
            Reply { status: 200, content_type: "text/plain; charset=utf-8", body: b"ok".to_vec() }
        }
        Probe::Ready => {
            let report = readiness.report();
            let status = if report.ready { 200 } else { 503 };
            let body = serde_json::to_vec(&report).unwrap_or_default();
            Reply { status, content_type: "application/json", body }
        }
    }
}
