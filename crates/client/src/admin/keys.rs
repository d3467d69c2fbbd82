//! API keys and signing keys.

use headwater_types::api::{CreatedKey, CreatedSigningKey, Key, NewKey, Revoked, SigningKeyInfo};
use reqwest::Method;
use std::time::Duration;

use super::{Admin, Paged};
use crate::error::Error;

/// Where a key is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// In one namespace.
    Namespace(&'a str),
    /// On the admin plane.
    Admin,
}

impl<'a> From<&'a str> for Scope<'a> {
    fn from(namespace: &'a str) -> Self {
        Self::Namespace(namespace)
    }
}

impl<'a> From<&'a String> for Scope<'a> {
    fn from(namespace: &'a String) -> Self {
        Self::Namespace(namespace)
    }
}

impl<'a> Scope<'a> {
    fn path(self) -> Vec<&'a str> {
        match self {
            Self::Namespace(name) => vec!["namespaces", name, "keys"],
            Self::Admin => vec!["keys"],
        }
    }

    fn key(self, id: &'a str) -> Vec<&'a str> {
        [self.path(), vec![id]].concat()
    }
}

impl Admin {
    /// Makes an API key. What it answers is the only place where the secret is ever shown.
    pub async fn create_key(&self, scope: impl Into<Scope<'_>>, key: &NewKey) -> Result<CreatedKey, Error> {
        self.call(Method::POST, &scope.into().path()).json(key).read().await
    }

    /// The keys, without their secrets.
    pub fn keys<'a>(&'a self, scope: impl Into<Scope<'a>>) -> Paged<'a, Key> {
        self.paged(&scope.into().path(), &[])
    }

    /// One key, without its secret.
    pub async fn key(&self, scope: impl Into<Scope<'_>>, id: &str) -> Result<Key, Error> {
        let scope = scope.into();
        self.look(&scope.key(id)).read().await
    }

    /// Revokes a key, and waits up to `wait` (at most 10 s; 1 s where it is not said) until every frontend that is known
    /// has confirmed that it refuses it: see [`Revoked::is_confirmed_by_all`]. Doing it again is no error.
    pub async fn revoke_key(
        &self,
        scope: impl Into<Scope<'_>>,
        id: &str,
        wait: Option<Duration>,
    ) -> Result<Revoked, Error> {
        let scope = scope.into();
        self.revoke(&scope.key(id), wait).await
    }

    /// Makes a signing key. A namespace has at most two, for rotation.
    pub async fn create_signing_key(&self, namespace: &str) -> Result<CreatedSigningKey, Error> {
        let nothing = serde_json::Map::new();
        self.call(Method::POST, &["namespaces", namespace, "signing-keys"]).json(&nothing).read().await
    }

    /// The signing keys of a namespace, without their secrets.
    pub fn signing_keys(&self, namespace: &str) -> Paged<'_, SigningKeyInfo> {
        self.paged(&["namespaces", namespace, "signing-keys"], &[])
    }

    /// Revokes a signing key: what it has signed is refused. Waits as [`Self::revoke_key`] does.
    pub async fn revoke_signing_key(
        &self,
        namespace: &str,
        id: &str,
        wait: Option<Duration>,
    ) -> Result<Revoked, Error> {
        self.revoke(&["namespaces", namespace, "signing-keys", id], wait).await
    }

    async fn revoke(&self, path: &[&str], wait: Option<Duration>) -> Result<Revoked, Error> {
        let query: Vec<_> = wait.map(|wait| ("wait_ms", wait.as_millis().to_string())).into_iter().collect();
        self.call_with(Method::DELETE, path, &query).read().await
    }
}
