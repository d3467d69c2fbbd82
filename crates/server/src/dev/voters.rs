//! The metadata voters inside the process of `headwater dev`: three, talking by direct calls.

use anyhow::{Context, Result};
use headwater_meta::{LocalPeers, RaftMeta, RaftMetaConfig, VoterDeps, worker::WorkerParts};
use headwater_types::{Clock, Rng};
use std::{fs, io, path::Path, sync::Arc};

use crate::roles::META_WAIT;

/// As many as a cluster has that outlives one of them.
const VOTERS: u64 = 3;
/// What version 0.1 had in the directory itself, the file that makes it a voter's last.
const MOVED: [&str; 2] = ["snapshot.json", "raft.redb"];

/// The running voters.
pub struct LocalVoters(Vec<Arc<RaftMeta>>);

impl LocalVoters {
    /// Starts them in `dir`/1 to `dir`/3 and waits until they have a leader. A directory of version 0.1, with one voter,
    /// becomes that of the first one; the others join it.
    pub async fn start(dir: &Path, clock: &Arc<dyn Clock>, rng: &Arc<dyn Rng>) -> Result<Self> {
        adopt_single(dir)
            .with_context(|| format!("moving the metadata of an older version in {}", dir.display()))?;
        let peers = LocalPeers::new();
        let mut voters = Vec::new();
        let addresses: Vec<String> = (1..=VOTERS).map(|id| format!("in-process:{id}")).collect();
        for (id, address) in (1..).zip(&addresses) {
            let config = RaftMetaConfig {
                address: address.clone(),
                bootstrap: id == 1,
                ..RaftMetaConfig::new(id, dir.join(id.to_string()))
            };
            let deps = VoterDeps { clock: clock.clone(), rng: rng.clone(), peers: Arc::new(peers.clone()) };
            let voter = RaftMeta::start_with(config, deps).await.with_context(|| format!("voter {id}"))?;
            peers.register(address, voter.clone());
            voters.push(voter);
        }
        for voter in &voters {
            voter.join(&addresses, META_WAIT).await.context("the metadata voters")?;
            voter.ready(META_WAIT).await?;
        }
        Ok(Self(voters))
    }

    /// The one that the process asks; it finds the leader by itself.
    pub fn first(&self) -> &Arc<RaftMeta> {
        &self.0[0]
    }

    /// Each works while it leads.
    pub fn start_workers(&self, parts: &WorkerParts) {
        self.0.iter().for_each(|voter| voter.start_workers(parts.clone()));
    }

    /// Resolves with the reason when one has failed for good.
    pub async fn failed(&self) -> String {
        let failures = self.0.iter().cloned().map(|voter| Box::pin(async move { voter.failed().await }));
        futures_util::future::select_all(failures).await.0
    }

    /// Stops all.
    pub async fn shutdown(&self) {
        for voter in &self.0 {
            voter.shutdown().await;
        }
    }
}

/// Moves the files of a single voter to where the first of three has them. A start that was cut in between goes on.
fn adopt_single(dir: &Path) -> io::Result<()> {
    if !dir.join(MOVED[1]).exists() {
        return Ok(());
    }
    let first = dir.join("1");
    fs::create_dir_all(&first)?;
    for file in MOVED {
        match fs::rename(dir.join(file), first.join(file)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    fs::File::open(&first)?.sync_all()?;
    fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_meta::{MetaStore, NamespaceSettings, bootstrap};
    use headwater_types::{NamespaceName, SystemClock, SystemRng};

    #[tokio::test]
    async fn three_voters_go_on_from_one_of_an_older_version() {
        let dir = tempfile::tempdir().unwrap();
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) =
            (Arc::new(SystemClock::new()), Arc::new(SystemRng));
        let name = || NamespaceName::parse("live").unwrap();
        let config = RaftMetaConfig { bootstrap: true, ..RaftMetaConfig::new(1, dir.path()) };
        let single = RaftMeta::start(config, clock.clone()).await.unwrap();
        let made = bootstrap::ensure_namespace(&*single, name(), NamespaceSettings::default()).await.unwrap();
        single.shutdown().await;

        for _ in 0..2 {
            let voters = LocalVoters::start(dir.path(), &clock, &rng).await.unwrap();
            let first = voters.first();
            assert_eq!(first.membership().await.unwrap().voters().collect::<Vec<_>>(), [1, 2, 3]);
            let same = bootstrap::ensure_namespace(&**first, name(), NamespaceSettings::default()).await;
            assert_eq!(same.unwrap(), made);
            voters.shutdown().await;
        }
        assert!(!dir.path().join("raft.redb").exists() && dir.path().join("1/raft.redb").exists());
    }
}
