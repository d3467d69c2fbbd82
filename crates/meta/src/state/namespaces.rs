//! Namespaces: made, changed, deleted.

use headwater_types::{KeyId, NamespaceId, NamespaceName, signing::SigningKeyId};
use std::sync::Arc;

use super::{State, apply::Stamp, capacity, settings};
use crate::{
    command::Outcome,
    limits::NAMESPACES_MAX,
    records::{NamespaceRecord, NamespaceSettings},
    refusal::{self, Refusal},
};

impl State {
    pub(super) fn create_namespace(
        &mut self,
        stamp: Stamp,
        name: NamespaceName,
        settings: NamespaceSettings,
    ) -> Result<Outcome, Refusal> {
        settings::check(&settings)?;
        if self.names.contains_key(&name) {
            return Err(Refusal::new(refusal::EXISTS, format!("there is a namespace {name} already")));
        }
        if self.namespaces.len() >= NAMESPACES_MAX {
            return Err(Refusal::too_many(NAMESPACES_MAX, "namespaces"));
        }
        capacity::check(self, None, &settings)?;
        let id = NamespaceId(stamp.index);
        let record = NamespaceRecord {
            id,
            name: name.clone(),
            created_at: stamp.at,
            updated_at: stamp.at,
            version: stamp.index,
            settings,
            blocked: Vec::new(),
        };
        self.namespaces.insert(id, Arc::new(record));
        self.names.insert(name, id);
        Ok(Outcome::Namespace { id, version: stamp.index })
    }

    /// Switching `digest` off while keys have Digest hashes is allowed: the keys keep them, unused, and go on with
    /// their other credentials; switched on again, they work with Digest as before.
    pub(super) fn update_namespace(
        &mut self,
        stamp: Stamp,
        id: NamespaceId,
        expect_version: Option<u64>,
        settings: NamespaceSettings,
    ) -> Result<Outcome, Refusal> {
        let record = self.namespaces.get(&id).ok_or_else(|| no_namespace(id))?;
        expect(record, expect_version)?;
        settings::check(&settings)?;
        capacity::check(self, Some(record), &settings)?;
        self.change_namespace(stamp, id, |record| record.settings = settings);
        Ok(Outcome::Namespace { id, version: stamp.index })
    }

    /// Takes the namespace away with its keys and signing keys, and begins the purge of all its objects. The name may
    /// be used again, by a namespace with another id.
    ///
    /// Repeating it changes nothing: it answers the purge while that is remembered, and [`Outcome::Done`] after that.
    /// Where the namespace is gone, so is the version that was expected of it.
    pub(super) fn delete_namespace(
        &mut self,
        stamp: Stamp,
        id: NamespaceId,
        expect_version: Option<u64>,
    ) -> Result<Outcome, Refusal> {
        let Some(record) = self.namespaces.get(&id).cloned() else {
            return Ok(self.purge_of_deleted(id).map_or(Outcome::Done, Outcome::Purge));
        };
        expect(&record, expect_version)?;
        let purge = self.add_purge(stamp, &record, String::new())?;
        self.namespaces.remove(&id);
        self.names.remove(&record.name);
        let keys = self.keys.values().filter(|key| key.namespace == Some(id));
        let keys: Vec<KeyId> = keys.map(|key| key.id.clone()).collect();
        for key in keys {
            self.keys.remove(&key);
        }
        let signing = self.signing_keys.values().filter(|key| key.namespace == id);
        let signing: Vec<SigningKeyId> = signing.map(|key| key.id.clone()).collect();
        for key in signing {
            self.signing_keys.remove(&key);
        }
        Ok(Outcome::Purge(Box::new(purge)))
    }

    /// Changes a record and stamps it; does nothing if there is none.
    pub(super) fn change_namespace(
        &mut self,
        stamp: Stamp,
        id: NamespaceId,
        change: impl FnOnce(&mut NamespaceRecord),
    ) {
        if let Some(record) = self.namespaces.get(&id) {
            let mut record = NamespaceRecord::clone(record);
            change(&mut record);
            record.updated_at = stamp.at;
            record.version = stamp.index;
            self.namespaces.insert(id, Arc::new(record));
        }
    }
}

/// The refusal of a command that names a namespace that is not there.
pub(super) fn no_namespace(id: NamespaceId) -> Refusal {
    Refusal::not_found(format_args!("namespace with id {id}"))
}

fn expect(record: &NamespaceRecord, version: Option<u64>) -> Result<(), Refusal> {
    match version {
        Some(expected) if expected != record.version => {
            let message =
                format!("namespace {} is at version {}, not {expected}", record.name, record.version);
            Err(Refusal::new(refusal::VERSION_MISMATCH, message))
        }
        _ => Ok(()),
    }
}
