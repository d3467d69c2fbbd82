//! Errors of the services, and how they cross the wire.

use headwater_types::{Epoch, ErrorCode, ShardId};

/// Why a storage or replication call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The caller's map and the node's differ. Nothing was done.
    #[error("shard {shard}: the node is at epoch {epoch} of map version {map_version}")]
    WrongEpoch {
        /// Which shard.
        shard: ShardId,
        /// The node's epoch of it.
        epoch: Epoch,
        /// The node's map version.
        map_version: u64,
    },
    /// This member may not answer. Nothing was done; another member may.
    #[error("this member may not answer: {0}")]
    NotServing(String),
    /// There is no such object, said by a member that may say it.
    #[error("there is no such object")]
    NotFound,
    /// A precondition does not hold. Nothing was done.
    #[error("a precondition does not hold")]
    PreconditionFailed,
    /// No memory for it. Nothing was done.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// The body passed the limit. Nothing was done.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The body ended early. Nothing was done.
    #[error("the body was cut before its end")]
    BodyCut,
    /// The body does not have its digest. Nothing was done.
    #[error("the body does not have its digest")]
    DigestMismatch,
    /// No answer could be had. Nothing was done.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It may or may not be done; the same request id finds out.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// The head has a write of this key in flight; the tail answers.
    #[error("a write of this key is in flight; ask the tail")]
    AskTail,
    /// The message is malformed: a bug or another version.
    #[error("malformed: {0}")]
    Invalid(String),
}

impl StorageError {
    /// What a client is told. Errors that the frontend handles itself count as unavailable once it has given up.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::WrongEpoch { .. } | Self::NotServing(_) | Self::Unavailable(_) | Self::AskTail => {
                ErrorCode::Unavailable
            }
            Self::NotFound => ErrorCode::NotFound,
            Self::PreconditionFailed => ErrorCode::PreconditionFailed,
            Self::Overloaded(_) => ErrorCode::Overloaded,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::BodyCut => ErrorCode::BodyIncomplete,
            Self::DigestMismatch => ErrorCode::DigestMismatch,
            Self::OutcomeUnknown(_) => ErrorCode::OutcomeUnknown,
            Self::Invalid(_) => ErrorCode::Internal,
        }
    }

    /// The write may have happened.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown(_))
    }

    /// Another member, or the same one a little later, may answer.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::WrongEpoch { .. }
                | Self::NotServing(_)
                | Self::Unavailable(_)
                | Self::OutcomeUnknown(_)
                | Self::AskTail
        )
    }
}

/// A message that does not say what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {problem}")]
pub struct ConvertError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl From<ConvertError> for StorageError {
    fn from(error: ConvertError) -> Self {
        Self::Invalid(error.to_string())
    }
}
