//! What the first start of a small installation makes: a namespace, an encoder's and a player's key, an admin token.

use anyhow::{Context, Result};
use headwater_meta::{MetaStore, NamespaceSettings, Permission, bootstrap};
use headwater_types::{NamespaceName, Rng};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Plain-text keys of a small installation. Kept in a file that only its owner can read; its `Debug` shows none.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The namespace that the keys are for.
    pub namespace: NamespaceName,
    /// Reads and writes.
    pub encoder_api_key: String,
    /// Reads.
    pub player_api_key: String,
    /// For the admin plane.
    pub admin_token: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the file of an earlier start, or makes namespace and keys and writes it. The namespace is kept if it is there
    /// already; keys are made again if their file is gone.
    pub async fn load_or_make(
        path: &Path,
        store: &dyn MetaStore,
        rng: &dyn Rng,
        namespace: &NamespaceName,
    ) -> Result<Self> {
        if let Ok(bytes) = fs::read(path) {
            return serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is malformed", path.display()));
        }
        let id = bootstrap::ensure_namespace(store, namespace.clone(), NamespaceSettings::default()).await?;
        let issue =
            |namespace, permission| bootstrap::issue_key(store, rng, namespace, permission, None, None);
        let credentials = Self {
            namespace: namespace.clone(),
            encoder_api_key: issue(Some(id), Permission::ReadWrite).await?.reveal(),
            player_api_key: issue(Some(id), Permission::ReadOnly).await?.reveal(),
            admin_token: issue(None, Permission::Admin).await?.reveal(),
        };
        write_secret(path, &credentials)?;
        Ok(credentials)
    }
}

/// Writes a JSON document that only the owner can read, whole or not at all.
pub fn write_secret(path: &Path, document: &impl Serialize) -> Result<()> {
    let beside = path.with_extension("json.new");
    let write = || -> std::io::Result<()> {
        let mut file: File =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(document)?)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let credentials = Credentials {
            namespace: NamespaceName::parse("live").unwrap(),
            encoder_api_key: "verysecret".into(),
            player_api_key: "verysecret".into(),
            admin_token: "verysecret".into(),
        };
        let shown = format!("{credentials:?}");
        assert!(shown.contains("live") && !shown.contains("verysecret"), "{shown}");
    }
}
