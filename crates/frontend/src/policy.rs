//! A namespace's settings in the form in which requests need them.

use hashbrown::HashMap;
use headwater_meta::{CorsPolicy, NamespaceRecord, NamespaceSettings, Rule, glob};
use headwater_types::{NamespaceId, ObjectKey};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

use crate::cors::Cors;

/// Namespaces whose settings are kept; when there are more, all are made anew.
const POLICIES_MAX: usize = 16 * 1024;

/// One version of a namespace's settings.
#[derive(Debug)]
pub(crate) struct Policy {
    pub record: Arc<NamespaceRecord>,
    pub cors: Cors,
    /// The namespace's name as a metric label.
    pub label: Arc<str>,
}

impl Policy {
    fn new(record: Arc<NamespaceRecord>) -> Self {
        Self { cors: Cors::new(&record.settings.cors), label: record.name.as_str().into(), record }
    }

    pub fn id(&self) -> NamespaceId {
        self.record.id
    }

    pub fn settings(&self) -> &NamespaceSettings {
        &self.record.settings
    }
}

/// The policies in use, each made once for each version of its namespace.
#[derive(Debug)]
pub(crate) struct Policies {
    by_id: RwLock<HashMap<NamespaceId, Arc<Policy>>>,
    default_cors: Cors,
}

impl Policies {
    pub fn new() -> Self {
        Self { by_id: RwLock::default(), default_cors: Cors::new(&CorsPolicy::default()) }
    }

    /// The cross-origin policy of a namespace; the default one where there is none, so that an answer does not tell
    /// which namespaces there are.
    pub fn cors<'a>(&'a self, policy: Option<&'a Policy>) -> &'a Cors {
        policy.map_or(&self.default_cors, |policy| &policy.cors)
    }

    /// The policy of a namespace as it is in the metadata now.
    pub fn of(&self, record: Arc<NamespaceRecord>) -> Arc<Policy> {
        if let Some(policy) = self.by_id.read().get(&record.id)
            && policy.record.version == record.version
        {
            return policy.clone();
        }
        let policy = Arc::new(Policy::new(record));
        let mut policies = self.by_id.write();
        if policies.len() >= POLICIES_MAX {
            policies.clear();
        }
        policies.insert(policy.id(), policy.clone());
        policy
    }
}

/// The policy that a connection's last request was about, by one version of the metadata: most connections stay with one
/// namespace.
#[derive(Debug, Default)]
pub(crate) struct LastPolicy(Mutex<Option<(u64, Arc<Policy>)>>);

impl LastPolicy {
    /// The policy of the namespace of this name, if it is the one, by this very version.
    pub fn recall(&self, name: &str, version: u64) -> Option<Arc<Policy>> {
        let last = self.0.lock();
        let (then, policy) = last.as_ref()?;
        (*then == version && policy.record.name.as_str() == name).then(|| policy.clone())
    }

    /// Remembers a policy that was looked up no earlier than in this version.
    pub fn remember(&self, version: u64, policy: Arc<Policy>) {
        *self.0.lock() = Some((version, policy));
    }
}

/// The value of the first rule whose glob matches the key.
pub(crate) fn first_match<'a, T>(rules: &'a [Rule<T>], key: &ObjectKey) -> Option<&'a T> {
    rules.iter().find(|rule| glob::matches(&rule.glob, key.as_str())).map(|rule| &rule.value)
}
