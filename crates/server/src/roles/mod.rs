//! The composition roots: each reads as a list, in order; stopping is the reverse.

pub mod admin;
pub mod frontend;
pub mod meta;
pub mod node;

use anyhow::{Context, Result};
use headwater_meta::{CopyFile, MetaCache, MetaStore};
use headwater_types::{Clock, Rng, SystemClock, SystemRng};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// How long a role waits for the metadata at its start before it gives up.
pub const META_WAIT: Duration = Duration::from_secs(60);

/// The machine's clock and randomness.
pub fn system() -> (Arc<dyn Clock>, Arc<dyn Rng>) {
    (Arc::new(SystemClock::new()), Arc::new(SystemRng))
}

/// Follows the metadata. With a directory it begins from the last state that an earlier process saved there, so that a
/// role starts while no voter answers. A frontend serves from that; a storage node is in no shard until its new process
/// is registered, for which it needs the voters.
pub async fn follow(
    store: Arc<dyn MetaStore>,
    dir: Option<&Path>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<(Arc<MetaCache>, JoinHandle<()>)> {
    let Some(dir) = dir else { return Ok(MetaCache::follow(store, clock, rng)) };
    std::fs::create_dir_all(dir).with_context(|| format!("data_dir {}", dir.display()))?;
    Ok(MetaCache::follow_saved(store, CopyFile::in_dir(dir), clock, rng).await)
}
