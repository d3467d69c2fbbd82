//! Namespaces.

use headwater_types::{
    api::{Namespace, Purge},
    settings::NamespaceSettings,
};
use reqwest::Method;
use serde::Serialize;

use super::{Admin, Paged};
use crate::error::Error;

/// What deleting a namespace did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The job that removes its objects, if there were any.
    pub purge: Option<Purge>,
}

impl Admin {
    /// Makes a namespace. A name that is taken is refused with 409.
    pub async fn create_namespace(
        &self,
        name: &str,
        settings: &NamespaceSettings,
    ) -> Result<Namespace, Error> {
        self.create_namespace_from(name, settings).await
    }

    /// Makes a namespace from a document with the settings that are not to be the defaults.
    pub async fn create_namespace_from(
        &self,
        name: &str,
        settings: &impl Serialize,
    ) -> Result<Namespace, Error> {
        #[derive(Serialize)]
        struct New<'a, T> {
            name: &'a str,
            #[serde(flatten)]
            settings: &'a T,
        }
        self.call(Method::POST, &["namespaces"]).json(&New { name, settings }).read().await
    }

    /// Namespaces whose names begin with `prefix`; empty: all.
    pub fn namespaces(&self, prefix: &str) -> Paged<'_, Namespace> {
        self.paged(&["namespaces"], &[("prefix", prefix)])
    }

    /// One namespace.
    pub async fn namespace(&self, name: &str) -> Result<Namespace, Error> {
        self.look(&["namespaces", name]).read().await
    }

    /// Changes the settings that `patch` names (RFC 7396: null means the default), if the namespace still has this
    /// version; a version that is not the newest is refused with 412.
    ///
    /// ```no_run
    /// # async fn example(admin: headwater_client::Admin) -> Result<(), headwater_client::Error> {
    /// let now = admin.namespace("live-origin").await?;
    /// let patch = serde_json::json!({"default_ttl": 600});
    /// admin.update_namespace("live-origin", Some(now.version), &patch).await?;
    /// # Ok(()) }
    /// ```
    pub async fn update_namespace(
        &self,
        name: &str,
        version: Option<u64>,
        patch: &impl Serialize,
    ) -> Result<Namespace, Error> {
        let call = self.call(Method::PATCH, &["namespaces", name]);
        call.if_version(version).merge_patch(patch).read().await
    }

    /// Replaces all settings, if the namespace still has this version.
    pub async fn replace_namespace(
        &self,
        name: &str,
        version: Option<u64>,
        settings: &NamespaceSettings,
    ) -> Result<Namespace, Error> {
        let call = self.call(Method::PUT, &["namespaces", name]);
        call.if_version(version).json(settings).read().await
    }

    /// Deletes a namespace, if it still has this version. One that is not empty is refused unless `force` says that its
    /// objects may go. If its outcome is unknown it is not sent again: it would be refused, or delete what was made anew
    /// with this name.
    pub async fn delete_namespace(
        &self,
        name: &str,
        version: Option<u64>,
        force: bool,
    ) -> Result<Deleted, Error> {
        let query = [("force", force.to_string())];
        let call = self.call_with(Method::DELETE, &["namespaces", name], &query[..usize::from(force)]);
        Ok(Deleted { purge: call.if_version(version).not_repeatable().read_if_any().await? })
    }
}
