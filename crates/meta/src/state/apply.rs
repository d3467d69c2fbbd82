//! Applying a log entry to the state: what is to be done by which module.

use headwater_types::UnixMillis;

use super::{State, create_map, readmit, readmit::Readmission, reconfigure, register, register::Lost, zone};
use crate::{
    command::{Command, Envelope, Outcome},
    records::KeyRecord,
    refusal::Refusal,
};

/// What applying an entry did, besides the state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// What the proposer is told.
    pub outcome: Outcome,
    /// Shards whose last sound copy is gone.
    pub lost: Lost,
}

/// Where and when an entry is applied: what new and changed records are stamped with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// The entry's Raft index.
    pub index: u64,
    /// When the proposer made the command.
    pub at: UnixMillis,
}

impl State {
    /// Applies the entry at `index`: an encoded [`Envelope`], or nothing for an entry of Raft's own.
    ///
    /// Deterministic: the same entries in the same order give the same state, byte for byte. What cannot be read or is
    /// not allowed is refused and changes nothing but the version.
    pub fn apply(&mut self, index: u64, command: &[u8]) -> Outcome {
        self.apply_entry(index, command).outcome
    }

    pub(crate) fn apply_entry(&mut self, index: u64, command: &[u8]) -> Effect {
        self.version = index;
        let mut lost = Lost::default();
        let outcome = if command.is_empty() {
            Ok(Outcome::Done)
        } else {
            Envelope::decode(command).and_then(|envelope| {
                let stamp = Stamp { index, at: envelope.at };
                self.execute(stamp, envelope.command, &mut lost)
            })
        };
        Effect { outcome: outcome.unwrap_or_else(Outcome::from), lost }
    }

    fn execute(&mut self, stamp: Stamp, command: Command, lost: &mut Lost) -> Result<Outcome, Refusal> {
        match command {
            Command::CreateNamespace { name, settings } => self.create_namespace(stamp, name, settings),
            Command::UpdateNamespace { id, expect_version, settings } => {
                self.update_namespace(stamp, id, expect_version, settings)
            }
            Command::DeleteNamespace { id, expect_version } => {
                self.delete_namespace(stamp, id, expect_version)
            }
            Command::CreateKey {
                id,
                secret_sha256,
                namespace,
                permission,
                prefix,
                expires_at,
                cidrs,
                digest,
                rate_limits,
            } => self.create_key(KeyRecord {
                id,
                secret_sha256,
                namespace,
                permission,
                prefix,
                created_at: stamp.at,
                expires_at,
                cidrs,
                digest,
                rate_limits,
                version: stamp.index,
            }),
            Command::RevokeKey { id } => self.revoke_key(id),
            Command::CreateSigningKey { id, namespace, secret } => {
                self.create_signing_key(stamp, id, namespace, secret.0)
            }
            Command::RevokeSigningKey { id } => self.revoke_signing_key(id),
            Command::StartPurge { namespace, prefix, block } => {
                self.start_purge(stamp, namespace, prefix, block)
            }
            Command::Unblock { namespace, prefix } => self.unblock(stamp, namespace, &prefix),
            Command::PurgeProgress { id, shards_done, removed } => {
                self.purge_progress(stamp, id, shards_done, removed)
            }
            Command::Register { nodes } => {
                let members;
                (members, *lost) = register::register(self, stamp.index, &nodes)?;
                Ok(Outcome::Registered { members })
            }
            Command::RegisterNodes { nodes } => {
                *lost = register::counted::register(self, nodes)?;
                Ok(Outcome::Done)
            }
            Command::SetNodeState { node, state } => done(self.set_node_state(node, state)),
            Command::RemoveNode { node } => done(self.remove_node(node)),
            Command::CreateMap { shards } => done(create_map::create(self, shards)),
            Command::Reconfigure { changes } => done(reconfigure::reconfigure(self, &changes)),
            Command::Readmit { node, old, disk_id, nonce, evidence, shards } => {
                let readmission = Readmission { node, old, disk_id, nonce, evidence, shards: &shards };
                let member = readmit::readmit(self, stamp.index, readmission)?;
                Ok(Outcome::Registered { members: vec![member] })
            }
            Command::SetZoneVerdict { expect, fenced } => {
                done(zone::set_verdict(self, stamp, expect, fenced))
            }
        }
    }
}

/// The answer to a command that answers nothing but that it was done.
fn done(result: Result<(), Refusal>) -> Result<Outcome, Refusal> {
    result.map(|()| Outcome::Done)
}
