//! Tests of a voter on a real directory.

mod group;
mod leader;
mod membership;
mod placement;
mod reports;
mod restart;
mod suite;

use headwater_types::{NamespaceName, SeededRng, SystemClock};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::time::timeout;

use super::{RaftMeta, RaftMetaConfig};
use crate::{cache::MetaCache, command::Command, records::NamespaceSettings, state::State, store::MetaStore};

pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A cluster of one voter, leading.
pub(crate) async fn single(dir: &Path) -> Arc<RaftMeta> {
    start(RaftMetaConfig { bootstrap: true, ..RaftMetaConfig::new(1, dir) }).await
}

pub(crate) async fn start(config: RaftMetaConfig) -> Arc<RaftMeta> {
    let meta = RaftMeta::start(config, Arc::new(SystemClock::new())).await.unwrap();
    meta.ready(LIMIT).await.unwrap();
    meta
}

/// The state once a watch of `store` shows a shard map.
pub(crate) async fn map(store: Arc<dyn MetaStore>, limit: Duration) -> Arc<State> {
    let (cache, task) = MetaCache::follow(store, Arc::new(SystemClock::new()), Arc::new(SeededRng::new(6)));
    let mut version = cache.subscribe();
    let shows = async {
        while cache.state().shards.is_empty() {
            version.changed().await.unwrap();
        }
    };
    timeout(limit, shows).await.expect("a shard map");
    task.abort();
    cache.state()
}

pub(crate) fn create_namespace(name: &str) -> Command {
    Command::CreateNamespace {
        name: NamespaceName::parse(name).unwrap(),
        settings: NamespaceSettings::default(),
    }
}

/// The state as of now.
pub(crate) async fn read(meta: &RaftMeta) -> State {
    let version = meta.linearizable_read(LIMIT).await.unwrap();
    let state = meta.hub.state();
    assert!(state.version >= version);
    State::clone(&state)
}
