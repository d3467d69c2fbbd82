//! Signing keys: made and revoked, at most two a namespace, so that one can follow the other.

use headwater_types::{
    NamespaceId,
    signing::{SigningKey, SigningKeyId},
};
use std::sync::Arc;

use super::{
    State,
    apply::Stamp,
    keys::{check_id, remember},
};
use crate::{
    command::Outcome,
    limits::SIGNING_KEYS_MAX,
    records::SigningKeyRecord,
    refusal::{self, Refusal},
};

impl State {
    pub(super) fn create_signing_key(
        &mut self,
        stamp: Stamp,
        id: SigningKeyId,
        namespace: NamespaceId,
        secret: String,
    ) -> Result<Outcome, Refusal> {
        if self.revoked_signing_keys.contains(&id) {
            return Err(Refusal::new(refusal::REVOKED, format!("signing key {id} was revoked")));
        }
        if let Some(known) = self.signing_keys.get(&id) {
            return if known.secret == secret && known.namespace == namespace {
                Ok(Outcome::SigningKey(Box::new(SigningKeyRecord::clone(known))))
            } else {
                Err(Refusal::new(refusal::EXISTS, format!("there is another signing key {id}")))
            };
        }
        check_id(&id.0)?;
        let name = &self.expect_namespace(namespace)?.name;
        if SigningKey::from_secret(id.clone(), &secret).is_none() {
            return Err(Refusal::invalid("the secret is not 32 bytes as base64url without padding"));
        }
        if self.signing_keys.values().filter(|key| key.namespace == namespace).count() >= SIGNING_KEYS_MAX {
            let message = format!(
                "namespace {name} has {SIGNING_KEYS_MAX} signing keys, the most that are allowed: revoke one first"
            );
            return Err(Refusal::new(refusal::TOO_MANY, message));
        }
        let record = SigningKeyRecord {
            id: id.clone(),
            namespace,
            secret,
            created_at: stamp.at,
            version: stamp.index,
        };
        self.signing_keys.insert(id, Arc::new(record.clone()));
        Ok(Outcome::SigningKey(Box::new(record)))
    }

    /// Also remembers an id that was never there: its creation may still be on its way.
    pub(super) fn revoke_signing_key(&mut self, id: SigningKeyId) -> Result<Outcome, Refusal> {
        check_id(&id.0)?;
        self.signing_keys.remove(&id);
        remember(&mut self.revoked_signing_keys, id);
        Ok(Outcome::Done)
    }
}
