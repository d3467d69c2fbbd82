//! The trait behind which the metadata lives.

use std::{collections::BTreeMap, fmt, time::Duration};

use headwater_types::{KeyId, Member, NamespaceId, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::{
    command::{Command, Outcome},
    state::State,
};

/// The replicated metadata of a cluster. Implemented by the Raft store (direct calls) and by the gRPC client.
///
/// # To ensure correctness
/// - `propose` returns `Ok` only for a command that is committed and applied; [`MetaError::Unknown`] means that it may
///   still be. Commands are compare-and-swap or idempotent, so repeating one is safe.
/// - `linearizable_read` answers a version that every proposal answered before it began is below or at: a copy of the
///   state that has reached it shows them all.
/// - A watch delivers every version's change in order, without holes, and never goes back.
#[async_trait::async_trait]
pub trait MetaStore: Send + Sync + fmt::Debug + 'static {
    /// Proposes a command and waits until it is applied, at most `limit`.
    async fn propose(&self, command: Command, limit: Duration) -> Result<Applied, MetaError>;
    /// The version as of now, confirmed by a quorum. Wait for it in a watched copy
    /// ([`crate::MetaCache::linearizable`]) to read.
    async fn linearizable_read(&self, limit: Duration) -> Result<u64, MetaError>;
    /// Changes after `after_version`, or a snapshot first where that is too old. Ends when the store stops.
    async fn watch(&self, after_version: u64) -> Result<WatchEvents, MetaError>;
    /// Who takes part.
    async fn membership(&self) -> Result<Membership, MetaError>;
    /// Adds or removes a voter. Repeating a change that was made changes nothing. Answers who takes part then.
    async fn change_membership(&self, change: MemberChange, limit: Duration)
    -> Result<Membership, MetaError>;
    /// Tells every voter that a role lives and how far its copy is. One report of a role at a time: the next one follows
    /// the answer to the one before, or the end of waiting for it.
    async fn report(&self, report: Report) -> Result<Reported, MetaError>;
    /// What roles last reported to the voter that is asked, and when these keys, at most
    /// [`crate::limits::REPORT_KEYS_MAX`], last granted a request.
    async fn presence(&self, keys: &[KeyId]) -> Result<Presence, MetaError>;
}

/// A change of who takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberChange {
    /// A new voter, first as a learner until it has caught up.
    Add {
        /// Its id, never used before.
        id: u64,
        /// Where it is reached, as `host:port`.
        address: String,
    },
    /// A voter or learner that leaves for good.
    Remove {
        /// Its id.
        id: u64,
    },
}

/// What a role says of itself, every [`crate::limits::REPORT_EVERY`] and when its copy has a new version. Soft state, never in the
/// log: a new voter starts without.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Role and id, such as `frontend-1`; at most [`crate::limits::REPORTER_BYTES_MAX`] bytes.
    pub reporter: String,
    /// The version of its copy of the metadata.
    pub version: u64,
    /// What a storage node adds.
    pub node: Option<NodeReport>,
    /// Keys that granted a request since the last report, and when they last did: at most
    /// [`crate::limits::REPORT_KEYS_MAX`], each at most once a minute.
    pub keys_used: Vec<(KeyId, UnixMillis)>,
    /// Of a storage node: the number of this report, counted from the start of its process, so that one which arrives
    /// late is known as such.
    #[serde(default)]
    pub seq: u64,
    /// Of a storage node: the namespaces that it holds something of, at most [`crate::limits::REPORT_SPACES_MAX`].
    #[serde(default)]
    pub spaces: Vec<SpaceReport>,
}

/// What a storage node holds of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceReport {
    /// Of which namespace.
    pub namespace: NamespaceId,
    /// Bytes of the bodies of live objects.
    pub bytes: u64,
    /// Live objects.
    pub objects: u64,
    /// What the namespace may take in the node's memory, in bytes, if that is limited.
    pub share_bytes: Option<u64>,
    /// Bytes written lately: a sum that halves every minute.
    pub ingest_bytes: u64,
}

/// The answer to a [`Report`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The newest version that any voter has applied.
    pub version: u64,
    /// What the leader wants; `None` if it was not among those that answered.
    pub guidance: Option<Guidance>,
}

