//! What each figure should at least be, as a multiple of nginx's in the same run.

use crate::{report::Scenario, target::Kind};

/// The floor of a figure, if it has one.
///
/// One process answers reads from memory, without a file system between: it should be ahead of nginx, with the
/// credentials checked. Its uploads are hashed and kept twice, while nginx keeps one copy. In the cluster the frontend
/// and the nodes share the one core, so a hop costs twice: over half of that is the kernel's socket copies.
pub fn of(scenario: Scenario, kind: Kind) -> Option<f64> {
    match (kind, scenario) {
        (Kind::Nginx, _) | (Kind::Cluster, Scenario::Put500K) => None,
        (Kind::Dev, Scenario::Get500K | Scenario::Get4K) => Some(1.0),
        (Kind::Dev, Scenario::Put500K) => Some(0.5),
        (Kind::Cluster, Scenario::Get500K) => Some(0.3),
        (Kind::Cluster, Scenario::Get4K) => Some(0.35),
    }
}
