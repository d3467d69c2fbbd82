//! Request bodies on their way in: the kept body, its share of the byte budget, and what is checked while it arrives.

pub(crate) mod checks;
pub(crate) mod collect;
mod digest_field;
pub(crate) mod upload;
