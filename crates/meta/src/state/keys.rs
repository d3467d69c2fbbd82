//! API keys: made and revoked.

use headwater_types::{KeyId, NamespaceId, limits::KEY_BYTES_MAX};
use std::{collections::VecDeque, sync::Arc};

use super::{State, namespaces::no_namespace};
use crate::{
    command::Outcome,
    limits::{KEY_CIDRS_MAX, KEY_ID_BYTES_MAX, KEYS_MAX, REVOKED_KEYS_MAX},
    records::{KeyRecord, NamespaceRecord, Permission},
    refusal::{self, Refusal},
    secret,
};

impl State {
    pub(super) fn create_key(&mut self, record: KeyRecord) -> Result<Outcome, Refusal> {
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
            return Err(Refusal::too_many(KEYS_MAX, "keys"));
        }
        self.keys.insert(record.id.clone(), Arc::new(record.clone()));
        Ok(Outcome::Key(Box::new(record)))
    }

    fn check_key(&self, record: &KeyRecord) -> Result<(), Refusal> {
        check_id(&record.id.0)?;
        if !secret::is_hash(&record.secret_sha256) {
            return Err(Refusal::invalid("secret_sha256 is not 64 lower-case hexadecimal digits"));
        }
        if record.cidrs.len() > KEY_CIDRS_MAX {
            let given = record.cidrs.len();
            return Err(Refusal::invalid(format!(
                "cidrs has {given} entries, at most {KEY_CIDRS_MAX} are allowed"
            )));
        }
        if let Some((field, why)) = record.rate_limits.refused() {
            return Err(Refusal::invalid(format!("rate_limits.{field} {why}")));
        }
        match (record.permission, record.namespace) {
            (Permission::Admin, None) => check_admin(record),
            (Permission::Admin, Some(_)) => Err(Refusal::invalid("an admin key is valid in no namespace")),
            (_, None) => Err(Refusal::invalid("a key of the data plane needs a namespace")),
            (_, Some(id)) => check_data(record, self.expect_namespace(id)?),
        }
    }

    /// Also remembers an id that was never there: its creation may still be on its way.
    pub(super) fn revoke_key(&mut self, id: KeyId) -> Result<Outcome, Refusal> {
        check_id(&id.0)?;
        self.keys.remove(&id);
        remember(&mut self.revoked, id);
        Ok(Outcome::Done)
    }

    /// A namespace that a command names.
    pub(super) fn expect_namespace(&self, id: NamespaceId) -> Result<&NamespaceRecord, Refusal> {
        self.namespaces.get(&id).map(|record| &**record).ok_or_else(|| no_namespace(id))
    }
}

/// Remembers a revoked id among the newest [`REVOKED_KEYS_MAX`].
pub(super) fn remember<T: PartialEq>(revoked: &mut VecDeque<T>, id: T) {
    if !revoked.contains(&id) {
        if revoked.len() >= REVOKED_KEYS_MAX {
            revoked.pop_front();
        }
        revoked.push_back(id);
    }
}

/// Checks the id of a key or of a signing key.
pub(super) fn check_id(id: &str) -> Result<(), Refusal> {
    if (1..=KEY_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("a key's id is 1 to {KEY_ID_BYTES_MAX} of a-z, A-Z and 0-9")))
}

fn check_admin(record: &KeyRecord) -> Result<(), Refusal> {
    if record.prefix.is_some() {
        return Err(Refusal::invalid("an admin key has no prefix"));
    }
    if record.digest.is_some() {
        return Err(Refusal::invalid("an admin key has no Digest hashes: they belong to a namespace"));
    }
    if !record.rate_limits.is_none() {
        return Err(Refusal::invalid("an admin key has no rate limits: they are of the data plane"));
    }
    Ok(())
}

fn check_data(record: &KeyRecord, namespace: &NamespaceRecord) -> Result<(), Refusal> {
    let allowed = |prefix: &String| prefix.ends_with('/') && prefix.len() <= KEY_BYTES_MAX;
    if !record.prefix.as_ref().is_none_or(allowed) {
        return Err(Refusal::invalid(format!(
            "a prefix ends at a '/' and has at most {KEY_BYTES_MAX} bytes"
        )));
    }
    let Some(digest) = &record.digest else { return Ok(()) };
    if !namespace.settings.digest {
        return Err(Refusal::invalid(format!(
            "namespace {} does not offer Digest authentication: set its digest to true first",
            namespace.name
        )));
    }
    if !secret::is_md5(&digest.md5) || !secret::is_hash(&digest.sha256) {
        return Err(Refusal::invalid(
            "the digest hashes are not 32 (md5) and 64 (sha256) lower-case hexadecimal digits",
        ));
    }
    Ok(())
}
