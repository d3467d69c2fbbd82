//! What roles say of themselves: soft state that each voter keeps for itself, never in the log.

mod board;
mod keys_used;
pub mod reporter;
mod shares;
#[cfg(test)]
mod tests;
mod usage;

pub use board::{BoardFile, Lead, Led, PresenceBoard};
pub(crate) use keys_used::keep;
