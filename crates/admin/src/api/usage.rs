//! What namespaces hold, as the storage nodes last reported it to the metadata.

use headwater_meta::limits::REPORT_STALE;
use headwater_types::{NamespaceId, api::Usage};
use std::collections::BTreeMap;

use super::AdminApi;

/// What namespaces hold that hold anything; `None` where no node says.
pub struct Usages(Option<BTreeMap<NamespaceId, headwater_meta::Usage>>);

impl Usages {
    /// What one of them holds.
    pub fn of(&self, namespace: NamespaceId) -> Option<Usage> {
        let held = self.0.as_ref()?.get(&namespace).copied().unwrap_or_default();
        Some(Usage { bytes: held.bytes, objects: held.objects })
    }
}

impl AdminApi {
    /// What namespaces hold, at most a second or two old.
    pub(super) async fn usage(&self) -> Usages {
        let presence = self.presence().await;
        let mut nodes = presence.reporters.iter().filter(|reporter| reporter.node.is_some());
        Usages(nodes.any(|node| node.ago < REPORT_STALE).then_some(presence.usage))
    }
}
