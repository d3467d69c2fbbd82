//! House rules as tests: which crate may use which, how long files are, that links lead somewhere, what is not written.
//!
//! A rule collects every violation before it fails, so that one run shows them all.

mod crates;
mod described;
mod errors;
mod links;
mod repo;
mod size;
mod words;