impl Reported {
    /// What two voters answered: the newest version, and what the leader of the later term wants.
    pub fn and(self, other: Self) -> Self {
        Self {
            version: self.version.max(other.version),
            guidance: self.guidance.into_iter().chain(other.guidance).max_by_key(|guidance| guidance.term),
        }
    }
}

/// What the leader wants of a role until the next report. Soft state: a role that hears nothing goes on as before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guidance {
    /// The leader's term: what a leader of an earlier one wants is void.
    pub term: u64,
    /// To a storage node: shares that are to change. The others stay.
    pub shares: Vec<HotShare>,
    /// Namespaces that are past their quota: all of them.
    pub over_quota: Vec<NamespaceId>,
}

/// What one node may keep of a namespace in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotShare {
    /// Of which namespace.
    pub namespace: NamespaceId,
    /// The capacity of which this is a share, in bytes: of another one, it is as large a part.
    pub capacity_bytes: u64,
    /// The share, in bytes.
    pub share_bytes: u64,
}

/// What a namespace holds, by one copy of each object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of the bodies of live objects.
    pub bytes: u64,
    /// Live objects.
    pub objects: u64,
}

/// What a storage node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The node and its process.
    pub member: Member,
    /// Bytes in its hot tier.
    pub hot_bytes: u64,
    /// Bytes that its hot tier may take.
    pub hot_capacity_bytes: u64,
}

/// What a voter knows of the other roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    /// The last report of each reporter, by name.
    pub reporters: Vec<Reporter>,
    /// When the keys that were asked about last granted a request, where that is known.
    pub keys_used: BTreeMap<KeyId, UnixMillis>,
    /// What namespaces hold that hold anything, as far as nodes report it.
    pub usage: BTreeMap<NamespaceId, Usage>,
}

/// A role that has reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporter {
    /// Role and id.
    pub name: String,
    /// The version of its copy.
    pub version: u64,
    /// What a storage node added.
    pub node: Option<NodeReport>,
    /// How long ago that was.
    pub ago: Duration,
}

/// A proposal that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The Raft index at which it was: the state's version.
    pub version: u64,
    /// What it answered, refusals included.
    pub outcome: Outcome,
}

/// Changes in order.
pub type WatchEvents = futures_core::stream::BoxStream<'static, Result<WatchEvent, MetaError>>;

/// One event of a watch.
#[derive(Debug, Clone)]
pub enum WatchEvent {
    /// Forget what you have: this is the state.
    Snapshot(Box<State>),
    /// Apply this to the state of the version before.
    Entry {
        /// The version that the state has after it.
        version: u64,
        /// The encoded [`crate::command::Envelope`]; empty for an entry that changes nothing (a membership change).
        command: bytes::Bytes,
    },
    /// Nothing new; shows that the watch lives.
    Idle {
        /// The newest version.
        version: u64,
    },
}

/// Who takes part in the metadata group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The voter that was asked.
    pub id: u64,
    /// The leader that it knows.
    pub leader: Option<u64>,
    /// Its term.
    pub term: u64,
    /// What it has applied.
    pub applied: u64,
    /// Names the cluster; made when it was founded. Empty before.
    pub cluster: String,
    /// How long ago a quorum last answered the leader; `None` where it is not known.
    pub quorum_ago: Option<Duration>,
    /// Voters and learners, by id.
    pub members: Vec<MetaMember>,
}

impl Membership {
    /// Ids of all voters.
    pub fn voters(&self) -> impl Iterator<Item = u64> + '_ {
        self.members.iter().filter(|member| member.voter).map(|member| member.id)
    }
}

/// A member of the metadata group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaMember {
    /// Its id.
    pub id: u64,
    /// Where it is reached, as `host:port`.
    pub address: String,
    /// Whether it votes; a learner only follows.
    pub voter: bool,
    /// The last entry that the leader knows it has; `None` where that is not known.
    pub matched: Option<u64>,
}

/// Why the metadata did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MetaError {
    /// Nothing was done.
    #[error("the metadata is unavailable: {0}")]
    Unavailable(String),
    /// It may or may not be done; repeating it is safe.
    #[error("the outcome of the metadata change is unknown: {0}")]
    Unknown(String),
    /// Something was malformed: a bug or another version.
    #[error("malformed metadata: {0}")]
    Invalid(String),
}
