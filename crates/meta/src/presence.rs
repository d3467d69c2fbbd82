//! What roles say of themselves: soft state that each voter keeps for itself, never in the log.

mod board;
mod keys_used;
pub mod reporter;
#[cfg(test)]
mod tests;

pub use board::{BoardFile, PresenceBoard};
pub(crate) use keys_used::keep;
