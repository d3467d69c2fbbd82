//! Changing who takes part, on the leader: one change at a time, each checked before it stands in the log.

use futures_util::future::join_all;
use openraft::{
    ChangeMembers,
    error::{ChangeMembershipError, ClientWriteError, RaftError},
    raft::ClientWriteResponse,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::timeout;

use super::{
    node::RaftMeta,
    peers::{PeerAnswer, PeerCall, PeerHeader, PeerIdentity, mismatched},
    types::{TypeConfig, VoterNode},
};
use crate::{
    limits::{ADDRESS_BYTES_MAX, MEMBER_IDS_MAX, MEMBERS_MAX},
    store::{MemberChange, Membership, MetaError, MetaStore},
};

/// For asking a voter who it is.
const IDENTIFY_LIMIT: Duration = Duration::from_secs(2);

type Written = Result<ClientWriteResponse<TypeConfig>, RaftError<u64, ClientWriteError<u64, VoterNode>>>;

/// Until when a change may take.
struct Deadline<'a> {
    voter: &'a RaftMeta,
    at: Duration,
}

impl Deadline<'_> {
    fn left(&self) -> Duration {
        self.at.saturating_sub(self.voter.clock.monotonic())
    }
}

impl RaftMeta {
    /// Makes a change as the leader. Repeating one that was made changes nothing.
    pub(super) async fn change(
        &self,
        change: MemberChange,
        limit: Duration,
    ) -> Result<Membership, MetaError> {
        let deadline = Deadline { voter: self, at: self.clock.monotonic() + limit };
        let _one = timeout(limit, self.changing.lock())
            .await
            .map_err(|_| MetaError::Unavailable("another change of the members is under way".to_owned()))?;
        // With everything applied, the ids of all members that ever were are known.
        self.confirm(deadline.left()).await?;
        match change {
            MemberChange::Add { id, address } => self.add(id, address, &deadline).await?,
            MemberChange::Remove { id } => self.remove(id, &deadline).await?,
        }
        self.membership().await
    }

    async fn add(&self, id: u64, addr: String, deadline: &Deadline<'_>) -> Result<(), MetaError> {
        if id == 0 || addr.is_empty() || addr.len() > ADDRESS_BYTES_MAX {
            return invalid(format!(
                "a voter has an id of at least 1 and an address of 1 to {ADDRESS_BYTES_MAX} bytes"
            ));
        }
        let seen = self.identify(&addr).await?;
        let (nodes, voters) = self.nodes();
        self.check_new(id, &addr, &seen, nodes.get(&id))?;
        let node = VoterNode { addr, disk: seen.disk };
        match nodes.get(&id) {
            Some(known) if *known != node => {
                let set = ChangeMembers::SetNodes(BTreeMap::from([(id, node.clone())]));
                self.write_members(set, deadline).await?;
            }
            Some(_) => {}
            None => {
                self.take_in(id, &node).await?;
                self.add_learner(id, node.clone(), deadline).await?;
            }
        }
        if voters.contains(&id) {
            return Ok(());
        }
        // Also a learner that an earlier change left behind: it counts for the quorum from the next step on.
        self.take_in(id, &node).await?;
        let last = self.raft.metrics().borrow().last_log_index.unwrap_or(0);
        self.caught_up(id, last, deadline).await?;
        self.write_members(ChangeMembers::AddVoterIds(BTreeSet::from([id])), deadline).await.map(drop)
    }

    /// Whether who listens at the address may be the member `id`.
    fn check_new(
        &self,
        id: u64,
        addr: &str,
        seen: &PeerIdentity,
        known: Option<&VoterNode>,
    ) -> Result<(), MetaError> {
        let cluster = self.identity.cluster();
        if seen.id != id {
            return invalid(format!("at {addr} is voter {}, not voter {id}", seen.id));
        }
        if !seen.cluster.is_empty() && seen.cluster != cluster {
            return invalid(format!("voter {id} at {addr} is in cluster {}, not in {cluster}", seen.cluster));
        }
        match known {
            Some(known) if !known.disk.is_empty() && known.disk != seen.disk => invalid(format!(
                "voter {id} lost its directory, and with it its votes: remove it, and join under an id that was never used"
            )),
            Some(_) => Ok(()),
            None => self.check_unused(id),
        }
    }

    fn check_unused(&self, id: u64) -> Result<(), MetaError> {
        let ever = self.member_ids.ever();
        if ever.contains(&id) {
            return invalid(format!("id {id} was used before: take one that was never used"));
        }
        if ever.len() >= MEMBER_IDS_MAX {
            return invalid(format!("{MEMBER_IDS_MAX} ids were used, which are all there are"));
        }
        if self.nodes().0.len() >= MEMBERS_MAX {
            return invalid(format!("there are {MEMBERS_MAX} members, which is the most: remove one first"));
        }
        Ok(())
    }

    /// Tells a new voter which cluster it is in.
    async fn take_in(&self, id: u64, node: &VoterNode) -> Result<(), MetaError> {
        let call = PeerCall::Adopt { cluster: self.identity.cluster() };
        match self.network.call(id, node, call, IDENTIFY_LIMIT).await {
            Ok(PeerAnswer::Identity(now)) if now.cluster == self.identity.cluster() => Ok(()),
            Ok(other) => Err(mismatched(&other).into_meta()),
            Err(error) => Err(error.into_meta()),
        }
    }

