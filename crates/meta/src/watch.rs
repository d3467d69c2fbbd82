//! Watches: every voter keeps the last entries, and each watcher reads them at its own pace.
//!
//! Nothing is queued for a watcher: it asks for what comes after its position. One that is slow falls behind the kept
//! entries and gets a snapshot, so that it costs no memory.

mod hub;
mod ring;
#[cfg(test)]
mod tests;
mod watcher;

pub(crate) use hub::{Hub, Progress};
pub(crate) use watcher::events;
