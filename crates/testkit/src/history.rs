//! Histories of reads and writes of a key, conditional ones included, and whether they are linearizable.
//!
//! A refused conditional write counts as a read of the version that it rests on: it says that there was an object, or
//! that the object was another one.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

/// Most operations on one key: the search keeps them in the bits of a number.
const OPERATIONS_MAX: usize = 128;

/// What a client asks for. Objects are told apart by a number that no other write has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// GET.
    Read,
    /// PUT without a condition.
    Put(u64),
    /// PUT with `If-None-Match: *`.
    Create(u64),
    /// PUT with `If-Match`.
    Replace {
        /// What must be there.
        of: u64,
        /// What replaces it.
        with: u64,
    },
    /// DELETE.
    Delete,
}

/// What a client was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A read saw this object, or that there is none.
    Saw(Option<u64>),
    /// A write was made.
    Done,
    /// The condition does not hold: 412.
    Refused,
    /// Nothing was done, and nothing was told.
    Nothing,
    /// A write that may have been made, or may still be.
    Unknown,
}

#[derive(Debug, Clone, Copy)]
struct Operation {
    call: Call,
    outcome: Outcome,
    began: u64,
    ended: u64,
}

impl Operation {
    /// The object after this operation, if it can come where `before` is there.
    fn after(&self, before: Option<u64>) -> Option<Option<u64>> {
        let made = matches!(self.outcome, Outcome::Done | Outcome::Unknown);
        let (possible, after) = match (self.call, self.outcome) {
            (Call::Read, Outcome::Saw(seen)) => (seen == before, before),
            (Call::Put(object), _) if made => (true, Some(object)),
            (Call::Delete, _) if made => (true, None),
            (Call::Create(object), _) if made => (before.is_none(), Some(object)),
            (Call::Create(_), Outcome::Refused) => (before.is_some(), before),
            (Call::Replace { of, with }, _) if made => (before == Some(of), Some(with)),
            (Call::Replace { of, .. }, Outcome::Refused) => (before != Some(of), before),
            _ => (false, before),
        };
        possible.then_some(after)
    }

    /// Whether it need not have happened at all.
    fn is_optional(&self) -> bool {
        self.outcome == Outcome::Unknown
    }
}

/// An operation under way.
#[derive(Debug)]
#[must_use = "an operation that does not end is not in the history"]
pub struct Begun {
    call: Call,
    began: u64,
}

/// What was asked and answered, by key.
#[derive(Debug, Default)]
pub struct History {
    clock: AtomicU64,
    keys: Mutex<BTreeMap<String, Vec<Operation>>>,
}

impl History {
    /// To be called before a request is sent.
    pub fn begin(&self, call: Call) -> Begun {
        Begun { call, began: self.clock.fetch_add(1, SeqCst) }
    }

    /// To be called once a request is answered.
    pub fn end(&self, key: &str, Begun { call, began }: Begun, outcome: Outcome) {
        if outcome == Outcome::Nothing {
            return;
        }
        let ended = if outcome == Outcome::Unknown { u64::MAX } else { self.clock.fetch_add(1, SeqCst) };
        let mut keys = self.keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        keys.entry(key.to_owned()).or_default().push(Operation { call, outcome, began, ended });
    }

    /// Number of operations with this outcome.
    pub fn count(&self, is: impl Fn(Call, Outcome) -> bool) -> usize {
        let keys = self.keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        keys.values().flatten().filter(|operation| is(operation.call, operation.outcome)).count()
    }

    /// Checks that each key, absent at first, has an order of its operations that explains every answer and in which
    /// none that began after another had ended comes before it (Herlihy and Wing 1990; the search is Wing and Gong's,
    /// with Lowe's memory of states seen). Returns the operations of a key that has none.
    pub fn check(&self) -> Result<(), String> {
        let keys = self.keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (key, operations) in keys.iter() {
            if operations.len() > OPERATIONS_MAX {
                return Err(format!(
                    "{key}: {} operations, at most {OPERATIONS_MAX} can be checked",
                    operations.len()
                ));
            }
            if !is_linearizable(operations) {
                let mut sorted = operations.clone();
                sorted.sort_by_key(|operation| operation.began);
                let mut told = format!("{key}: no order explains these answers");
                for Operation { call, outcome, began, ended } in sorted {
                    // Writing to a string cannot fail.
                    let _ = write!(told, "\n  [{began}, {ended}] {call:?} -> {outcome:?}");
                }
                return Err(told);
            }
        }
        Ok(())
    }
}

