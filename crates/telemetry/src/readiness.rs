//! Whether a process is ready for work: named conditions, each ready or with the reason why not.

use parking_lot::RwLock;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// The conditions of a process. A clone shares them. With no condition at all it is ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    /// Name to reason; ready is `None`. Names are static, so their number is bounded by the code.
    conditions: Arc<RwLock<BTreeMap<&'static str, Option<String>>>>,
}

/// One condition, to be set by what it depends on.
#[derive(Debug, Clone)]
pub struct Condition {
    name: &'static str,
    readiness: Readiness,
}

/// All conditions at one moment, as `/readyz` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadinessReport {
    /// Whether every condition is ready.
    pub ready: bool,
    /// The conditions, by name.
    pub conditions: Vec<ConditionState>,
}

/// One condition at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConditionState {
    /// Its name.
    pub name: &'static str,
    /// Whether it is ready.
    pub ready: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Readiness {
    /// No conditions yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition, which is not ready for the reason `starting` until it is set; one of that name that is there
    /// already is kept as it is.
    pub fn condition(&self, name: &'static str) -> Condition {
        self.conditions.write().entry(name).or_insert_with(|| Some("starting".to_owned()));
        Condition { name, readiness: self.clone() }
    }

    /// Whether every condition is ready.
    pub fn is_ready(&self) -> bool {
        self.conditions.read().values().all(Option::is_none)
    }

    /// All conditions.
    pub fn report(&self) -> ReadinessReport {
        let state = |(name, reason): (&&'static str, &Option<String>)| ConditionState {
            name,
            ready: reason.is_none(),
            reason: reason.clone(),
        };
        let conditions: Vec<_> = self.conditions.read().iter().map(state).collect();
        ReadinessReport { ready: conditions.iter().all(|condition| condition.ready), conditions }
    }
}

impl Condition {
    /// It is met.
    pub fn ready(&self) {
        self.readiness.conditions.write().insert(self.name, None);
    }

    /// It is not, and why: a sentence for the operator, without secrets.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.readiness.conditions.write().insert(self.name, Some(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_condition_is() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let metadata = readiness.condition("metadata");
        let listener = readiness.condition("listener");
        assert!(!readiness.is_ready());
        metadata.ready();
        listener.ready();
        assert!(readiness.is_ready());

        listener.not_ready("draining");
        let report = serde_json::to_value(readiness.report()).unwrap();
        let expected = serde_json::json!({"ready": false, "conditions": [
            {"name": "listener", "ready": false, "reason": "draining"}, {"name": "metadata", "ready": true}]});
        assert_eq!(report, expected);

        readiness.condition("metadata");
        assert!(readiness.report().conditions[1].ready, "asking for a condition again has reset it");
    }
}
