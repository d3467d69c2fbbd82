//! Content codings (RFC 9110 section 8.4): a playlist that is stored compressed is sent decoded to clients that do not
//! accept gzip, and a large one is sent compressed to clients that do.

mod accept;
mod answer;
mod recoding;
mod recodings;

pub(crate) use answer::{Negotiation, Outcome, recoded};
pub(crate) use recoding::Recoding;
pub(crate) use recodings::{RECODED_BYTES_MAX, Recodings};
