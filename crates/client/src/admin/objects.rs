//! Objects as the admin plane sees them: listings, live playlists, purges; and the audit log.

use headwater_types::api::{AuditEntry, Channel, Namespace, NewPurge, ObjectInfo, Purge};
use reqwest::Method;

use super::{Admin, Paged};
use crate::error::Error;

impl Admin {
    /// The objects of a namespace whose keys begin with `prefix`.
    pub fn objects(&self, namespace: &str, prefix: &str) -> Paged<'_, ObjectInfo> {
        self.paged(&["namespaces", namespace, "objects"], &[("prefix", prefix)])
    }

    /// The live playlists of a namespace.
    pub fn channels(&self, namespace: &str) -> Paged<'_, Channel> {
        self.paged(&["namespaces", namespace, "channels"], &[])
    }

    /// Begins to remove what lies below a prefix; [`Self::purge`] says how far it is.
    pub async fn start_purge(&self, namespace: &str, purge: &NewPurge) -> Result<Purge, Error> {
        self.call(Method::POST, &["namespaces", namespace, "purge"]).json(purge).read().await
    }

    /// Takes names below a prefix again that was purged to be blocked.
    pub async fn unblock(&self, namespace: &str, prefix: &str) -> Result<Namespace, Error> {
        let query = [("prefix", prefix.to_owned())];
        self.call_with(Method::DELETE, &["namespaces", namespace, "blocked"], &query).read().await
    }

    /// A purge.
    pub async fn purge(&self, id: u64) -> Result<Purge, Error> {
        self.look(&["purges", &id.to_string()]).read().await
    }

    /// Purges, those that ended lately included.
    pub fn purges(&self) -> Paged<'_, Purge> {
        self.paged(&["purges"], &[])
    }

    /// What administrators changed through the process that answers: its last 1,000 changes, newest first.
    pub fn audit(&self) -> Paged<'_, AuditEntry> {
        Paged::new(self, self.url(&["audit"]), &[])
    }
}
