//! Why a command was refused: stable codes and a sentence for people.

use crate::command::Outcome;

/// The name is taken, or the id stands for something else.
pub const EXISTS: &str = "exists";
/// There is no such record.
pub const NOT_FOUND: &str = "not_found";
/// The record was changed since.
pub const VERSION_MISMATCH: &str = "version_mismatch";
/// A value is not allowed.
pub const INVALID: &str = "invalid";
/// A bound of [`crate::limits`] is reached.
pub const TOO_MANY: &str = "too_many";
/// The hot capacity is more than the nodes of a zone have.
pub const CAPACITY: &str = "capacity";
/// Another process of the node has registered than the one that was named.
pub const STALE_INCARNATION: &str = "stale_incarnation";
/// The process had registered, and another one of its node has since: it must end.
pub const REPLACED: &str = "replaced";
/// The key was revoked; its id is not used again.
pub const REVOKED: &str = "revoked";
/// The node was removed; its id is not used again.
pub const REMOVED: &str = "removed";
/// Something still needs the record.
pub const IN_USE: &str = "in_use";
/// The command is of a kind or format that this build does not know.
pub const UNKNOWN_COMMAND: &str = "unknown_command";

/// A refused command. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// One of this module's codes.
    pub code: &'static str,
    /// What was wrong and what is allowed.
    pub message: String,
}

impl Refusal {
    /// A refusal with one of this module's codes.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A value is not allowed.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(INVALID, message)
    }

    /// There is no such record; `what` names it.
    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(NOT_FOUND, format!("there is no {what}"))
    }

    /// A bound is reached; `what` it counts.
    pub(crate) fn too_many(max: usize, what: &str) -> Self {
        Self::new(TOO_MANY, format!("at most {max} {what}"))
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { code: refusal.code.to_owned(), message: refusal.message }
    }
}
