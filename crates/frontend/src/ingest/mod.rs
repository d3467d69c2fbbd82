//! Request bodies on their way in: the byte budget, the kept body, and what is checked while it arrives.

pub(crate) mod budget;
pub(crate) mod checks;
pub(crate) mod collect;
mod digest_field;
pub(crate) mod sizes;
pub(crate) mod upload;
