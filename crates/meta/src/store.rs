//! The trait behind which the metadata lives.

use std::{fmt, time::Duration};

use crate::{
    command::{Command, Outcome},
    state::State,
};

/// The replicated metadata of a cluster. Implemented by the Raft store (direct calls) and by the gRPC client.
///
/// # To ensure correctness
/// - `propose` returns `Ok` only for a command that is committed and applied; [`MetaError::Unknown`] means that it may
///   still be. Commands are compare-and-swap or idempotent, so repeating one is safe.
/// - `linearizable_read` reflects every proposal that was answered before it began.
/// - A watch delivers every version's change in order, without holes, and never goes back.
#[async_trait::async_trait]
pub trait MetaStore: Send + Sync + fmt::Debug + 'static {
    /// Proposes a command and waits until it is applied, at most `limit`.
    async fn propose(&self, command: Command, limit: Duration) -> Result<Applied, MetaError>;
    /// The state as of now, confirmed by a quorum.
    async fn linearizable_read(&self, limit: Duration) -> Result<State, MetaError>;
    /// Changes after `after_version`, or a snapshot first where that is too old. Ends when the store stops.
    async fn watch(&self, after_version: u64) -> Result<WatchEvents, MetaError>;
    /// Who takes part.
    async fn membership(&self) -> Result<Membership, MetaError>;
}

/// A proposal that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The voter that was asked.
    pub id: u64,
    /// The leader that it knows.
    pub leader: Option<u64>,
    /// Its term.
    pub term: u64,
    /// What it has applied.
    pub applied: u64,
    /// Ids of all voters.
    pub voters: Vec<u64>,
}

/// Why the metadata did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
