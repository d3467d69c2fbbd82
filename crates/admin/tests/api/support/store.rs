//! A voter with faults, and with reports that a test makes up.

use headwater_meta::{
    Applied, Command, MemberChange, Membership, MetaError, MetaMember, MetaStore, Presence, RaftMeta, Report,
    Reported, WatchEvents,
};
use headwater_types::KeyId;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// What calls meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No quorum.
    Unavailable,
    /// Changes are made, and nobody knows.
    UnknownButDone,
    /// Another change of the first namespace comes before each update.
    Contended,
    /// No voter answers at all.
    Gone,
    /// Changes are made and reads answered, but nobody says who takes part.
    MembersUnknown,
    /// Nobody says who has reported.
    PresenceUnknown,
    /// Changes are made, and answered once `Store::release` is called.
    Held,
}

#[derive(Debug)]
pub struct Store {
    inner: Arc<RaftMeta>,
    pub fault: Mutex<Option<Fault>>,
    pub presence: Mutex<Presence>,
    /// What `change_membership` was asked for.
    pub members: Mutex<Vec<MemberChange>>,
    /// What was reported.
    pub reports: Mutex<Vec<Report>>,
    released: Notify,
}

impl Store {
    pub fn new(inner: Arc<RaftMeta>) -> Self {
        Self {
            inner,
            fault: Mutex::default(),
            presence: Mutex::default(),
            members: Mutex::default(),
            reports: Mutex::default(),
            released: Notify::new(),
        }
    }

    /// Lets a change that is held be answered.
    pub fn release(&self) {
        self.released.notify_one();
    }

    pub fn meets(&self, fault: Option<Fault>) {
        *self.fault.lock() = fault;
    }

    fn fault(&self) -> Option<Fault> {
        *self.fault.lock()
    }

    fn check(&self) -> Result<(), MetaError> {
        match self.fault() {
            Some(Fault::Unavailable | Fault::Gone) => Err(MetaError::Unavailable("fault".into())),
            _ => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl MetaStore for Store {
    async fn propose(&self, command: Command, limit: Duration) -> Result<Applied, MetaError> {
        self.check()?;
        if self.fault() == Some(Fault::Contended)
            && let Command::UpdateNamespace { id, settings, .. } = &command
        {
            let other =
                Command::UpdateNamespace { id: *id, expect_version: None, settings: settings.clone() };
            self.inner.propose(other, limit).await?;
        }
        let applied = self.inner.propose(command, limit).await?;
        match self.fault() {
            Some(Fault::UnknownButDone) => Err(MetaError::Unknown("fault".into())),
            Some(Fault::Held) => {
                self.released.notified().await;
                Ok(applied)
            }
            _ => Ok(applied),
        }
    }

    async fn linearizable_read(&self, limit: Duration) -> Result<u64, MetaError> {
        self.check()?;
        self.inner.linearizable_read(limit).await
    }

    async fn watch(&self, after_version: u64) -> Result<WatchEvents, MetaError> {
        self.inner.watch(after_version).await
    }

    /// As if two more voters were there.
    async fn membership(&self) -> Result<Membership, MetaError> {
        if matches!(self.fault(), Some(Fault::Gone | Fault::MembersUnknown)) {
            return Err(MetaError::Unavailable("fault".into()));
        }
        let mut membership = self.inner.membership().await?;
        for id in [2, 3] {
            let member = MetaMember {
                id,
                address: format!("meta-{id}:9000"),
                voter: true,
                matched: Some(membership.applied.saturating_sub(id)),
            };
            membership.members.push(member);
        }
        Ok(membership)
    }

    async fn change_membership(&self, change: MemberChange, _: Duration) -> Result<Membership, MetaError> {
        self.check()?;
        if change == (MemberChange::Remove { id: 1 }) {
            return Err(MetaError::Invalid("voter 1 is the last one".into()));
        }
        self.members.lock().push(change);
        let membership = self.membership().await;
        if self.fault() == Some(Fault::Held) {
            self.released.notified().await;
        }
        membership
    }

    async fn report(&self, report: Report) -> Result<Reported, MetaError> {
        self.reports.lock().push(report.clone());
        self.inner.report(report).await
    }

    async fn presence(&self, keys: &[KeyId]) -> Result<Presence, MetaError> {
        self.check()?;
        if self.fault() == Some(Fault::PresenceUnknown) {
            return Err(MetaError::Unavailable("fault".into()));
        }
        let mut presence = self.presence.lock().clone();
        presence.keys_used.retain(|id, _| keys.contains(id));
        Ok(presence)
    }
}
