//! Tests of a voter on a real directory.

mod restart;
mod suite;

use headwater_types::{NamespaceName, SystemClock};
use std::{path::Path, sync::Arc, time::Duration};

use super::{RaftMeta, RaftMetaConfig};
use crate::{command::Command, records::NamespaceSettings};

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

pub(crate) fn create_namespace(name: &str) -> Command {
    Command::CreateNamespace {
        name: NamespaceName::parse(name).unwrap(),
        settings: NamespaceSettings::default(),
    }
}
