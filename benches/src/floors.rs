//! What each figure should at least be, as a multiple of nginx's in the same run.

use crate::{report::Scenario, target::Kind};

/// The floor of a figure, if it has one.
///
/// First floors: one process answers reads from memory, with the credentials checked, and is to be ahead of nginx in the
/// end. In the cluster the frontend and the nodes share the one core, so a hop costs twice: over half of that is the
/// kernel's socket copies. Uploads are reported without a floor: they are hashed and kept twice, nginx keeps one copy.
pub fn of(scenario: Scenario, kind: Kind) -> Option<f64> {
    match (kind, scenario) {
        (Kind::Dev, Scenario::Get500K) => Some(0.8),
        (Kind::Dev, Scenario::Get4K) => Some(1.0),
        (Kind::Cluster, Scenario::Get500K) => Some(0.25),
        (Kind::Cluster, Scenario::Get4K)
        | (_, Scenario::Put500K)
        | (Kind::Nginx | Kind::DevBefore | Kind::ClusterBefore, _) => None,
    }
}
