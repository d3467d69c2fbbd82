//! What is counted about connections.

use super::{info::Protocol, linger::LingerEnd};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// A deadline that closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// Nothing came after the connect.
    FirstByte,
    /// A header block did not end in time.
    Header,
    /// No further request came.
    Idle,
    /// The peer took none of the answer.
    Write,
}

impl Deadline {
    /// As a label and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstByte => "first_byte",
            Self::Header => "header",
            Self::Idle => "idle",
            Self::Write => "write",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabel {
    protocol: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeadlineLabel {
    deadline: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LingerEndLabel {
    end: &'static str,
}

/// The counters of a listener. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct NetMetrics {
    pub(super) open: Gauge,
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    pub(super) accept_errors: Counter,
    pub(super) lingering: Gauge,
    pub(super) lingered: Counter,
    pub(super) stalled: Counter,
    by_protocol: Family<ProtocolLabel, Counter>,
    deadlines: Family<DeadlineLabel, Counter>,
    linger_ends: Family<LingerEndLabel, Counter>,
}

impl NetMetrics {
    /// Names them in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_connections_open",
            "Connections open, lingering ones included",
            self.open.clone(),
        );
        registry.register("http_connections_accepted", "Connections accepted", self.accepted.clone());
        registry.register(
            "http_connections_refused",
            "Connections closed at once because connections_max was reached",
            self.refused.clone(),
        );
        registry.register(
            "http_accept_errors",
            "Failed accepts, mostly for want of file descriptors",
            self.accept_errors.clone(),
        );
        registry.register(
            "http_connections_lingering",
            "Connections closed by us whose further input is being read and discarded",
            self.lingering.clone(),
        );
        registry.register(
            "http_linger_ends",
            "Lingering closes by what ended them: closed by the client, silence, time, bytes, displaced by a later one",
            self.linger_ends.clone(),
        );
        registry.register(
            "http_connections_lingered",
            "Connections closed by us whose further input was read and discarded",
            self.lingered.clone(),
        );
        registry.register(
            "http_streams_stalled",
            "HTTP/2 streams ended because their reader took none of the answer",
            self.stalled.clone(),
        );
        registry.register(
            "http_connections",
            "Connections that sent something, by protocol",
            self.by_protocol.clone(),
        );
        registry.register(
            "http_connection_deadlines",
            "Connections closed by a deadline",
            self.deadlines.clone(),
        );
    }

    /// Connections open now.
    pub fn open(&self) -> i64 {
        self.open.get()
    }

    /// Connections that linger now.
    pub fn lingering(&self) -> i64 {
        self.lingering.get()
    }

    /// Lingering closes so far that `end` ended.
    pub fn linger_ended(&self, end: LingerEnd) -> u64 {
        self.linger_ends.get_or_create(&LingerEndLabel { end: end.as_str() }).get()
    }

    /// Connections refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Connections so far whose input was discarded after the close.
    pub fn lingered(&self) -> u64 {
        self.lingered.get()
    }

    /// Streams ended so far because their reader took nothing.
    pub fn stalled(&self) -> u64 {
        self.stalled.get()
    }

    /// Connections so far that spoke `protocol`.
    pub fn spoke(&self, protocol: Protocol) -> u64 {
        self.by_protocol.get_or_create(&ProtocolLabel { protocol: protocol.as_str() }).get()
    }

    /// Connections so far that `deadline` closed.
    pub fn expired(&self, deadline: Deadline) -> u64 {
        self.deadlines.get_or_create(&DeadlineLabel { deadline: deadline.as_str() }).get()
    }

    pub(super) fn count_protocol(&self, protocol: Protocol) {
        self.by_protocol.get_or_create(&ProtocolLabel { protocol: protocol.as_str() }).inc();
    }

    pub(super) fn count_linger_end(&self, end: LingerEnd) {
        self.linger_ends.get_or_create(&LingerEndLabel { end: end.as_str() }).inc();
    }

    pub(super) fn count_deadline(&self, deadline: Deadline) {
        self.deadlines.get_or_create(&DeadlineLabel { deadline: deadline.as_str() }).inc();
    }
}

/// A connection in a gauge, for as long as this is kept.
#[derive(Debug)]
pub(super) struct Counted(Gauge);

impl Counted {
    pub(super) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