    async fn add_learner(&self, id: u64, node: VoterNode, deadline: &Deadline<'_>) -> Result<(), MetaError> {
        let added = timeout(deadline.left(), self.raft.add_learner(id, node, false)).await;
        written(added).map(drop)
    }

    /// Waits until a learner has everything up to `index`.
    async fn caught_up(&self, id: u64, index: u64, deadline: &Deadline<'_>) -> Result<(), MetaError> {
        let has = |m: &openraft::RaftMetrics<u64, VoterNode>| {
            let matched = m.replication.as_ref().map(|all| all.get(&id).copied().flatten());
            // Without replication there is no lead any more, which the next step tells.
            matched.is_none_or(|matched| matched.is_some_and(|at| at.index >= index))
        };
        let waited = self.raft.wait(Some(deadline.left())).metrics(has, "the new voter to catch up").await;
        waited.map(drop).map_err(|e| MetaError::Unknown(format!("voter {id} has not caught up: {e}")))
    }

    async fn remove(&self, id: u64, deadline: &Deadline<'_>) -> Result<(), MetaError> {
        let (nodes, voters) = self.nodes();
        if !nodes.contains_key(&id) {
            return match self.member_ids.ever().contains(&id) {
                true => Ok(()),
                false => invalid(format!("there is no member {id}")),
            };
        }
        if !voters.contains(&id) {
            let learner = ChangeMembers::RemoveNodes(BTreeSet::from([id]));
            return self.write_members(learner, deadline).await.map(drop);
        }
        let rest: Vec<(u64, &VoterNode)> = nodes
            .iter()
            .filter(|(of, _)| **of != id && voters.contains(of))
            .map(|(of, n)| (*of, n))
            .collect();
        self.check_rest(id, &rest).await?;
        self.write_members(ChangeMembers::RemoveVoters(BTreeSet::from([id])), deadline).await.map(drop)
    }

    /// Whether the voters that would be left can go on: else the change could neither be finished nor taken back.
    async fn check_rest(&self, id: u64, rest: &[(u64, &VoterNode)]) -> Result<(), MetaError> {
        if rest.is_empty() {
            return invalid(format!("voter {id} is the last one: the metadata would be gone"));
        }
        let cluster = self.identity.cluster();
        let same = |of: u64, node: &VoterNode, seen: &PeerIdentity| {
            let disk = node.disk.is_empty() || node.disk == seen.disk;
            seen.id == of && seen.cluster == cluster && disk
        };
        let answers = join_all(rest.iter().map(|(of, node)| async move {
            *of == self.id || self.identify(&node.addr).await.is_ok_and(|seen| same(*of, node, &seen))
        }));
        let live = answers.await.into_iter().filter(|live| *live).count();
        let needed = rest.len() / 2 + 1;
        if live < needed {
            return Err(MetaError::Unavailable(format!(
                "without voter {id}, {live} of {} voters would answer, and {needed} are needed",
                rest.len()
            )));
        }
        Ok(())
    }

    /// Finishes a change that an earlier leader began.
    pub(super) async fn finish_joint(&self, limit: Duration) -> Result<(), MetaError> {
        let _one = self.changing.lock().await;
        if !self.is_joint() {
            return Ok(());
        }
        let deadline = Deadline { voter: self, at: self.clock.monotonic() + limit };
        self.write_members(ChangeMembers::AddVoterIds(BTreeSet::new()), &deadline).await.map(drop)
    }

    /// Whether two sets of voters have to agree, as in the midst of a change.
    pub(super) fn is_joint(&self) -> bool {
        self.raft.metrics().borrow().membership_config.membership().get_joint_config().len() > 1
    }

    /// Asks who listens at an address.
    pub(super) async fn identify(&self, addr: &str) -> Result<PeerIdentity, MetaError> {
        let unavailable = |why: &dyn std::fmt::Display| {
            MetaError::Unavailable(format!("nobody says who listens at {addr}: {why}"))
        };
        let header = PeerHeader { from: self.id, ..PeerHeader::default() };
        let peer = self.network.peers.peer(addr).map_err(|e| unavailable(&e))?;
        match peer.call(&header, PeerCall::Identify, IDENTIFY_LIMIT).await {
            Ok(PeerAnswer::Identity(seen)) => Ok(seen),
            Ok(other) => Err(unavailable(&mismatched(&other))),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Members and, of those, the voters.
    fn nodes(&self) -> (BTreeMap<u64, VoterNode>, BTreeSet<u64>) {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let config = &metrics.membership_config;
        (config.nodes().map(|(id, node)| (*id, node.clone())).collect(), config.voter_ids().collect())
    }

    async fn write_members(
        &self,
        change: ChangeMembers<u64, VoterNode>,
        deadline: &Deadline<'_>,
    ) -> Result<u64, MetaError> {
        let write = timeout(deadline.left(), self.raft.change_membership(change, false)).await;
        Ok(written(write)?.log_id.index)
    }
}

fn invalid<T>(message: String) -> Result<T, MetaError> {
    Err(MetaError::Invalid(message))
}

fn written(
    result: Result<Written, tokio::time::error::Elapsed>,
) -> Result<ClientWriteResponse<TypeConfig>, MetaError> {
    match result {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error)))) => match error {
            ChangeMembershipError::InProgress(e) => Err(MetaError::Unavailable(e.to_string())),
            other => Err(MetaError::Invalid(other.to_string())),
        },
        Ok(Err(error)) => Err(MetaError::Unknown(error.to_string())),
        Err(_) => Err(MetaError::Unknown("the change of the members was not committed in time".to_owned())),
    }
}
