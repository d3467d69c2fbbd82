//! Who takes part.

use headwater_proto::v1::{self, change_membership_request::Change};
use std::time::Duration;

use super::super::voters::millis;
use crate::store::{MemberChange, Membership, MetaError, MetaMember};

pub(in crate::grpc) fn membership_to_wire(membership: Membership) -> v1::StatusReply {
    v1::StatusReply {
        node_id: membership.id,
        leader_id: membership.leader.unwrap_or(0),
        term: membership.term,
        applied: membership.applied,
        voters: membership.voters().collect(),
        cluster: membership.cluster,
        quorum_ago_ms: membership.quorum_ago.map(millis),
        members: membership.members.into_iter().map(member_to_wire).collect(),
    }
}

fn member_to_wire(member: MetaMember) -> v1::MetaMember {
    let MetaMember { id, address, voter, matched } = member;
    v1::MetaMember { id, address, voter, matched }
}

pub(in crate::grpc) fn membership_from_wire(reply: v1::StatusReply) -> Membership {
    let member = |member: v1::MetaMember| MetaMember {
        id: member.id,
        address: member.address,
        voter: member.voter,
        matched: member.matched,
    };
    Membership {
        id: reply.node_id,
        leader: (reply.leader_id != 0).then_some(reply.leader_id),
        term: reply.term,
        applied: reply.applied,
        cluster: reply.cluster,
        quorum_ago: reply.quorum_ago_ms.map(Duration::from_millis),
        members: reply.members.into_iter().map(member).collect(),
    }
}

pub(in crate::grpc) fn change_to_wire(
    change: MemberChange,
    remaining: Duration,
) -> v1::ChangeMembershipRequest {
    let change = match change {
        MemberChange::Add { id, address } => Change::Add(v1::AddMember { id, address }),
        MemberChange::Remove { id } => Change::Remove(id),
    };
    v1::ChangeMembershipRequest { remaining_ms: millis(remaining), change: Some(change) }
}

pub(in crate::grpc) fn change_from_wire(
    request: v1::ChangeMembershipRequest,
) -> Result<MemberChange, MetaError> {
    match request.change {
        Some(Change::Add(v1::AddMember { id, address })) => Ok(MemberChange::Add { id, address }),
        Some(Change::Remove(id)) => Ok(MemberChange::Remove { id }),
        None => Err(MetaError::Invalid("a change of the members of an unknown kind".to_owned())),
    }
}
