//! Memory for bodies that are arriving at this node, bounded by refusing new ones and then those that grow.

use headwater_proto::StorageError;
use headwater_types::{BodyBudget, BodyShare, BudgetFull, limits::BODY_AHEAD_BYTES};
use std::sync::Arc;

/// Lets a body in of which perhaps only the largest size is known. Nobody waits: the frontend does.
pub(crate) fn admit_body(
    budget: &Arc<BodyBudget>,
    size: Option<u64>,
    size_max: u64,
) -> Result<BodyShare, StorageError> {
    let (bytes, ahead) = match size {
        // What is larger than it may be is refused soon.
        Some(size) => (size.min(size_max), 0),
        None => (0, BODY_AHEAD_BYTES.min(size_max)),
    };
    budget.admit_now(bytes, ahead).map_err(|BudgetFull| overloaded(budget))
}

/// The refusal of a body for which there is no room.
pub(crate) fn overloaded(budget: &BodyBudget) -> StorageError {
    let (used, capacity) = (budget.used(), budget.capacity());
    StorageError::Overloaded(format!("{used} bytes are arriving at this node, and its limit is {capacity}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sizes_are_taken_at_once_and_unknown_ones_as_they_arrive() {
        let budget = BodyBudget::new(2 * BODY_AHEAD_BYTES, |_| {});
        let known = admit_body(&budget, Some(BODY_AHEAD_BYTES), u64::MAX).unwrap();
        let unknown = [(); 3].map(|()| admit_body(&budget, None, u64::MAX).unwrap());
        assert_eq!(budget.used(), BODY_AHEAD_BYTES);
        let one = admit_body(&budget, Some(1), 1).unwrap();
        assert!(matches!(admit_body(&budget, None, u64::MAX), Err(StorageError::Overloaded(_))));
        let small = admit_body(&budget, None, BODY_AHEAD_BYTES - 1).expect("it cannot become larger");
        let bounded = admit_body(&budget, Some(u64::MAX), 2).unwrap();
        assert_eq!(budget.used(), BODY_AHEAD_BYTES + 3);
        drop((known, unknown, one, small, bounded));
        assert_eq!(budget.used(), 0);
    }
}
