//! Commands: what is proposed to Raft, and what applying one answers.
//!
//! A command is a compare-and-swap or idempotent, so that repeating one whose outcome is unknown is safe. Applying is
//! deterministic: times and secrets' hashes stand in the command, nothing is read from a clock or made at random.

mod registration;
mod shards;

use bytes::Bytes;
use headwater_types::{
    DiskId, Epoch, Incarnation, KeyId, Member, NamespaceId, NamespaceName, NodeId, Nonce, Redacted, ShardId,
    UnixMillis, ZoneName, signing::SigningKeyId,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::records::{
    DigestHashes, KeyRecord, NamespaceSettings, NodeRecord, NodeState, Permission, PurgeRecord, RateLimits,
    SigningKeyRecord,
};
use crate::refusal::{self, Refusal};

pub use registration::Registration;

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
/// A command that a voter does not know is refused by it and applied by a newer one, so their states would differ. A
/// leader writes none that it does not know itself; a new kind of command may be proposed only when every voter knows it.
/// A new field of a known kind is not noticed by an older voter: from the first release on, it raises this number.
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

    /// Refuses what is only read, from logs of earlier builds: a leader writes none of it.
    pub(crate) fn check_proposed(self) -> Result<Self, Refusal> {
        match self.command {
            Command::RegisterNodes { .. } => Err(Refusal::new(
                refusal::UNKNOWN_COMMAND,
                "the metadata assigns incarnations: a node that counts its own runs an older version; upgrade it",
            )),
            _ => Ok(self),
        }
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
        /// Only from these client addresses.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        cidrs: Vec<IpNet>,
        /// For Digest authentication. Refused where the namespace does not offer it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<DigestHashes>,
        /// How much it may ask of each frontend in a second.
        #[serde(default, skip_serializing_if = "RateLimits::is_none")]
        rate_limits: RateLimits,
    },
    /// Takes an API key away. Repeating it changes nothing.
    RevokeKey {
        /// Which one.
        id: KeyId,
    },
    /// New processes of storage nodes ask for their incarnations. Several at once so that a cluster in one process
    /// starts in one step. The shards of an earlier process are configured anew (see `state::register`). Repeating it
    /// changes nothing and answers the same, until another process of the node has registered.
    Register {
        /// The processes, one of each node.
        nodes: Vec<Registration>,
    },
    /// A registration of nodes that count their incarnations themselves. Only read from logs of earlier builds: see
    /// `Envelope::check_proposed`.
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
    /// Takes a namespace away, with its keys and signing keys, and begins the purge of its objects, which is answered.
    /// Repeating it changes nothing, and answers the purge for as long as that is remembered.
    DeleteNamespace {
        /// Which one.
        id: NamespaceId,
        /// The record's version that the decision was made from; `None`: whatever it is.
        expect_version: Option<u64>,
    },
    /// Adds a signing key. Repeating it with the same secret changes nothing.
    CreateSigningKey {
        /// Its name.
        id: SigningKeyId,
        /// What it signs for.
        namespace: NamespaceId,
        /// 32 random bytes, base64url without padding.
        secret: Redacted,
    },
    /// Takes a signing key away. Repeating it changes nothing.
    RevokeSigningKey {
        /// Which one.
        id: SigningKeyId,
    },
    /// Says what is wanted of a node.
    SetNodeState {
        /// Which one.
        node: NodeId,
        /// What is wanted.
        state: NodeState,
    },
    /// Forgets a node for ever; its id is never used again. Refused (`in_use`) while a shard names it.
    RemoveNode {
        /// Which one.
        node: NodeId,
    },
    /// New configurations of shards, each a compare-and-swap on its epoch with the guards of `state::reconfigure`.
    /// Applied as a whole or refused as a whole.
    Reconfigure {
        /// What changes.
        changes: Vec<ShardChange>,
    },
    /// Lets a restarted member back in place, where no one evicted it (see `state::readmit`). Stands in for the
    /// registration of the new process, and answers as that does.
    Readmit {
        /// Who.
        node: NodeId,
        /// The process that the map still names.
        old: Incarnation,
        /// The data directory, which must be the one under which `old` registered.
        disk_id: DiskId,
        /// The process that takes the place.
        nonce: Nonce,
        /// Why nothing that it acknowledged is lost.
        evidence: Evidence,
        /// All shards that name the old process, each with the epoch that the decision was made from.
        shards: Vec<(ShardId, Epoch)>,
    },
    /// Fences a zone, or none. All shards move at once: the fenced zone's members leave every shard that has an in-sync
    /// member elsewhere (see `state::zone`).
    SetZoneVerdict {
        /// The verdict that the decision was made from.
        expect: Option<ZoneName>,
        /// The zone that takes no part from now on.
        fenced: Option<ZoneName>,
    },
    /// Begins a purge. While one of the same prefix is under way, that one is answered.
    StartPurge {
        /// Whose objects.
        namespace: NamespaceId,
        /// Keys that begin with this; empty: all.
        prefix: String,
        /// Refuse what lies below the prefix from now on. Not with an empty one.
        block: bool,
    },
    /// Ends the refusal of a blocked prefix. One that is not blocked changes nothing.
    Unblock {
        /// Whose.
        namespace: NamespaceId,
        /// As it stands among the blocked ones.
        prefix: String,
    },
    /// Says how far a purge is. One that is behind the record changes nothing.
    PurgeProgress {
        /// Which one.
        id: u64,
        /// Shards below this one are done.
        shards_done: u16,
        /// Objects removed so far.
        removed: u64,
    },
}

/// A new configuration of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardChange {
    /// Which one.
    pub shard: ShardId,
    /// The epoch that the change was made from. The new one is one more.
    pub expect_epoch: Epoch,
    /// Orders the writes from now on.
    pub head: Member,
    /// Hold everything that was acknowledged.
    pub insync: Vec<Member>,
    /// Get every new write.
    pub syncing: Vec<Member>,
    /// Are about to leave.
    pub retiring: Vec<Member>,
    /// The member that asks; only the head of the epoch may ask for a promotion.
    pub asked_by: Option<Member>,
    /// Why a configuration of one member is right.
    pub single: Option<SingleReason>,
}

/// Why a shard may go on with one in-sync member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SingleReason {
    /// Raft's own heartbeats miss the peer.
    PeerSuspected,
    /// The peer's zone is fenced.
    ZoneFenced,
    /// There is no spare node.
    NoSpare,
}

/// Why a restarted member still has everything that it acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A clean stop or a crash of the process under the same boot of the machine, with a sound log.
    SameBoot,
    /// Everything acknowledged was synced to disk (`durable_ack`).
    Synced,
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
    /// The signing key is there.
    SigningKey(Box<SigningKeyRecord>),
    /// The purge has begun.
    Purge(Box<PurgeRecord>),
    /// The processes are registered.
    Registered {
        /// Each with the incarnation that it has from now on, in the order in which they asked.
        members: Vec<Member>,
    },
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