fn is_linearizable(operations: &[Operation]) -> bool {
    let required = operations.iter().enumerate().filter(|(_, operation)| !operation.is_optional());
    let required = required.fold(0_u128, |all, (at, _)| all | 1_u128 << at);
    let mut seen = HashSet::new();
    let mut open = vec![(0_u128, None)];
    while let Some((done, object)) = open.pop() {
        if done & required == required {
            return true;
        }
        if !seen.insert((done, object)) {
            continue;
        }
        let left = || operations.iter().enumerate().filter(|(at, _)| done & (1_u128 << at) == 0);
        // Whoever began after this has another one to come before it.
        let first_end = left().map(|(_, operation)| operation.ended).min().unwrap_or(u64::MAX);
        for (at, operation) in left().filter(|(_, operation)| operation.began <= first_end) {
            if let Some(after) = operation.after(object) {
                open.push((done | 1_u128 << at, after));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations in the order of their answers: call, when it began, answer. Those that overlap began at the same time.
    fn check(operations: &[(Call, u64, Outcome)]) -> Result<(), String> {
        let history = History::default();
        for (call, began, outcome) in operations {
            history.clock.fetch_max(began + 1, SeqCst);
            history.end("k", Begun { call: *call, began: *began }, *outcome);
        }
        history.check()
    }

    const SAW_NONE: Outcome = Outcome::Saw(None);

    #[test]
    fn a_refusal_counts_as_a_read() {
        let put = (Call::Put(1), 0, Outcome::Done);
        let refused = (Call::Create(2), 0, Outcome::Refused);
        let absent = (Call::Read, 10, SAW_NONE);
        assert!(check(&[put, refused]).is_ok());
        assert!(check(&[put, refused, (Call::Read, 10, Outcome::Saw(Some(1)))]).is_ok());
        assert!(
            check(&[refused, absent, put]).is_err(),
            "the refusal told of an object that was not there yet"
        );
        assert!(check(&[refused]).is_err(), "there was nothing to rest on");
        let unmatched = (Call::Replace { of: 1, with: 3 }, 20, Outcome::Refused);
        assert!(check(&[put, unmatched]).is_err(), "what it asks for is there");
        let newer = (Call::Put(2), 11, Outcome::Done);
        let stale = (Call::Read, 30, Outcome::Saw(Some(1)));
        assert!(check(&[put, unmatched, newer]).is_ok());
        assert!(check(&[put, unmatched, stale, newer]).is_err(), "it rested on the newer one");
    }

    #[test]
    fn conditional_writes_come_right_after_what_they_rest_on() {
        let first = (Call::Create(1), 0, Outcome::Done);
        let other = (Call::Create(2), 0, Outcome::Done);
        assert!(check(&[first, other]).is_err(), "only one creates");
        let replaced = (Call::Replace { of: 1, with: 3 }, 10, Outcome::Done);
        assert!(check(&[first, replaced, (Call::Read, 20, Outcome::Saw(Some(3)))]).is_ok());
        assert!(check(&[first, (Call::Put(4), 5, Outcome::Done), replaced]).is_err());
        assert!(
            check(&[first, (Call::Delete, 5, Outcome::Done), (Call::Create(5), 10, Outcome::Done)]).is_ok()
        );
    }

    #[test]
    fn what_is_unknown_may_come_at_any_time_or_never() {
        let unknown = (Call::Put(1), 0, Outcome::Unknown);
        assert!(check(&[unknown, (Call::Read, 5, SAW_NONE)]).is_ok());
        assert!(
            check(&[unknown, (Call::Read, 5, SAW_NONE), (Call::Read, 10, Outcome::Saw(Some(1)))]).is_ok()
        );
        assert!(
            check(&[unknown, (Call::Read, 5, Outcome::Saw(Some(1))), (Call::Read, 10, SAW_NONE)]).is_err()
        );
        assert!(check(&[(Call::Create(1), 0, Outcome::Nothing), (Call::Read, 5, SAW_NONE)]).is_ok());
    }

    #[test]
    fn as_many_operations_as_fit_and_one_more() {
        let reads = [(Call::Read, 0, SAW_NONE); OPERATIONS_MAX + 1];
        assert!(check(&reads[1..]).is_ok());
        assert!(check(&reads).unwrap_err().contains("129 operations"));
    }
}
