//! What roles say of themselves.

use headwater_proto::v1;
use headwater_types::{Incarnation, KeyId, Member, NodeId, UnixMillis};
use std::time::Duration;

use super::super::voters::millis;
use crate::store::{NodeReport, Presence, Report, Reporter};

fn node_to_wire(node: NodeReport) -> v1::NodeReport {
    v1::NodeReport {
        node_id: node.member.node.0,
        incarnation: node.member.incarnation.0,
        hot_bytes: node.hot_bytes,
        hot_capacity_bytes: node.hot_capacity_bytes,
    }
}

fn node_from_wire(node: v1::NodeReport) -> NodeReport {
    NodeReport {
        member: Member { node: NodeId(node.node_id), incarnation: Incarnation(node.incarnation) },
        hot_bytes: node.hot_bytes,
        hot_capacity_bytes: node.hot_capacity_bytes,
    }
}

fn key_to_wire((key, at): (KeyId, UnixMillis)) -> v1::KeyUsed {
    v1::KeyUsed { key_id: key.0.as_ref().to_owned(), at_ms: at.0 }
}

fn key_from_wire(used: v1::KeyUsed) -> (KeyId, UnixMillis) {
    (KeyId(used.key_id.into()), UnixMillis(used.at_ms))
}

pub(in crate::grpc) fn report_to_wire(report: Report) -> v1::ReportRequest {
    v1::ReportRequest {
        reporter: report.reporter,
        version: report.version,
        node: report.node.map(node_to_wire),
        keys_used: report.keys_used.into_iter().map(key_to_wire).collect(),
    }
}

pub(in crate::grpc) fn report_from_wire(request: v1::ReportRequest) -> Report {
    Report {
        reporter: request.reporter,
        version: request.version,
        node: request.node.map(node_from_wire),
        keys_used: request.keys_used.into_iter().map(key_from_wire).collect(),
    }
}

pub(in crate::grpc) fn presence_to_wire(presence: Presence) -> v1::PresenceReply {
    let reporter = |reporter: Reporter| v1::Reporter {
        name: reporter.name,
        version: reporter.version,
        node: reporter.node.map(node_to_wire),
        ago_ms: millis(reporter.ago),
    };
    v1::PresenceReply {
        reporters: presence.reporters.into_iter().map(reporter).collect(),
        keys_used: presence.keys_used.into_iter().map(key_to_wire).collect(),
    }
}

pub(in crate::grpc) fn presence_from_wire(reply: v1::PresenceReply) -> Presence {
    let reporter = |reporter: v1::Reporter| Reporter {
        name: reporter.name,
        version: reporter.version,
        node: reporter.node.map(node_from_wire),
        ago: Duration::from_millis(reporter.ago_ms),
    };
    Presence {
        reporters: reply.reporters.into_iter().map(reporter).collect(),
        keys_used: reply.keys_used.into_iter().map(key_from_wire).collect(),
    }
}
