//! What roles say of themselves.

use headwater_proto::v1;
use headwater_types::{Incarnation, KeyId, Member, NamespaceId, NodeId, UnixMillis};
use std::time::Duration;

use super::super::voters::millis;
use crate::store::{Guidance, HotShare, NodeReport, Presence, Report, Reporter, SpaceReport, Usage};

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
        seq: report.seq,
        spaces: report.spaces.into_iter().map(space_to_wire).collect(),
    }
}

fn space_to_wire(space: SpaceReport) -> v1::SpaceReport {
    let SpaceReport { namespace, bytes, objects, share_bytes, ingest_bytes } = space;
    v1::SpaceReport { namespace_id: namespace.0, bytes, objects, share_bytes, ingest_bytes }
}

fn space_from_wire(space: v1::SpaceReport) -> SpaceReport {
    let v1::SpaceReport { namespace_id, bytes, objects, share_bytes, ingest_bytes } = space;
    SpaceReport { namespace: NamespaceId(namespace_id), bytes, objects, share_bytes, ingest_bytes }
}

pub(in crate::grpc) fn guidance_to_wire(guidance: Guidance) -> v1::Guidance {
    let share = |share: HotShare| v1::HotShare {
        namespace_id: share.namespace.0,
        capacity_bytes: share.capacity_bytes,
        share_bytes: share.share_bytes,
    };
    v1::Guidance {
        term: guidance.term,
        shares: guidance.shares.into_iter().map(share).collect(),
        over_quota: guidance.over_quota.into_iter().map(|id| id.0).collect(),
    }
}

pub(in crate::grpc) fn guidance_from_wire(guidance: v1::Guidance) -> Guidance {
    let share = |share: v1::HotShare| HotShare {
        namespace: NamespaceId(share.namespace_id),
        capacity_bytes: share.capacity_bytes,
        share_bytes: share.share_bytes,
    };
    Guidance {
        term: guidance.term,
        shares: guidance.shares.into_iter().map(share).collect(),
        over_quota: guidance.over_quota.into_iter().map(NamespaceId).collect(),
    }
}

pub(in crate::grpc) fn report_from_wire(request: v1::ReportRequest) -> Report {
    Report {
        reporter: request.reporter,
        version: request.version,
        node: request.node.map(node_from_wire),
        keys_used: request.keys_used.into_iter().map(key_from_wire).collect(),
        seq: request.seq,
        spaces: request.spaces.into_iter().map(space_from_wire).collect(),
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
        usage: presence.usage.into_iter().map(usage_to_wire).collect(),
    }
}

fn usage_to_wire((namespace, usage): (NamespaceId, Usage)) -> v1::NamespaceUsage {
    v1::NamespaceUsage { namespace_id: namespace.0, bytes: usage.bytes, objects: usage.objects }
}

fn usage_from_wire(usage: v1::NamespaceUsage) -> (NamespaceId, Usage) {
    (NamespaceId(usage.namespace_id), Usage { bytes: usage.bytes, objects: usage.objects })
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
        usage: reply.usage.into_iter().map(usage_from_wire).collect(),
    }
}
