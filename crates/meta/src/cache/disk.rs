//! A copy of the metadata on disk, so that a role starts from its last state where no voter answers.
//!
//! # What such a start can do
//! A frontend answers requests: it has namespaces, keys and the shard map, as they were. What was changed since (a
//! revoked key above all) it learns when a voter answers. A storage node reads the map, but serves nothing: its process
//! is a new incarnation, which is a member of a shard only when Raft has registered it.

use headwater_types::{Clock, UnixMillis};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep;

use super::MetaCache;
use crate::{
    durable,
    sealed::{self, Encoding, SealError, Sealed},
    state::State,
};

/// At least this long between two saves; changes in between are saved together.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Saving takes at most one part in this many of a core's time.
const SAVE_SHARE: u32 = 20;

/// Why a copy could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was read is no sound copy.
    #[error(transparent)]
    Damaged(#[from] SealError),
}

/// Where a role keeps its copy. The file holds key hashes and signing secrets; its mode is 0600. See [`crate::sealed`]
/// for its format.
#[derive(Debug, Clone)]
pub struct CopyFile {
    path: PathBuf,
}

impl CopyFile {
    /// The name of the file in a role's data directory.
    pub const NAME: &str = "metadata.copy";

    /// In a role's data directory, which must exist when it is saved.
    pub fn in_dir(dir: &Path) -> Self {
        Self { path: dir.join(Self::NAME) }
    }

    /// Reads it; `None`: there is none. Blocks on the disk.
    pub fn load(&self) -> Result<Option<Sealed>, CopyError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(Some(sealed::open(&bytes)?)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Replaces it whole or not at all. Blocks on the disk.
    pub fn save(&self, state: &State, at: UnixMillis, cluster: &str) -> Result<(), CopyError> {
        let bytes = sealed::seal(state, at, cluster, Encoding::Plain)?;
        Ok(durable::replace(&self.path, &bytes)?)
    }

    /// What there is to start from. A copy that cannot be read is told and left out: it is only a copy.
    pub(super) async fn begin(&self) -> Option<Sealed> {
        let file = self.clone();
        let loaded = tokio::task::spawn_blocking(move || file.load()).await;
        let loaded = loaded.unwrap_or_else(|e| Err(CopyError::Io(io::Error::other(e))));
        loaded.unwrap_or_else(|error| {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the saved copy of the metadata is not used: starting without");
            None
        })
    }

    async fn save_blocking(
        &self,
        state: Arc<State>,
        at: UnixMillis,
        cluster: String,
    ) -> Result<(), CopyError> {
        let file = self.clone();
        let save = move || file.save(&state, at, &cluster);
        let saved = tokio::task::spawn_blocking(save).await;
        saved.unwrap_or_else(|e| Err(CopyError::Io(io::Error::other(e))))
    }
}

/// Saves the copy whenever it has changed, for ever. `saved`: what the file has.
pub(super) async fn keep(cache: Arc<MetaCache>, file: CopyFile, clock: Arc<dyn Clock>, mut saved: u64) {
    let mut version = cache.subscribe();
    let mut failing = false;
    loop {
        // Never an error: `cache` holds the sender.
        let _ = version.wait_for(|version| *version != saved).await;
        let (state, began) = (cache.state(), clock.monotonic());
        let newest = state.version;
        match file.save_blocking(state, clock.unix_millis(), cache.cluster()).await {
            Ok(()) => {
                saved = newest;
                failing = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let path = file.path.display();
                    tracing::warn!(%path, %error, "the copy of the metadata cannot be saved; trying again");
                }
            }
        }
        let took = clock.monotonic().saturating_sub(began);
        sleep(SAVE_EVERY.max(took * SAVE_SHARE)).await;
    }
}
