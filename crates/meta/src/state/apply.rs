//! Applying a log entry to the state: one function per command.

use headwater_types::{KeyId, NamespaceId, NamespaceName, UnixMillis, limits::KEY_BYTES_MAX};
use std::sync::Arc;

use super::{State, create_map, register, register::Lost, settings};
use crate::{
    command::{Command, Envelope, Outcome},
    limits::{KEYS_MAX, NAMESPACES_MAX, REVOKED_KEYS_MAX},
    records::{KeyRecord, NamespaceRecord, NamespaceSettings, Permission},
    refusal::{self, Refusal},
    secret,
};

/// What applying an entry did, besides the state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// What the proposer is told.
    pub outcome: Outcome,
    /// Shards whose last sound copy is gone.
    pub lost: Lost,
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
            Envelope::decode(command).and_then(|envelope| self.execute(index, envelope, &mut lost))
        };
        Effect { outcome: outcome.unwrap_or_else(Outcome::from), lost }
    }

    fn execute(&mut self, index: u64, envelope: Envelope, lost: &mut Lost) -> Result<Outcome, Refusal> {
        let at = envelope.at;
        match envelope.command {
            Command::CreateNamespace { name, settings } => self.create_namespace(index, at, name, settings),
            Command::UpdateNamespace { id, expect_version, settings } => {
                self.update_namespace(index, at, id, expect_version, settings)
            }
            Command::CreateKey { id, secret_sha256, namespace, permission, prefix, expires_at } => self
                .create_key(KeyRecord {
                    id,
                    secret_sha256,
                    namespace,
                    permission,
                    prefix,
                    created_at: at,
                    expires_at,
                    version: index,
                }),
            Command::RevokeKey { id } => Ok(self.revoke_key(id)),
            Command::RegisterNodes { nodes } => {
                *lost = register::register(self, nodes)?;
                Ok(Outcome::Done)
            }
            Command::CreateMap { shards } => {
                create_map::create(self, shards)?;
                Ok(Outcome::Done)
            }
        }
    }

    fn create_namespace(
        &mut self,
        index: u64,
        at: UnixMillis,
        name: NamespaceName,
        settings: NamespaceSettings,
    ) -> Result<Outcome, Refusal> {
        settings::check(&settings)?;
        if self.names.contains_key(&name) {
            return Err(Refusal::new(refusal::EXISTS, format!("there is a namespace {name} already")));
        }
        if self.namespaces.len() >= NAMESPACES_MAX {
            return Err(Refusal::new(refusal::TOO_MANY, format!("at most {NAMESPACES_MAX} namespaces")));
        }
        let id = NamespaceId(index);
        let record = NamespaceRecord {
            id,
            name: name.clone(),
            created_at: at,
            updated_at: at,
            version: index,
            settings,
        };
        self.namespaces.insert(id, Arc::new(record));
        self.names.insert(name, id);
        Ok(Outcome::Namespace { id, version: index })
    }

    fn update_namespace(
        &mut self,
        index: u64,
        at: UnixMillis,
        id: NamespaceId,
        expect_version: Option<u64>,
        settings: NamespaceSettings,
    ) -> Result<Outcome, Refusal> {
        let Some(record) = self.namespaces.get_mut(&id) else {
            return Err(Refusal::new(refusal::NOT_FOUND, format!("there is no namespace with id {id}")));
        };
        if let Some(expected) = expect_version.filter(|expected| *expected != record.version) {
            let message =
                format!("namespace {} is at version {}, not {expected}", record.name, record.version);
            return Err(Refusal::new(refusal::VERSION_MISMATCH, message));
        }
        settings::check(&settings)?;
        let record = Arc::make_mut(record);
        record.settings = settings;
        record.updated_at = at;
        record.version = index;
        Ok(Outcome::Namespace { id, version: index })
    }

    fn create_key(&mut self, record: KeyRecord) -> Result<Outcome, Refusal> {
        if self.revoked.contains(&record.id) {
            return Err(Refusal::new(refusal::REVOKED, format!("key {} was revoked", record.id)));
        }
        if let Some(known) = self.keys.get(&record.id) {
            return if known.secret_sha256 == record.secret_sha256 {
                Ok(Outcome::Key(Box::new(KeyRecord::clone(known))))
            } else {
                Err(Refusal::new(refusal::EXISTS, format!("there is another key {}", record.id)))
            };
        }
        self.check_key(&record)?;
        if self.keys.len() >= KEYS_MAX {
            return Err(Refusal::new(refusal::TOO_MANY, format!("at most {KEYS_MAX} keys")));
        }
        self.keys.insert(record.id.clone(), Arc::new(record.clone()));
        Ok(Outcome::Key(Box::new(record)))
    }

    fn check_key(&self, record: &KeyRecord) -> Result<(), Refusal> {
        let invalid = |message: &str| Err(Refusal::new(refusal::INVALID, message));
        if !secret::is_hash(&record.secret_sha256) {
            return invalid("secret_sha256 is not 64 lower-case hexadecimal digits");
        }
        match (record.permission, record.namespace) {
            (Permission::Admin, Some(_)) => return invalid("an admin key is valid in no namespace"),
            (Permission::Admin, None) if record.prefix.is_some() => {
                return invalid("an admin key has no prefix");
            }
            (Permission::Admin, None) => {}
            (_, None) => return invalid("a key of the data plane needs a namespace"),
            (_, Some(id)) if !self.namespaces.contains_key(&id) => {
                return Err(Refusal::new(refusal::NOT_FOUND, format!("there is no namespace with id {id}")));
            }
            (_, Some(_)) => {}
        }
        match &record.prefix {
            Some(prefix) if !prefix.ends_with('/') || prefix.len() > KEY_BYTES_MAX => Err(Refusal::new(
                refusal::INVALID,
                format!("a prefix ends at a '/' and has at most {KEY_BYTES_MAX} bytes"),
            )),
            _ => Ok(()),
        }
    }

    /// Also remembers an id that was never there: its creation may still be on its way.
    fn revoke_key(&mut self, id: KeyId) -> Outcome {
        self.keys.remove(&id);
        if !self.revoked.contains(&id) {
            if self.revoked.len() >= REVOKED_KEYS_MAX {
                self.revoked.pop_front();
            }
            self.revoked.push_back(id);
        }
        Outcome::Done
    }
}
