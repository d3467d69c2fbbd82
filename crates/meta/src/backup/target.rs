//! Where backups go: opening a target, saving, listing, loading, and keeping only the newest.

use headwater_types::UnixMillis;
use object_store::{ObjectStore, aws::AmazonS3Builder, path::Path as ObjectPath};
use std::{path::PathBuf, sync::Arc};

use super::{
    BackupError, BackupName,
    place::{Found, Place},
};
use crate::{
    sealed::{self, Encoding, SealError, Sealed},
    state::State,
};

const ALLOWED: &str = "a directory, file:///DIRECTORY or s3://BUCKET/PREFIX";

/// Where backups go.
#[derive(Clone)]
pub struct Target {
    place: Place,
    shown: String,
}

/// A backup of a target.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BackupInfo {
    /// Its name in the target.
    pub name: String,
    /// When it was made.
    pub at: UnixMillis,
    /// The version of the state.
    pub version: u64,
    /// Its size in the target.
    pub bytes: u64,
}

impl From<Found> for BackupInfo {
    fn from(found: Found) -> Self {
        let Found { name, bytes } = found;
        Self { name: name.to_string(), at: name.at, version: name.version, bytes }
    }
}

/// A backup that was read.
#[derive(Debug)]
pub struct LoadedBackup {
    /// Which one.
    pub info: BackupInfo,
    /// What it holds.
    pub sealed: Sealed,
    /// Newer ones that are damaged, newest first, each with what is wrong with it.
    pub damaged: Vec<String>,
}

impl Target {
    /// Opens `file:///DIRECTORY`, the path of a directory, or `s3://BUCKET/PREFIX`. S3 is set up by the environment:
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP=true` for an
    /// endpoint without TLS, and the others that the AWS tools read. Nothing is asked of the target yet.
    pub fn open(url: &str) -> Result<Self, BackupError> {
        let wrong = |allowed: String| BackupError::Target { given: url.to_owned(), allowed };
        if let Some(rest) = url.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() {
                return Err(wrong(ALLOWED.to_owned()));
            }
            let prefix = ObjectPath::parse(prefix.trim_end_matches('/')).map_err(|e| wrong(e.to_string()))?;
            let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build();
            let store = store.map_err(|e| wrong(format!("the environment does not set up S3: {e}")))?;
            return Ok(Self::objects(Arc::new(store), prefix, url));
        }
        let dir = match url.split_once("://") {
            Some(("file", dir)) if dir.starts_with('/') => dir,
            Some(_) => return Err(wrong(ALLOWED.to_owned())),
            None if url.is_empty() => return Err(wrong(ALLOWED.to_owned())),
            None => url,
        };
        Ok(Self { place: Place::Directory(PathBuf::from(dir)), shown: url.to_owned() })
    }

    /// A prefix of any object store; `shown` stands in messages.
    pub fn objects(store: Arc<dyn ObjectStore>, prefix: ObjectPath, shown: &str) -> Self {
        Self { place: Place::Objects { store, prefix }, shown: shown.to_owned() }
    }

    /// Writes a backup, then deletes the oldest ones until `keep` are left (at least the new one). A backup that cannot
    /// be deleted is told and left.
    pub async fn save(
        &self,
        state: Arc<State>,
        cluster: &str,
        now: UnixMillis,
        keep: usize,
    ) -> Result<BackupInfo, BackupError> {
        let mut kept = self.place.list().await?;
        // A clock that is behind another voter's must not make the newest backup an older one.
        let after = kept.last().map_or(0, |newest| newest.name.at.0.saturating_add(1));
        let name = BackupName { at: UnixMillis(now.0.max(after)), version: state.version };
        let cluster = cluster.to_owned();
        let sealing =
            tokio::task::spawn_blocking(move || sealed::seal(&state, name.at, &cluster, Encoding::Gzip));
        let sealed = sealing.await.unwrap_or_else(|e| Err(SealError::Document(e.to_string())));
        let sealed = sealed.map_err(|error| unusable(name, error))?;
        let bytes = sealed.len() as u64;
        self.place.put(name, sealed).await?;
        kept.truncate((kept.len() + 1).saturating_sub(keep.max(1)));
        for old in kept {
            if let Err(error) = self.place.delete(old.name).await {
                tracing::warn!(name = %old.name, %error, "an old backup cannot be deleted");
            }
        }
        Ok(Found { name, bytes }.into())
    }

    /// The backups that are there, oldest first.
    pub async fn list(&self) -> Result<Vec<BackupInfo>, BackupError> {
        Ok(self.place.list().await?.into_iter().map(BackupInfo::from).collect())
    }

    /// Reads a backup: the named one, or the newest that is sound. One from a newer build is an error rather than
    /// passed over: what is older would silently lose what was changed since.
    pub async fn load(&self, name: Option<BackupName>) -> Result<LoadedBackup, BackupError> {
        if let Some(name) = name {
            let (info, sealed) = self.read(name).await?;
            return Ok(LoadedBackup { info, sealed, damaged: Vec::new() });
        }
        let mut damaged = Vec::new();
        for found in self.place.list().await?.into_iter().rev() {
            match self.read(found.name).await {
                Ok((info, sealed)) => return Ok(LoadedBackup { info, sealed, damaged }),
                Err(BackupError::Unusable { name, error }) if !matches!(error, SealError::Newer(_)) => {
                    tracing::warn!(%name, %error, "a backup is damaged; trying the one before");
                    damaged.push(format!("{name}: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Err(BackupError::Missing(match damaged.len() {
            0 => format!("backup in {self}"),
            some => format!("sound backup in {self}; {some} are damaged: {}", damaged.join("; ")),
        }))
    }

    async fn read(&self, name: BackupName) -> Result<(BackupInfo, Sealed), BackupError> {
        let bytes = self.place.get(name).await?;
        let found = Found { name, bytes: bytes.len() as u64 };
        let opened = tokio::task::spawn_blocking(move || sealed::open(&bytes)).await;
        let opened = opened.unwrap_or_else(|e| Err(SealError::Document(e.to_string())));
        let sealed = opened.map_err(|error| unusable(name, error))?;
        if sealed.state.version != name.version {
            let error = SealError::Document(format!("it is at version {}", sealed.state.version));
            return Err(unusable(name, error));
        }
        Ok((found.into(), sealed))
    }
}

/// Without what an object store says of itself: credentials must not get into logs.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.shown).finish()
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

fn unusable(name: BackupName, error: SealError) -> BackupError {
    BackupError::Unusable { name: name.to_string(), error }
}
