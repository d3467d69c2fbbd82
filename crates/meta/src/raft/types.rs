//! The types that openraft is instantiated with.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{io::Cursor, sync::Arc};

use crate::command::Outcome;

openraft::declare_raft_types!(
    /// A 64-bit voter id, an encoded command in, its outcome out.
    pub TypeConfig:
        D = LogCommand,
        R = Outcome,
        NodeId = u64,
        Node = VoterNode,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = openraft::TokioRuntime,
);

pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Entry = openraft::Entry<TypeConfig>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, VoterNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, VoterNode>;
pub(crate) type Snapshot = openraft::Snapshot<TypeConfig>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type StorageIoError = openraft::StorageIOError<u64>;

/// A member as the membership entries of the log name it. Reads what was written for [`openraft::BasicNode`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoterNode {
    /// Where it is reached, as `host:port`.
    pub addr: String,
    /// Names the directory that its votes and its log are in. Empty where it is not known, as in logs of version 0.1.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub disk: String,
}

/// An encoded [`crate::command::Envelope`] as it was proposed. The log keeps it as it came and only applying reads it,
/// so that a voter passes on what it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogCommand(Arc<str>);

impl LogCommand {
    /// From a document, which is JSON and thus UTF-8.
    pub(crate) fn new(document: &[u8]) -> Result<Self, std::str::Utf8Error> {
        Ok(Self(std::str::from_utf8(document)?.into()))
    }

    /// The document.
    pub(crate) fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.0.as_bytes())
    }
}
