//! A voter as a [`MetaStore`].

use futures_util::{StreamExt, future::join_all};
use headwater_types::KeyId;
use openraft::RaftMetrics;
use std::{collections::BTreeSet, time::Duration};

use super::{
    forward::repeats_alike,
    node::RaftMeta,
    peers::{Forwarded, ForwardedAnswer, PeerAnswer, PeerCall},
    types::{LogCommand, VoterNode},
};
use crate::{
    command::{Command, Envelope},
    limits::COMMAND_BYTES_MAX,
    store::{
        Applied, MemberChange, Membership, MetaError, MetaMember, MetaStore, Presence, Report, Reported,
        WatchEvent, WatchEvents,
    },
    watch,
};

/// For telling each of the other voters that a role lives.
const REPORT_LIMIT: Duration = Duration::from_millis(300);
/// A voter that has heard nothing of the others for longer ends its watches.
const OUT_OF_TOUCH_MAX: Duration = Duration::from_secs(2);

impl RaftMeta {
    async fn propose_at_leader(&self, command: Command, limit: Duration) -> Result<Applied, MetaError> {
        let again = repeats_alike(&command);
        let envelope = Envelope::new(command, self.clock.unix_millis());
        let document = envelope.encode().map_err(|e| MetaError::Invalid(e.to_string()))?;
        if document.len() > COMMAND_BYTES_MAX {
            let len = document.len();
            return Err(MetaError::Invalid(format!(
                "a command of {len} bytes, at most {COMMAND_BYTES_MAX} are allowed"
            )));
        }
        let command = LogCommand::new(&document).map_err(|e| MetaError::Invalid(e.to_string()))?;
        match self.at_leader(Forwarded::Propose(command), again, limit).await? {
            ForwardedAnswer::Applied(applied) => Ok(applied),
            other => Err(MetaError::Unknown(format!("an answer of another kind: {other:?}"))),
        }
    }
}

#[async_trait::async_trait]
impl MetaStore for RaftMeta {
    /// Rides over a change of the leader. An unknown outcome is asked for again where the answer is the same then
    /// (`repeats_alike`), and told where it may differ.
    async fn propose(&self, command: Command, limit: Duration) -> Result<Applied, MetaError> {
        let start = self.clock.monotonic();
        let result = self.propose_at_leader(command, limit).await;
        self.metrics.proposed(self.clock.monotonic().saturating_sub(start), result.is_ok());
        result
    }

    async fn linearizable_read(&self, limit: Duration) -> Result<u64, MetaError> {
        match self.at_leader(Forwarded::Read, true, limit).await {
            Ok(ForwardedAnswer::Version(version)) => Ok(version),
            Ok(other) => Err(MetaError::Invalid(format!("an answer of another kind: {other:?}"))),
            // A read has done nothing, however it failed.
            Err(MetaError::Unknown(message)) => Err(MetaError::Unavailable(message)),
            Err(error) => Err(error),
        }
    }

    async fn watch(&self, after_version: u64) -> Result<WatchEvents, MetaError> {
        if !self.in_touch(OUT_OF_TOUCH_MAX) {
            return Err(MetaError::Unavailable(format!("voter {} hears nothing of the others", self.id)));
        }
        let events = watch::events(&self.hub, after_version, self.metrics.watcher())?;
        // Idle events say that the watcher has the newest: one whose voter is cut off must look for another voter.
        let voter = self.own.clone();
        let goes_on = move |event: &Result<WatchEvent, MetaError>| {
            let idle = matches!(event, Ok(WatchEvent::Idle { .. }));
            let cut_off = || !voter.upgrade().is_some_and(|voter| voter.in_touch(OUT_OF_TOUCH_MAX));
            std::future::ready(!(idle && cut_off()))
        };
        Ok(events.take_while(goes_on).boxed())
    }

    async fn membership(&self) -> Result<Membership, MetaError> {
        let metrics = self.raft.metrics().borrow().clone();
        Ok(Membership {
            id: self.id,
            leader: metrics.current_leader,
            term: metrics.current_term,
            applied: self.hub.state().version,
            cluster: self.identity.cluster(),
            quorum_ago: metrics.millis_since_quorum_ack.map(Duration::from_millis),
            members: members(&metrics),
        })
    }

    async fn change_membership(
        &self,
        change: MemberChange,
        limit: Duration,
    ) -> Result<Membership, MetaError> {
        if let MemberChange::Add { address, .. } = &change {
            // Said at once. The leader asks as well, but what fails there is tried again until the time is over.
            self.identify(address).await.map_err(|error| match error {
                MetaError::Unavailable(why) => MetaError::Invalid(why),
                other => other,
            })?;
        }
        match self.at_leader(Forwarded::Change(change), true, limit).await? {
            ForwardedAnswer::Membership(membership) => Ok(membership),
            other => Err(MetaError::Unknown(format!("an answer of another kind: {other:?}"))),
        }
    }

    async fn report(&self, report: Report) -> Result<Reported, MetaError> {
        let own = self.take_report(report.clone())?;
        let others: Vec<(u64, VoterNode)> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let nodes = metrics.membership_config.nodes().filter(|(id, _)| **id != self.id);
            nodes.map(|(id, node)| (*id, node.clone())).collect()
        };
        let calls = others.iter().map(|(id, node)| async {
            let call = PeerCall::Report(Box::new(report.clone()));
            match self.network.call(*id, node, call, REPORT_LIMIT).await {
                Ok(PeerAnswer::Reported(reported)) => reported,
                // One that does not hear it counts the role as gone for itself alone.
                _ => Reported::default(),
            }
        });
        Ok(join_all(calls).await.into_iter().fold(own, Reported::and))
    }

    async fn presence(&self, keys: &[KeyId]) -> Result<Presence, MetaError> {
        Ok(self.board.presence(keys))
    }
}

pub(super) fn members(metrics: &RaftMetrics<u64, VoterNode>) -> Vec<MetaMember> {
    let config = &metrics.membership_config;
    let voters: BTreeSet<u64> = config.voter_ids().collect();
    let matched = |id: &u64| Some(metrics.replication.as_ref()?.get(id)?.as_ref()?.index);
    let member = |(id, node): (&u64, &VoterNode)| MetaMember {
        id: *id,
        address: node.addr.clone(),
        voter: voters.contains(id),
        matched: matched(id),
    };
    config.nodes().map(member).collect()
}
