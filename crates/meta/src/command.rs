//! Commands: what is proposed to Raft, and what applying one answers.
//!
//! A command is a compare-and-swap or idempotent, so that repeating one whose outcome is unknown is safe. Applying is
//! deterministic: times and secrets' hashes stand in the command, nothing is read from a clock or made at random.

mod shards;

use bytes::Bytes;
use headwater_types::{KeyId, NamespaceId, NamespaceName, NodeId, ShardId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::records::{KeyRecord, NamespaceSettings, NodeRecord, Permission};
use crate::refusal::{self, Refusal};

/// A command with the version of its encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`COMMAND_FORMAT`] of the writer.
    pub format: u32,
    /// When the proposer made it.
    pub at: UnixMillis,
    /// The command.
    pub command: Command,
}

/// The newest command encoding that this build writes and reads.
///
/// A command that a voter does not know is refused by it and applied by a newer one, so their states would differ: a
/// new kind of command may be proposed only when every voter knows it.
pub const COMMAND_FORMAT: u32 = 1;

impl Envelope {
    /// A command of now.
    pub fn new(command: Command, at: UnixMillis) -> Self {
        Self { format: COMMAND_FORMAT, at, command }
    }

    /// The JSON document that the log, the watch and the wire carry.
    pub fn encode(&self) -> Result<Bytes, serde_json::Error> {
        serde_json::to_vec(self).map(Bytes::from)
    }

    /// Reads a document. Unknown fields are ignored; an unknown kind or a newer format is refused, with the same
    /// words for the same bytes on every voter of this build.
    pub fn decode(document: &[u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let unknown = |message: String| Refusal::new(refusal::UNKNOWN_COMMAND, message);
        let header: Header = serde_json::from_slice(document).map_err(|e| unknown(e.to_string()))?;
        if header.format > COMMAND_FORMAT {
            let format = header.format;
            return Err(unknown(format!(
                "format {format} is newer than {COMMAND_FORMAT}, the newest one known"
            )));
        }
        serde_json::from_slice(document).map_err(|e| unknown(e.to_string()))
    }
}

/// A change of the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Command {
    /// Makes a namespace. Refused if the name is taken.
    CreateNamespace {
        /// Its name.
        name: NamespaceName,
        /// Its settings.
        settings: NamespaceSettings,
    },
    /// Replaces a namespace's settings.
    UpdateNamespace {
        /// Which one.
        id: NamespaceId,
        /// The record's version that the change was made from; `None`: whatever it is.
        expect_version: Option<u64>,
        /// The new settings.
        settings: NamespaceSettings,
    },
    /// Adds an API key. Repeating it with the same hash changes nothing.
    CreateKey {
        /// Its public part.
        id: KeyId,
        /// SHA-256 of its secret part, in hexadecimal.
        secret_sha256: String,
        /// Where it is valid.
        namespace: Option<NamespaceId>,
        /// What it may do.
        permission: Permission,
        /// Only keys below this prefix.
        prefix: Option<String>,
        /// From when on it is refused.
        expires_at: Option<UnixMillis>,
    },
    /// Takes an API key away. Repeating it changes nothing.
    RevokeKey {
        /// Which one.
        id: KeyId,
    },
    /// Nodes report in: new ones, or new processes of known ones. Several at once so that a cluster in one process
    /// starts in one step. The shards of an earlier process are configured anew (see `state::register`).
    RegisterNodes {
        /// The nodes as they are now.
        nodes: Vec<NodeRecord>,
    },
    /// Makes the shard map; once there is one this changes nothing. The leader proposes it by itself when nodes of two
    /// zones have registered (see `placement`).
    ///
    /// The plan stands in the command, so that voters and watchers agree on the map whatever ring code they are built
    /// with. Refused (`invalid`) unless every shard is in it with two registered nodes of different zones, one of them
    /// its head. The members are the nodes' newest processes as of applying, in sync, at epoch 1.
    CreateMap {
        /// Where every shard begins.
        #[serde(with = "shards")]
        shards: BTreeMap<ShardId, NewShard>,
    },
}

/// Where a shard begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewShard {
    /// Orders its writes; one of `members`.
    pub head: NodeId,
    /// Who holds it.
    pub members: Vec<NodeId>,
}

/// What applying a command answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The namespace is there.
    Namespace {
        /// Its id.
        id: NamespaceId,
        /// The record's version.
        version: u64,
    },
    /// The key is there.
    Key(Box<KeyRecord>),
    /// Done.
    Done,
    /// Refused; nothing was changed.
    Refused {
        /// A stable code, one of [`crate::refusal`].
        code: String,
        /// What was wrong and what is allowed.
        message: String,
    },
}
